package deployments

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// rendered is where `make test-kube` puts each overlay as kustomize renders it.
// Without it the tests look at the sources: the same settings, and the workloads
// before the overlays' patches.
var rendered = flag.String("rendered", "", "folder of rendered overlays, one file each")

// forwarderName is what the service's objects are called.
const forwarderName = "release-forwarder"

// overlay is what the tests look at: settings and workloads.
type overlay struct {
	name        string
	settings    map[string]string     // the generated ConfigMap
	deployment  deployment            // the forwarder's
	tools       map[string]deployment // where people run commands
	cronJobs    []cronJob
	scaled      *scaledObject
	eventTopics map[string]kafkaTopic
	policies    []networkPolicy
	budget      budget
	service     service
	podMonitor  *podMonitor
	alerts      []alert
	components  []string // their folders' names; sources only
	objects     objects  // all, as they stand
}

func overlays(t *testing.T) []*overlay {
	t.Helper()
	var all []*overlay
	dirs, err := filepath.Glob("overlays/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no overlays: %v", err)
	}
	for _, dir := range dirs {
		o := &overlay{name: filepath.Base(dir), settings: map[string]string{}, tools: map[string]deployment{}, eventTopics: map[string]kafkaTopic{}, objects: objects{}}
		if *rendered != "" {
			o.read(t, filepath.Join(*rendered, o.name+".yaml"))
		} else {
			o.compose(t, dir)
		}
		all = append(all, o)
	}
	return all
}

// kustomization is the part of kustomize's file that settings and objects come
// by.
type kustomization struct {
	Resources          []string
	Components         []string
	ConfigMapGenerator []struct {
		Name           string
		Envs, Literals []string
	} `yaml:"configMapGenerator"`
	Replicas []struct {
		Name  string
		Count int
	}
}

// compose reads what a kustomization is put together from.
func (o *overlay) compose(t *testing.T, dir string) {
	t.Helper()
	var k kustomization
	decode(t, filepath.Join(dir, "kustomization.yaml"), func(d *yaml.Decoder) error { return d.Decode(&k) })
	for _, c := range k.Components {
		o.components = append(o.components, filepath.Base(c))
	}
	for _, r := range append(k.Resources, k.Components...) {
		path := filepath.Join(dir, r)
		if info, err := os.Stat(path); err != nil {
			t.Fatalf("%s names what is not there: %v", dir, err)
		} else if info.IsDir() {
			o.compose(t, path)
		} else {
			o.read(t, path)
		}
	}
	for _, r := range k.Replicas {
		if d := o.objects["Deployment/"+r.Name]; d != nil {
			d["spec"].(map[string]any)["replicas"] = r.Count
		}
	}
	for _, g := range k.ConfigMapGenerator {
		if g.Name != forwarderName {
			continue
		}
		for _, env := range g.Envs {
			text, err := os.ReadFile(filepath.Join(dir, env))
			if err != nil {
				t.Fatal(err)
			}
			g.Literals = append(g.Literals, strings.Split(string(text), "\n")...)
		}
		for _, line := range g.Literals {
			if name, value, is := strings.Cut(line, "="); is && !strings.HasPrefix(line, "#") {
				o.settings[name] = value
			}
		}
	}
}

// read takes up every object of a file.
func (o *overlay) read(t *testing.T, file string) {
	t.Helper()
	decode(t, file, func(d *yaml.Decoder) error {
		var node yaml.Node
		if err := d.Decode(&node); err != nil {
			return err
		}
		return o.take(&node)
	})
}

func (o *overlay) take(node *yaml.Node) error {
	var head struct {
		Kind     string
		Metadata struct {
			Name        string
			Annotations map[string]string
		}
		Data map[string]string
	}
	if err := node.Decode(&head); err != nil {
		return err
	}
	if head.Metadata.Annotations["config.kubernetes.io/local-config"] == "true" {
		return nil // for kustomize alone
	}
	if err := o.objects.add(head.Kind+"/"+head.Metadata.Name, node); err != nil {
		return err
	}
	switch head.Kind {
	case "ConfigMap":
		if head.Data["client.properties"] == "" {
			maps.Copy(o.settings, head.Data)
		}
	case "Deployment":
		if head.Metadata.Name == forwarderName {
			return node.Decode(&o.deployment)
		}
		var d deployment
		err := node.Decode(&d)
		o.tools[head.Metadata.Name] = d
		return err
	case "CronJob":
		var c cronJob
		err := node.Decode(&c)
		o.cronJobs = append(o.cronJobs, c)
		return err
	case "ScaledObject":
		return node.Decode(&o.scaled)
	case "KafkaTopic":
		var k kafkaTopic
		err := node.Decode(&k)
		o.eventTopics[head.Metadata.Name] = k
		return err
	case "NetworkPolicy":
		var n networkPolicy
		err := node.Decode(&n)
		o.policies = append(o.policies, n)
		return err
	case "PodDisruptionBudget":
		return node.Decode(&o.budget)
	case "Service":
		return node.Decode(&o.service)
	case "PodMonitor":
		return node.Decode(&o.podMonitor)
	case "PrometheusRule":
		var r prometheusRule
		err := node.Decode(&r)
		o.alerts = append(o.alerts, r.Spec.Groups.alerts()...)
		return err
	}
	return nil
}

// decode calls next until the file's documents are over.
func decode(t *testing.T, file string, next func(*yaml.Decoder) error) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		err := next(d)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
}

// TestEveryComponentIsInAnOverlay: what no overlay names is never rendered, nor
// held against an API server.
func TestEveryComponentIsInAnOverlay(t *testing.T) {
	if *rendered != "" {
		return // it is no longer told where an object came from
	}
	dirs, err := filepath.Glob("components/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no components: %v", err)
	}
	named := map[string]bool{}
	for _, o := range overlays(t) {
		for _, c := range o.components {
			named[c] = true
		}
	}
	for _, dir := range dirs {
		if !named[filepath.Base(dir)] {
			t.Errorf("%s is in no overlay", dir)
		}
	}
}

// TestAComponentSetsNoSetting: it would win over what the overlay's settings.env says, without a word.
func TestAComponentSetsNoSetting(t *testing.T) {
	files, err := filepath.Glob("components/*/kustomization.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d components: %v", len(files), err)
	}
	for _, file := range files {
		var k kustomization
		decode(t, file, func(d *yaml.Decoder) error { return d.Decode(&k) })
		for _, g := range k.ConfigMapGenerator {
			if g.Name == forwarderName {
				t.Errorf("%s sets %v %v", file, g.Envs, g.Literals)
			}
		}
	}
}
