package deployments

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/dlq/ledger"
)

// exitMargin is what the forwarder takes at the very most from SIGTERM to its
// end, beyond its drain: docs/reference/commands.md.
const exitMargin = 10 * time.Second

// TestTheForwarderTakesItsEnvironment gives the container's whole environment to
// the code that reads it: an unknown name, a value out of bounds, a setting
// missing or one of a later version fails here. Files are stood in for.
func TestTheForwarderTakesItsEnvironment(t *testing.T) {
	for _, o := range overlays(t) {
		t.Run(o.name, func(t *testing.T) {
			s, warnings := o.load(t)
			for _, w := range warnings {
				if o.name == "dev" && (strings.HasPrefix(w.String(), "UPSTREAM_URL: is http") || strings.HasPrefix(w.String(), "KAFKA_TLS_ENABLED: is off")) {
					continue // the double speaks http, and its Kafka plain text
				}
				t.Errorf("warned of: %s", w)
			}
			if s.Upstream.URL.Scheme != "https" && o.name != "dev" {
				t.Errorf("the platform by %s", s.Upstream.URL.Scheme)
			}
		})
	}
}

// load is settings.Load in the container's environment.
func (o *overlay) load(t *testing.T) (*settings.Settings, []settings.Warning) {
	t.Helper()
	for _, row := range settings.Table() {
		t.Setenv(row.Name, "")
	}
	file := standIn(t)
	for name, value := range o.environment() {
		if strings.HasSuffix(name, "_FILE") && value != "" {
			if *rendered != "" && !o.mounted(value) {
				t.Errorf("%s=%s is below no volume of the pod", name, value)
			}
			value = file(name)
		}
		t.Setenv(name, value)
	}
	s, warnings, err := settings.Load()
	if err != nil {
		t.Fatalf("the forwarder refuses its environment:\n%v", err)
	}
	return s, warnings
}

// environment is the ConfigMap with what the container sets beside it.
func (o *overlay) environment() map[string]string {
	env := map[string]string{}
	for name, value := range o.settings {
		env[name] = value
	}
	for _, e := range o.forwarder().Env {
		env[e.Name] = e.Value
	}
	return env
}

func (o *overlay) forwarder() container { return o.deployment.Spec.Template.Spec.Containers[0] }

func (o *overlay) mounted(path string) bool {
	for _, m := range o.forwarder().VolumeMounts {
		if filepath.Dir(path) == m.MountPath {
			return true
		}
	}
	return false
}

