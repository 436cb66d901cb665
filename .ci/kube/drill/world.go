package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/cmd/testkit/process"
	"release-forwarder/cmd/testkit/prometheus"
)

const (
	replicas = 3 // as the overlay has them
	startup  = 3 * time.Minute
)

// world is all around the pods.
type world struct {
	config
	proxy      string // address of `kubectl proxy`
	client     *kgo.Client
	admin      *kadm.Client
	double     *platform.Double
	prometheus *prometheus.Server
	alerts     []prometheus.Alert
	person     *person
	lanes      *lanes
	operators  *exec.Cmd // nil while they are stopped
	secret     string    // the platform's
	begun      time.Time // the trouble
	scratch    string
	overlay    string // the production overlay with this world's addresses
	ends       []func()
}

func newWorld(ctx context.Context, c config) (w *world, err error) {
	w = &world{config: c, secret: "the-platforms-secret"}
	w.double = platform.New(platform.Config{Secret: w.secret, KeepRequests: -1})
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.scratch, err = os.MkdirTemp("", "drill"); err != nil {
		return w, err
	}
	w.ends = append(w.ends, func() { _ = os.RemoveAll(w.scratch) })
	env, err := exec.CommandContext(ctx, c.cluster, "env").Output()
	if err != nil {
		return w, err
	}
	kubeconfig := strings.TrimPrefix(strings.TrimSpace(string(env)), "KUBECONFIG=")
	w.person = &person{root: c.root, home: filepath.Join(w.scratch, "home"), env: append(os.Environ(), "KUBECONFIG="+kubeconfig)}
	if err := os.MkdirAll(w.person.home, 0o700); err != nil {
		return w, err
	}
	if err := w.serveAPI(); err != nil {
		return w, err
	}
	if w.client, err = kgo.NewClient(kgo.SeedBrokers(strings.Split(c.admin, ",")...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(1_000_000)); err != nil {
		return w, err
	}
	w.ends = append(w.ends, w.client.Close)
	w.admin = kadm.NewClient(w.client)
	url, err := w.listen(ctx)
	if err != nil {
		return w, err
	}
	if err := w.deploy(ctx, url); err != nil {
		return w, err
	}
	return w, w.watch(ctx)
}

func (w *world) close() {
	for i := len(w.ends) - 1; i >= 0; i-- {
		w.ends[i]()
	}
	w.ends = nil
}

// serveAPI has kubectl speak with the API server.
func (w *world) serveAPI() error {
	address, err := process.FreeAddress()
	if err != nil {
		return err
	}
	host, port, _ := net.SplitHostPort(address)
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		return err
	}
	proxy, err := process.Start(kubectl, w.person.env, filepath.Join(w.scratch, "proxy.log"), "proxy", "--address", host, "--port", port, "--accept-hosts", "^127")
	if err != nil {
		return err
	}
	w.proxy, w.ends = "http://"+address, append(w.ends, proxy.Kill)
	return nil
}

// listen serves the platform's double where pods reach it.
func (w *world) listen(ctx context.Context) (url string, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(w.address, "0"))
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: w.double, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(listener) }()
	w.ends = append(w.ends, func() { _ = server.Close() })
	return fmt.Sprintf("http://%s/gate/1.0/parking/internal/update", listener.Addr()), nil
}

// prerequisites are what the overlay expects to be there: a namespace under Pod Security, and the broker's pods. The broker's processes
// stand beside them.
const prerequisites = `
apiVersion: v1
kind: Namespace
metadata: {name: ` + namespace + `, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: events-broker, namespace: ` + namespace + `}
spec:
  replicas: 3
  podManagementPolicy: Parallel
  selector: {matchLabels: {strimzi.io/cluster: events}}
  template:
    metadata: {labels: {strimzi.io/cluster: events, strimzi.io/kind: Kafka}}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 1
      securityContext: {runAsNonRoot: true, runAsUser: 65535, seccompProfile: {type: RuntimeDefault}}
      containers: [{name: kafka, image: "localhost/pause:test", securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]
`

