// Command operators does with the fields that the runbooks patch what the operators of Strimzi and KEDA do, which cannot be had here: a
// topic, a user's rights, replicas. It does no more: operators cluster.sh BROKERS NAMESPACE.
package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type object struct {
	Kind     string
	Metadata struct {
		Name        string
		Generation  int
		Annotations map[string]string
	}
	Spec struct {
		Partitions, Replicas, MinReplicaCount int
		Config                                map[string]json.RawMessage
		ScaleTargetRef                        struct{ Name string }
		Authorization                         struct {
			ACLs []struct {
				Resource   struct{ Type, Name string }
				Operations []string
			}
		}
	}
	Status struct{ ObservedGeneration int }
}

var (
	ctx       = context.Background()
	client, _ = kgo.NewClient(kgo.SeedBrokers(strings.Split(os.Args[2], ",")...), kgo.RetryTimeout(5*time.Second))
	kafka     = kadm.NewClient(client)
)

func main() {
	for before := map[string]object{}; ; time.Sleep(time.Second) {
		var list struct{ Items []object }
		now := map[string]object{}
		if json.Unmarshal(kubectl("get", "kafkatopics,kafkausers,scaledobjects,deployments", "-o", "json"), &list) != nil {
			continue
		}
		for _, o := range list.Items {
			now[o.Kind+" "+o.Metadata.Name] = o
		}
		for id, o := range now {
			switch {
			case o.Kind == "KafkaTopic":
				topic(o)
			case o.Kind == "KafkaUser" && before[id].Metadata.Generation != o.Metadata.Generation:
				user(o)
			case o.Kind == "ScaledObject":
				scale(now["Deployment "+o.Spec.ScaleTargetRef.Name], o)
			}
			if strings.HasPrefix(o.Kind, "Kafka") && o.Status.ObservedGeneration != o.Metadata.Generation {
				status := `{"status":{"observedGeneration":` + strconv.Itoa(o.Metadata.Generation) + `,"conditions":[{"type":"Ready","status":"True"}]}}`
				kubectl("patch", o.Kind, o.Metadata.Name, "--subresource=status", "--type=merge", "-p", status)
			}
		}
		for id, o := range before {
			if _, is := now[id]; !is && o.Kind == "KafkaTopic" {
				_, _ = kafka.DeleteTopic(ctx, o.Metadata.Name)
			}
		}
		before = now
	}
}

// topic makes one, and takes back what others have changed of its configuration.
func topic(o object) {
	_, _ = kafka.CreateTopic(ctx, int32(o.Spec.Partitions), int16(o.Spec.Replicas), nil, o.Metadata.Name) // most often it is there
	r, _ := kafka.DescribeTopicConfigs(ctx, o.Metadata.Name)
	for i := 0; len(r) > 0 && i < len(r[0].Configs); i++ {
		c := r[0].Configs[i]
		value := strings.Trim(string(o.Spec.Config[c.Key]), `"`)
		if value != "" && value != c.MaybeValue() {
			_, _ = kafka.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: c.Key, Value: &value}}, o.Metadata.Name)
		}
	}
}

// user has the rights of its object and no others.
func user(o object) {
	_, _ = kafka.DeleteACLs(ctx, kadm.NewACLs().AnyResource().Allow("User:"+o.Metadata.Name).AllowHosts().Operations(kadm.OpAny).ResourcePatternType(kadm.ACLPatternAny))
	create := kmsg.NewPtrCreateACLsRequest()
	for _, r := range o.Spec.Authorization.ACLs {
		for _, operation := range r.Operations {
			c := kmsg.NewCreateACLsRequestCreation()
			c.ResourceType, _ = kmsg.ParseACLResourceType(r.Resource.Type)
			c.Operation, _ = kmsg.ParseACLOperation(operation)
			c.ResourceName, c.Principal, c.Host, c.PermissionType = r.Resource.Name, "User:"+o.Metadata.Name, "*", kmsg.ACLPermissionTypeAllow
			create.Creations = append(create.Creations, c)
		}
	}
	_, _ = create.RequestWith(ctx, client)
}

func scale(target, o object) {
	want := strconv.Itoa(max(target.Spec.Replicas, o.Spec.MinReplicaCount))
	if paused, is := o.Metadata.Annotations["autoscaling.keda.sh/paused-replicas"]; is {
		want = paused
	}
	if want != strconv.Itoa(target.Spec.Replicas) {
		kubectl("scale", "deployment/"+target.Metadata.Name, "--replicas="+want)
	}
}

func kubectl(args ...string) []byte {
	out, err := exec.Command(os.Args[1], append([]string{"kubectl", "-n", os.Args[3]}, args...)...).Output()
	if err != nil {
		return nil // it is tried again in a second
	}
	return out
}
