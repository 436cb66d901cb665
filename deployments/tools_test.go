package deployments

import (
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"release-forwarder/cmd/release-forwarder/settings"
)

// nameLabel is the label that pods are selected by.
const nameLabel = "app.kubernetes.io/name"

// ofKafka tells whether a container runs Kafka's tools, not the forwarder.
func ofKafka(c container) bool { return strings.HasPrefix(c.Image, "apache/kafka") }

func (c *container) env() map[string]string {
	env := map[string]string{}
	for _, e := range c.Env {
		env[e.Name] = e.Value
	}
	return env
}

// secretAt is the Secret that is mounted where the file lies.
func (p *podTemplate) secretAt(file string) string {
	for _, m := range p.Spec.Containers[0].VolumeMounts {
		for _, v := range p.Spec.Volumes {
			if m.MountPath == filepath.Dir(file) && v.Name == m.Name {
				return v.Secret.SecretName
			}
		}
	}
	return ""
}

// TestCommandsNeedNoFlagInTheTools: in a role's pod the environment is the service's, with the role's user and password,
// and with no secret of the platform; nothing runs there until somebody scales it.
func TestCommandsNeedNoFlagInTheTools(t *testing.T) {
	users := map[string]bool{}
	for _, u := range kafkaUsers(t) {
		users[u.Metadata.Name] = true
	}
	tried := 0
	for _, o := range overlays(t) {
		for name, d := range o.tools {
			t.Run(o.name+"/"+name, func(t *testing.T) {
				tried++
				pod := d.Spec.Template
				c := pod.Spec.Containers[0]
				if r := d.Spec.Replicas; r == nil || *r != 0 || c.Name != "tools" {
					t.Errorf("%v replicas of container %s", r, c.Name)
				}
				if pod.Spec.ServiceAccountName != name || !users[name] {
					t.Errorf("service account %s, Kafka's user there: %v", pod.Spec.ServiceAccountName, users[name])
				}
				env := maps.Clone(o.settings)
				maps.Copy(env, c.env())
				if env["KAFKA_SASL_USERNAME"] != name || pod.secretAt(env["KAFKA_SASL_PASSWORD_FILE"]) != name {
					t.Errorf("%s logs in with the password of %q", env["KAFKA_SASL_USERNAME"], pod.secretAt(env["KAFKA_SASL_PASSWORD_FILE"]))
				}
				if ofKafka(c) {
					return
				}
				if !slices.Equal(c.Args, []string{"idle"}) {
					t.Errorf("it runs %v", c.Args)
				}
				taken(t, env)
			})
		}
	}
	if tried < 3 {
		t.Errorf("%d pods of tools are seen", tried)
	}
}

// taken gives the environment to the code that the commands on Kafka read it by.
func taken(t *testing.T, env map[string]string) {
	t.Helper()
	for _, row := range settings.Table() {
		t.Setenv(row.Name, "")
	}
	file := standIn(t)
	for name, value := range env {
		if strings.HasSuffix(name, "_FILE") && value != "" {
			value = file(name)
		}
		t.Setenv(name, value)
	}
	s, warnings, err := settings.Load(settings.GroupKafka, settings.GroupDeadLetters, settings.GroupCredential)
	if err != nil || len(warnings) > 0 {
		t.Errorf("%v, warned of: %v", err, warnings)
	} else if c, has := s.Credential.Book().For("lot"); has {
		t.Errorf("it has the platform's secret: %v", c)
	}
}

// TestTheRolesDifferInTheirNameAlone: what is mended in one of the files is mended in the other.
func TestTheRolesDifferInTheirNameAlone(t *testing.T) {
	role := func(name string) string {
		_, text, _ := strings.Cut(string(fileOf(t, "components/operator-tools/"+name+".yaml")), "\n")
		return strings.ReplaceAll(text, name, "ROLE")
	}
	if role("viewer") != role("replayer") {
		t.Error("viewer.yaml and replayer.yaml differ in more than the role's name")
	}
}

// TestTheHourlyCheckLogsInAsTheViewer: the CronJob has the viewer's user, Secrets and mounts, but for the key of the
// receipts, which it does not read.
func TestTheHourlyCheckLogsInAsTheViewer(t *testing.T) {
	checked := 0
	for _, o := range overlays(t) {
		for _, c := range o.cronJobs {
			checked++
			pod, viewer := c.Spec.JobTemplate.Spec.Template, o.tools["release-forwarder-viewer"].Spec.Template
			volumes := slices.DeleteFunc(viewer.Spec.Volumes, func(v volume) bool { return v.Name == "receipts" })
			mounts := slices.DeleteFunc(viewer.Spec.Containers[0].VolumeMounts, func(m mount) bool { return m.Name == "receipts" })
			if !reflect.DeepEqual(pod.Spec.Volumes, volumes) || !reflect.DeepEqual(pod.Spec.Containers[0].VolumeMounts, mounts) {
				t.Errorf("%s: the check mounts other things than the viewer", o.name)
			}
			mine, others := pod.Spec.Containers[0].env(), viewer.Spec.Containers[0].env()
			delete(mine, "GOMEMLIMIT")
			delete(others, "GOMEMLIMIT")
			if !maps.Equal(mine, others) {
				t.Errorf("%s: the check has the environment %v, the viewer %v", o.name, mine, others)
			}
		}
	}
	if checked == 0 {
		t.Error("no overlay has the check")
	}
}

// TestTheTopicAdminIsOffByDefault: only the overlay that is named for it has the user and the pod.
func TestTheTopicAdminIsOffByDefault(t *testing.T) {
	for _, o := range overlays(t) {
		if _, has := o.tools["release-forwarder-topic-admin"]; has != strings.HasSuffix(o.name, "-topic-admin") {
			t.Errorf("%s has it: %v", o.name, has)
		}
	}
}

// TestTheTopicAdminsPropertiesAreFilled: what client.properties takes from the environment is there.
func TestTheTopicAdminsPropertiesAreFilled(t *testing.T) {
	asked := regexp.MustCompile(`\$\{env:([A-Z_]+)\}`).FindAllStringSubmatch(string(fileOf(t, "components/topic-admin/client.properties")), -1)
	for _, o := range overlays(t) {
		d, has := o.tools["release-forwarder-topic-admin"]
		if !has {
			continue
		}
		env := maps.Clone(o.settings)
		maps.Copy(env, d.Spec.Template.Spec.Containers[0].env())
		for _, m := range asked {
			if env[m[1]] == "" {
				t.Errorf("%s: %s is not set", o.name, m[1])
			}
		}
	}
	if len(asked) < 3 {
		t.Errorf("%d variables are asked for", len(asked))
	}
}