// kustomization is the production overlay with what differs here: addresses and images.
const kustomization = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: ` + namespace + `
resources: [%[1]s]
configMapGenerator: [{name: release-forwarder, behavior: merge, literals: ["KAFKA_BROKERS=%[2]s", "UPSTREAM_URL=%[3]s"]}]
images:
  - {name: registry.example.com/parking/release-forwarder, newName: localhost/release-forwarder, newTag: test}
  - {name: apache/kafka, newName: localhost/kafka-tools, newTag: test}
`

// deploy brings the manifests into the cluster, as README and docs/how-to/deploy-kubernetes.md say.
func (w *world) deploy(ctx context.Context, url string) error {
	w.overlay = filepath.Join(w.scratch, "overlay")
	production, err := filepath.Rel(w.overlay, filepath.Join(w.root, "deployments/overlays/production-topic-admin"))
	if err != nil {
		return err
	}
	text := fmt.Sprintf(kustomization, production, w.pods, url)
	if err := errors.Join(os.MkdirAll(w.overlay, 0o700), os.WriteFile(filepath.Join(w.overlay, "kustomization.yaml"), []byte(text), 0o600)); err != nil {
		return err
	}
	if _, err := w.kc(ctx, prerequisites, "apply", "--server-side", "-f", "-"); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"create", "secret", "generic", "release-forwarder-platform", "--from-literal=app-secret=" + w.secret},
		{"create", "secret", "generic", "release-forwarder-kafka-ca", "--from-file=ca.crt=" + w.ca},
	} {
		if _, err := w.kc(ctx, "", args...); err != nil {
			return err
		}
	}
	if err := w.apply(ctx); err != nil {
		return err
	}
	if err := w.users(ctx); err != nil {
		return err
	}
	if err := w.startOperators(ctx); err != nil {
		return err
	}
	w.ends = append(w.ends, w.stopOperators)
	_, err = w.kc(ctx, "", "rollout", "status", "deployment/release-forwarder", "--timeout="+startup.String())
	return err
}

// startOperators starts the stand-in for those of Strimzi and KEDA.
func (w *world) startOperators(ctx context.Context) error {
	w.operators = exec.CommandContext(ctx, w.operator, w.cluster, w.config.admin, namespace)
	return w.operators.Start()
}

func (w *world) stopOperators() {
	if w.operators != nil {
		_ = w.operators.Process.Kill()
		_ = w.operators.Wait()
		w.operators = nil
	}
}

func (w *world) apply(ctx context.Context) error {
	_, err := w.kc(ctx, "", "apply", "--server-side", "--force-conflicts", "-k", w.overlay)
	return err
}

// users gives each KafkaUser a password and its Secret, as Strimzi's user operator does, and Kafka's administrator his log-in.
func (w *world) users(ctx context.Context) error {
	names, err := w.kc(ctx, "", "get", "kafkausers", "-o", "jsonpath={.items[*].metadata.name}")
	if err != nil {
		return err
	}
	for _, name := range append(strings.Fields(names), administrator) {
		password := rand.Text()
		scram := kadm.UpsertSCRAM{User: name, Mechanism: kadm.ScramSha512, Iterations: 4096, Password: password}
		if _, err := w.admin.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{scram}); err != nil {
			return err
		}
		if name == administrator {
			err = os.WriteFile(filepath.Join(w.person.home, "admin.properties"), fmt.Appendf(nil, properties, name, password, w.ca), 0o600)
		} else {
			_, err = w.kc(ctx, "", "create", "secret", "generic", name, "--from-literal=password="+password)
			err = errors.Join(err, os.WriteFile(filepath.Join(w.person.home, name+".password"), []byte(password), 0o600))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// administrator is a super user of the brokers, properties his log-in for Kafka's tools.
const (
	administrator = "kafka-admin"
	properties    = `security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="%s" password="%s";