// standIn writes, for the name of a setting, a file that it takes.
func standIn(t *testing.T) func(setting string) (path string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return func(setting string) string {
		text := []byte("a-secret-of-more-than-32-characters")
		if strings.HasSuffix(setting, "_CA_FILE") {
			text = certificate
		}
		path := filepath.Join(t.TempDir(), setting)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
}

func TestProbesAskTheAdminServer(t *testing.T) {
	for _, o := range overlays(t) {
		t.Run(o.name, func(t *testing.T) {
			s, _ := o.load(t)
			_, port, err := net.SplitHostPort(s.Admin.Addr)
			if err != nil {
				t.Fatalf("ADMIN_ADDR %q: %v", s.Admin.Addr, err)
			}
			c := o.forwarder()
			if len(c.Ports) != 1 || c.Ports[0].Name != "admin" || strconv.Itoa(c.Ports[0].ContainerPort) != port {
				t.Errorf("ports %v; the admin server listens on %s", c.Ports, port)
			}
			for path, p := range map[string]probe{"/livez": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
				if p.HTTPGet.Path != path || p.HTTPGet.Port != "admin" {
					t.Errorf("the probe asks %s on %s; %s on admin is meant", p.HTTPGet.Path, p.HTTPGet.Port, path)
				}
			}
			if c.Lifecycle != nil {
				t.Error("a lifecycle hook takes its time from the grace period: add it to the rule grace-period")
			}
			if p := o.service.Spec.Ports; len(p) != 1 || p[0].TargetPort != "admin" || strconv.Itoa(p[0].Port) != port {
				t.Errorf("the Service's ports are %v", p)
			}
			if o.podMonitor != nil {
				if e := o.podMonitor.Spec.PodMetricsEndpoints; len(e) != 1 || e[0].Port != "admin" || e[0].Path != "/metrics" {
					t.Errorf("scraped at %v", e)
				}
			}
		})
	}
}

// TestPrometheusAsksByAKnownName holds compose's names of the forwarder to
// ADMIN_HOSTS: with any other a scrape gets 421.
func TestPrometheusAsksByAKnownName(t *testing.T) {
	var prometheus struct {
		Jobs []struct {
			Static []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	var compose struct {
		Services map[string]struct{ Environment map[string]string }
	}
	for path, to := range map[string]any{"compose/prometheus.yaml": &prometheus, "compose/compose.yaml": &compose} {
		if err := yaml.Unmarshal(fileOf(t, path), to); err != nil {
			t.Fatal(err)
		}
	}
	known, asked := strings.Split(compose.Services["forwarder"].Environment["ADMIN_HOSTS"], ","), 0
	for _, job := range prometheus.Jobs {
		for _, s := range job.Static {
			for _, target := range s.Targets {
				asked++
				if host, _, err := net.SplitHostPort(target); err != nil || !slices.Contains(known, host) {
					t.Errorf("Prometheus asks %s, ADMIN_HOSTS has %v", target, known)
				}
			}
		}
	}
	if asked == 0 {
		t.Error("nothing is scraped")
	}
}

// TestOneLabelNamesTheReplicas: what is selected by another label selects
// nothing, and nobody says so.
func TestOneLabelNamesTheReplicas(t *testing.T) {
	const name, value = nameLabel, forwarderName
	for _, o := range overlays(t) {
		t.Run(o.name, func(t *testing.T) {
			selectors := map[string]map[string]string{
				"Deployment": o.deployment.Spec.Selector.MatchLabels, "PodDisruptionBudget": o.budget.Spec.Selector.MatchLabels, "Service": o.service.Spec.Selector,
			}
			if o.podMonitor != nil {
				selectors["PodMonitor"] = o.podMonitor.Spec.Selector.MatchLabels
			}
			if *rendered != "" {
				selectors["pods"] = o.deployment.Spec.Template.Metadata.Labels
			}
			for _, p := range o.policies {
				if p.Metadata.Name == value {
					selectors["NetworkPolicy"] = p.Spec.PodSelector.MatchLabels
				}
				for _, e := range p.Spec.Egress {
					for _, to := range e.To {
						if to.PodSelector.MatchLabels[name] != "" {
							t.Errorf("%s lets the replicas speak to %v alone", p.Metadata.Name, to.PodSelector.MatchLabels)
						}
					}
				}
			}
			for what, labels := range selectors {
				if labels[name] != value {
					t.Errorf("%s selects %v", what, labels)
				}
			}
		})
	}
}

// TestTheNetworkPolicyLetsTheForwarderWork: what the settings name can be
// reached.
func TestTheNetworkPolicyLetsTheForwarderWork(t *testing.T) {
	for _, o := range overlays(t) {
		t.Run(o.name, func(t *testing.T) {
			s, _ := o.load(t)
			wanted := map[string]string{"UPSTREAM_URL": cmp.Or(s.Upstream.URL.Port(), map[string]string{"https": "443", "http": "80"}[s.Upstream.URL.Scheme])}
			for _, b := range s.Kafka.Brokers {
				_, wanted["KAFKA_BROKERS"], _ = net.SplitHostPort(b)
			}
			if at := o.settings["OTEL_EXPORTER_OTLP_ENDPOINT"]; at != "" {
				u, err := url.Parse(at)
				if err != nil {
					t.Fatal(err)
				}
				wanted["OTEL_EXPORTER_OTLP_ENDPOINT"] = u.Port()
			}
			for name, port := range wanted {
				if !o.mayReach(port) {
					t.Errorf("%s is on port %s; no network policy lets it through", name, port)
				}
			}
		})
	}
}

func (o *overlay) mayReach(port string) bool {
	n, _ := strconv.Atoi(port)
	for _, p := range o.policies {
		if !p.selects(forwarderName) {
			continue
		}
		for _, e := range p.Spec.Egress {
			for _, allowed := range e.Ports {
				if n >= allowed.Port && n <= max(allowed.Port, allowed.EndPort) {
					return true
				}
			}
		}
	}
	return false
}

func TestPodsCanDoNoHarm(t *testing.T) {
	for _, o := range overlays(t) {
		pods := map[string]podTemplate{"Deployment": o.deployment.Spec.Template}
		for name, d := range o.tools {
			pods[name] = d.Spec.Template
		}
		for _, c := range o.cronJobs {
			pods["CronJob"] = c.Spec.JobTemplate.Spec.Template
			if b := c.Spec.JobTemplate.Spec.BackoffLimit; b == nil || *b != 0 || c.Spec.ConcurrencyPolicy != "Forbid" {
				t.Errorf("%s: a check that is tried again hides its failure", o.name)
			}
		}
		for kind, pod := range pods {
			t.Run(o.name+"/"+kind, func(t *testing.T) {
				spec := pod.Spec
				if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
					t.Error("it gets a token of the Kubernetes API")
				}
				if spec.EnableServiceLinks == nil || *spec.EnableServiceLinks {
					t.Error("Services of the namespace are put among its settings")
				}
				if !spec.SecurityContext.RunAsNonRoot || spec.SecurityContext.RunAsUser == 0 {
					t.Error("it may run as root")
				}
				writable := map[string]bool{}
				for _, v := range spec.Volumes {
					writable[v.Name] = v.EmptyDir != nil
					if v.Secret.SecretName != "" && (v.Secret.DefaultMode != 0o440 || spec.SecurityContext.FSGroup == 0) {
						t.Errorf("the files of Secret %s have mode %o: its user and group alone read them (0440, fsGroup)", v.Secret.SecretName, v.Secret.DefaultMode)
					}
				}
				c := spec.Containers[0]
				if !c.SecurityContext.ReadOnlyRootFilesystem {
					t.Error("its root can be written")
				}
				for _, m := range c.VolumeMounts {
					if m.SubPath != "" || m.ReadOnly == writable[m.Name] {
						t.Errorf("%s: a subPath is never updated, and nothing is to be written", m.MountPath)
					}
				}
				if _, is := c.Resources.Limits["cpu"]; is {
					t.Error("a CPU limit throttles, and a throttled replica misses heartbeats")
				}
				if c.LastWords != "FallbackToLogsOnError" {
					t.Error("what it ends with does not show in the pod's status")
				}
				if !ofKafka(c) && !slices.ContainsFunc(c.Env, func(e struct{ Name, Value string }) bool { return e.Name == "GOMEMLIMIT" }) {
					t.Error("GOMEMLIMIT is not set: the kernel's bound is the first that the collector feels")
				}
			})
		}
	}
}

// TestReplicasComeBeforeOthersGo, and their number is told by one alone.
func TestReplicasComeBeforeOthersGo(t *testing.T) {
	for _, o := range overlays(t) {
		t.Run(o.name, func(t *testing.T) {
			if u := o.deployment.Spec.Strategy.RollingUpdate; u.MaxUnavailable != 0 || u.MaxSurge < 1 {
				t.Errorf("a rollout takes replicas away before new ones are proven: %+v", u)
			}
			if *rendered != "" && o.scaled != nil && o.deployment.Spec.Replicas != nil {
				t.Error("the Deployment's replicas and KEDA's would fight over the number")
			}
		})
	}
}

// TestScalingKnowsTheMetrics: KEDA asks for series that exist, never for the
// committed lag.
func TestScalingKnowsTheMetrics(t *testing.T) {
	names := map[string]bool{}
	for _, i := range telemetry.Table() {
		names[i.FullName()] = true
	}
	for _, o := range overlays(t) {
		if o.scaled == nil {
			continue
		}
		for _, trigger := range o.scaled.Spec.Triggers {
			if trigger.Type != "prometheus" {
				t.Errorf("%s: scaled by %s", o.name, trigger.Type)
			}
			query := trigger.Metadata["query"]
			asked := regexp.MustCompile(`release_forwarder_\w+`).FindAllString(query, -1)
			if !slices.Contains(asked, "release_forwarder_circuit_open") || slices.Contains(asked, "release_forwarder_lag_records") {
				t.Errorf("%s: the query must heed the circuit and not the lag: %s", o.name, query)
			}
			for _, name := range asked {
				if !names[name] {
					t.Errorf("%s: no metric %s", o.name, name)
				}
			}
		}
	}
}

// ledgerLag is min.compaction.lag.ms of a ledger that the dlq commands make
// (package dlq/ledger): the chain of its locks stands whole for a day.
const ledgerLag = 86400000

// TestTopicsKeepWhatTheyHold: all are there, and keep what is acknowledged.
func TestTopicsKeepWhatTheyHold(t *testing.T) {
	for _, o := range overlays(t) {
		if len(o.eventTopics) == 0 {
			continue
		}
		s, _ := o.load(t)
		names := append(s.Topics(), s.DeadLetters.Topic)
		if receipts := s.Receipts.Topic; receipts != "" {
			names = append(names, receipts)
			if topic := o.eventTopics[receipts]; topic.Spec.Config["cleanup.policy"] != "delete" || topic.Spec.Config["retention.ms"] != int((400*24*time.Hour).Milliseconds()) {
				t.Errorf("%s: receipts are not kept for 400 days: %+v", o.name, topic.Spec)
			}
		}
		for _, name := range names {
			if _, is := o.eventTopics[name]; !is {
				t.Fatalf("%s: %s is not among the topics", o.name, name)
			}
		}
		ledger, is := o.eventTopics[ledger.Topic(s.DeadLetters.Topic)]
		if !is || ledger.Spec.Partitions != 1 || ledger.Spec.Config["cleanup.policy"] != "compact" || ledger.Spec.Config["min.compaction.lag.ms"] != ledgerLag {
			t.Errorf("%s: the ledger's topic is not as the dlq commands make it: %+v", o.name, ledger.Spec)
		}
		for name, topic := range o.eventTopics {
			if topic.Spec.Config["min.insync.replicas"] != 2 {
				t.Errorf("%s: %s: min.insync.replicas is %v", o.name, name, topic.Spec.Config["min.insync.replicas"])
			}
		}
	}
}