ssl.truststore.type=PEM
ssl.truststore.location=%s
`
)

// watch starts Prometheus, which scrapes whatever replicas there are, and the lanes.
func (w *world) watch(ctx context.Context) (err error) {
	if w.alerts, err = prometheus.Alerts(w.root); err != nil {
		return err
	}
	if w.alerts, err = shortened(w.alerts); err != nil {
		return err
	}
	if w.prometheus, err = prometheus.Start(ctx, w.scratch, prometheus.Rules(w.alerts)); err != nil {
		return err
	}
	w.ends = append(w.ends, w.prometheus.Kill)
	restarts := httptest.NewServer(http.HandlerFunc(w.restarts))
	w.ends = append(w.ends, restarts.Close)
	ctx, cancel := context.WithCancel(ctx)
	var side sync.WaitGroup
	side.Go(func() { w.discover(ctx, restarts.Listener.Addr().String()) })
	w.lanes = &lanes{client: w.client, sent: map[platform.Flow]bool{}, written: map[platform.Flow]bool{}, values: map[int32]map[int64][]byte{}}
	var flowing context.Context
	flowing, w.lanes.stop = context.WithCancel(ctx)
	side.Go(func() { w.lanes.run(flowing) })
	w.ends = append(w.ends, func() { cancel(); side.Wait() })
	if err := w.well(ctx, startup); err != nil {
		return err
	}
	return process.Until(ctx, startup, func() error {
		scraped, err := w.prometheus.Query(ctx, "sum(release_forwarder_assigned_partitions) > 0")
		if err != nil || len(scraped) == 0 {
			return errors.Join(err, errors.New("the replicas are not scraped"))
		}
		names, err := w.firing(ctx)
		if len(names) > 0 {
			err = fmt.Errorf("alerts before anything was provoked: %v", names)
		}
		return err
	})
}

// discover tells Prometheus of the replicas, as prometheus-operator does for the PodMonitor, and starts a broker again whose pod was deleted.
func (w *world) discover(ctx context.Context, kubeStateMetrics string) {
	brokers := map[string]string{} // UID by name
	for tick := time.NewTicker(time.Second); ctx.Err() == nil; <-tick.C {
		pods, err := w.podsOf(ctx, label)
		if err != nil {
			continue
		}
		targets := []prometheus.Target{{Address: kubeStateMetrics, Labels: map[string]string{"job": "kube-state-metrics"}}}
		for _, p := range pods {
			if p.Status.PodIP != "" {
				targets = append(targets, prometheus.Target{Address: p.Status.PodIP + ":8081", Labels: map[string]string{
					"namespace": namespace, "job": namespace + "/release-forwarder", "pod": p.Metadata.Name, "container": "release-forwarder",
				}})
			}
		}
		_ = w.prometheus.Scrape(targets...)
		pods, err = w.podsOf(ctx, "strimzi.io/cluster=events")
		for i := 0; err == nil && i < len(pods); i++ {
			name, uid := pods[i].Metadata.Name, pods[i].Metadata.UID
			if brokers[name] != "" && brokers[name] != uid {
				number, _ := strconv.Atoi(strings.TrimPrefix(name, "events-broker-"))
				go func() { // one alone may wait for the others
					_ = w.broker("kill", number)
					_ = w.broker("start", number)
				}()
			}
			brokers[name] = uid
		}
	}
}

// restarts is what of kube-state-metrics the alerts need.
func (w *world) restarts(to http.ResponseWriter, r *http.Request) {
	pods, _ := w.podsOf(r.Context(), label)
	for _, p := range pods {
		for _, c := range p.Status.ContainerStatuses {
			fmt.Fprintf(to, "kube_pod_container_status_restarts_total{namespace=%q,pod=%q,container=\"release-forwarder\"} %d\n", namespace, p.Metadata.Name, c.RestartCount)
		}
	}
}

// broker does something to one: kill, start, pause, resume. The first is 0, as Strimzi counts.
func (w *world) broker(what string, number int) error {
	out, err := exec.Command(w.kafka, what, strconv.Itoa(number+1)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("broker %d: %s: %w: %s", number, what, err, out)
	}
	return nil
}

// status is what of a replica's /status.json is looked at.
type status struct {
	State, Condition string
	Pod              string
	Partitions       []struct {
		Topic     string
		Partition int32
	}
}

// statuses asks all replicas; one that does not answer has none.
func (w *world) statuses(ctx context.Context) (all []status, pods []pod, err error) {
	if pods, err = w.podsOf(ctx, label); err != nil {
		return nil, nil, err
	}
	for _, p := range pods {
		if p.Status.PodIP == "" {
			continue
		}
		text, err := get(ctx, "http://"+p.Status.PodIP+":8081/status.json")
		var s status
		if err == nil && json.Unmarshal(text, &s) == nil {
			s.Pod = p.Metadata.Name
			all = append(all, s)
		}
	}
	return all, pods, nil
}

// well waits until every replica that there should be says that all is well.
func (w *world) well(ctx context.Context, limit time.Duration) error {
	return process.Until(ctx, limit, func() error {
		meant, err := w.kc(ctx, "", "get", "deployment/release-forwarder", "-o", "jsonpath={.spec.replicas}")
		if err != nil {
			return err
		}
		all, pods, err := w.statuses(ctx)
		if err != nil {
			return err
		}
		if n := strconv.Itoa(len(pods)); n != meant || len(all) != len(pods) {
			return fmt.Errorf("%s pods, %d of them answer, %s are meant", n, len(all), meant)
		}
		for _, s := range all {
			if s.Condition != "well" && s.Condition != "standby" {
				return fmt.Errorf("%s says: %s", s.Pod, s.State)
			}
		}
		return nil
	})
}

// open is how many dead letters no one has dealt with.
func (w *world) open(ctx context.Context) (int, error) {
	text, err := w.command(ctx, "dlq", "stats", "--json")
	if err != nil {
		return 0, err
	}
	var counts struct {
		ByState map[string]int `json:"by_state"`
	}
	return counts.ByState["open"], json.Unmarshal([]byte(text), &counts)
}

// reset puts right what a trouble left behind that failed.
func (w *world) reset(ctx context.Context) error {
	_ = mended(ctx, w)
	_, _ = w.kc(ctx, "", "delete", "secret", "release-forwarder-platform")
	_, _ = w.kc(ctx, "", "create", "secret", "generic", "release-forwarder-platform", "--from-literal=app-secret="+w.secret)
	if w.operators == nil {
		_ = w.startOperators(ctx)
	}
	for i := range 3 {
		_ = w.broker("resume", i)
		_ = w.broker("start", i)
	}
	_, _ = w.kc(ctx, "", "delete", "scaledobjects", "--all")
	_ = errors.Join(w.extendOverlay(""), w.setOverlay())
	err := w.apply(ctx)
	_, _ = w.kc(ctx, "", "scale", "deployment/release-forwarder", "--replicas="+strconv.Itoa(replicas))
	_, _ = w.kc(ctx, "", "delete", "pods", "-l", label, "--grace-period=1", "--wait=false")
	_, replayed := w.command(ctx, "dlq", "replay", "--since", "24h")
	return errors.Join(err, w.well(ctx, 5*time.Minute), replayed)
}

// explain shows what there is to see.
func (w *world) explain(ctx context.Context) {
	out, _ := w.kc(ctx, "", "get", "pods", "-o", "wide")
	all, _, err := w.statuses(ctx)
	fmt.Println(out, err)
	for _, s := range all {
		fmt.Printf("%s: %s: %s\n", s.Pod, s.Condition, s.State)
	}
}
