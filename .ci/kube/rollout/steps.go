package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	namespace = "release-forwarder-dev"
	label     = "app.kubernetes.io/name=release-forwarder" // of every replica
)

// kc runs kubectl and returns what it printed.
func (w *world) kc(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, w.kubectl, append([]string{"kubectl", "-n", namespace}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// overlay writes the dev overlay with what differs here: addresses, image, and
// settings. Nothing else of the pods is changed.
func (w *world) overlay(settings ...string) (string, error) {
	dir := filepath.Join(w.scratch, "overlay")
	manifests, err := filepath.Rel(dir, w.now.manifests)
	if err != nil {
		return "", err
	}
	name, tag, _ := strings.Cut(w.now.image, ":")
	literals := append([]string{
		"KAFKA_BROKERS=" + w.brokers,
		fmt.Sprintf("UPSTREAM_URL=http://%s:%d/gate/1.0/parking/internal/update", w.address, w.port),
	}, settings...)
	text := fmt.Sprintf(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: %[1]s
resources: [%[2]s/overlays/dev]
configMapGenerator: [{name: release-forwarder, behavior: merge, literals: [%[3]s]}]
images: [{name: localhost:5000/release-forwarder, newName: %[4]s, newTag: %[5]s}]
patches:
  - target: {kind: Deployment, name: release-forwarder}
    patch: |-
      - {op: remove, path: /spec/replicas}
      - {op: replace, path: /spec/template/spec/securityContext/runAsUser, value: %[6]d}
      - {op: replace, path: /spec/template/spec/securityContext/runAsGroup, value: %[6]d}
`, namespace, manifests, `"`+strings.Join(literals, `","`)+`"`, name, tag, w.now.user)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600)
}

// apply takes back what `rollout undo` took over: without --force-conflicts it is
// refused from then on.
func (w *world) apply(ctx context.Context, settings ...string) error {
	dir, err := w.overlay(settings...)
	if err != nil {
		return err
	}
	rendered, err := w.kc(ctx, "", "kustomize", dir)
	if err != nil {
		return err
	}
	_, err = w.kc(ctx, rendered, "--warnings-as-errors", "apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-")
	return err
}

// rolled waits for the rollout as the operator does.
func (w *world) rolled(ctx context.Context, within time.Duration) error {
	_, err := w.kc(ctx, "", "rollout", "status", "deployment/release-forwarder", "--timeout="+within.String())
	return err
}

// before is a namespace under Pod Security, and in it a Service whose variables
// look like settings.
const before = `apiVersion: v1
kind: Namespace
metadata:
  name: ` + namespace + `
  labels: {pod-security.kubernetes.io/enforce: restricted}
---
apiVersion: v1
kind: Service
metadata: {name: kafka, namespace: ` + namespace + `}
spec: {ports: [{port: 9092}]}
`

func (w *world) start(ctx context.Context) error {
	if _, err := w.kc(ctx, before, "apply", "-f", "-"); err != nil {
		return err
	}
	if err := w.watch(ctx); err != nil {
		return err
	}
	if err := w.apply(ctx); err != nil {
		return err
	}
	w.replicas = 1
	if err := w.rolled(ctx, time.Minute); err != nil {
		return err
	}
	return w.confined()
}

func (w *world) scaleTo(n int) func(context.Context) error {
	return func(ctx context.Context) error { return w.scale(ctx, n) }
}

func (w *world) scale(ctx context.Context, n int) error {
	w.replicas = n
	if _, err := w.kc(ctx, "", "scale", "deployment/release-forwarder", fmt.Sprintf("--replicas=%d", n)); err != nil {
		return err
	}
	if err := w.rolled(ctx, 2*time.Minute); err != nil {
		return err
	}
	return w.only(ctx)
}

// only waits until no other pods are left, and holds these to the release.
func (w *world) only(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		pods, err := w.pods(ctx)
		if err == nil && len(pods) == w.replicas {
			return w.runs(ctx)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%d pods instead of %d: %w", len(pods), w.replicas, errors.Join(err, ctx.Err()))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// runs fails where a pod is of another release than the one deployed last.
func (w *world) runs(ctx context.Context) error {
	images, err := w.kc(ctx, "", "get", "pods", "-l", label, "-o", "jsonpath={.items[*].spec.containers[0].image}")
	for image := range strings.FieldsSeq(images) {
		if err == nil && image != w.now.image {
			err = fmt.Errorf("a pod runs %s, not %s", image, w.now.image)
		}
	}
	return err
}

func (w *world) pods(ctx context.Context) ([]string, error) {
	out, err := w.kc(ctx, "", "get", "pods", "-l", label, "-o", "name")
	return strings.Fields(out), err
}

// update changes the version, a setting, and the user that runs, for the image works
// as anybody.
func (w *world) update(ctx context.Context) error {
	w.was, w.now = w.now, deployed{w.this, 1_234_567}
	if err := w.apply(ctx, "RETRY_BUDGET=19"); err != nil {
		return err
	}
	if err := w.rolled(ctx, 3*time.Minute); err != nil {
		return err
	}
	if err := w.only(ctx); err != nil {
		return err
	}
	return w.confined()
}

func (w *world) undo(ctx context.Context) error {
	w.now = w.was
	if _, err := w.kc(ctx, "", "rollout", "undo", "deployment/release-forwarder"); err != nil {
		return err
	}
	if err := w.rolled(ctx, 3*time.Minute); err != nil {
		return err
	}
	return w.only(ctx)
}

// stuck rolls out a dead-letter topic that does not exist: the new pod is alive
// and not ready, and none of the old ones is taken away for it.
func (w *world) stuck(ctx context.Context) error {
	w.was = w.now
	if err := w.apply(ctx, "DLQ_TOPIC=no-such-topic"); err != nil {
		return err
	}
	if err := w.rolled(ctx, 20*time.Second); err == nil {
		return errors.New("the rollout went through")
	}
	ready, err := w.kc(ctx, "", "get", "deployment/release-forwarder", "-o", "jsonpath={.status.readyReplicas} {.status.updatedReplicas}")
	if err != nil {
		return err
	}
	if ready != fmt.Sprintf("%d 1", w.replicas) {
		return fmt.Errorf("%q replicas are ready and updated; %d old ones and 1 new one are meant", ready, w.replicas)
	}
	return w.undo(ctx)
}

// misconfigured rolls out a setting that is refused: the new pod's status says
// which, and none of the old ones is taken away for it.
func (w *world) misconfigured(ctx context.Context) error {
	if n := w.ends.all()[exitWrong]; n > 0 {
		return fmt.Errorf("%d containers refused their settings before", n)
	}
	w.was = w.now
	if err := w.apply(ctx, "RETRY_BUDGET=many"); err != nil {
		return err
	}
	said := ""
	for end := time.Now().Add(time.Minute); !strings.Contains(said, "RETRY_BUDGET"); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("no pod's status names RETRY_BUDGET: %q", said)
		}
		var err error
		if said, err = w.kc(ctx, "", "get", "pods", "-l", label, "-o", "jsonpath={.items[*].status.containerStatuses[*].lastState.terminated.message}"); err != nil {
			return err
		}
	}
	fmt.Printf("rollout: a pod's status says: %s\n", strings.TrimSpace(said))
	ready, err := w.kc(ctx, "", "get", "deployment/release-forwarder", "-o", "jsonpath={.status.readyReplicas}")
	if err != nil {
		return err
	}
	if ready != strconv.Itoa(w.replicas) {
		return fmt.Errorf("%s of %d replicas are ready", ready, w.replicas)
	}
	if err := w.undo(ctx); err != nil {
		return err
	}
	if w.ends.forget(exitWrong) == 0 {
		return errors.New("no container was seen to refuse its settings")
	}
	return nil
}

// exitWrong is the exit code for a wrong configuration.
const exitWrong = 2

// evict asks for the end of each pod as `kubectl drain` does, heeding the
// disruption budget.
func (w *world) evict(ctx context.Context) error {
	pods, err := w.pods(ctx)
	if err != nil {
		return err
	}
	refused := 0
	for _, pod := range pods {
		name := strings.TrimPrefix(pod, "pod/")
		eviction := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":%q}}`, name, namespace)
		for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
			_, err := w.kc(ctx, eviction, "create", "--raw", "/api/v1/namespaces/"+namespace+"/pods/"+name+"/eviction", "-f", "-")
			if err == nil {
				break
			}
			if time.Now().After(end) || !strings.Contains(err.Error(), "disruption budget") {
				return err
			}
			refused++
		}
	}
	if refused == 0 {
		return errors.New("the disruption budget let all pods go at once")
	}
	if err := w.rolled(ctx, time.Minute); err != nil {
		return err
	}
	return w.only(ctx)
}

// explain shows what there is to see when a step failed.
func (w *world) explain() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, args := range [][]string{
		{"get", "pods", "-o", "wide"},
		{"get", "events", "--sort-by=.lastTimestamp", "-o", "custom-columns=K:.involvedObject.name,R:.reason,M:.message"},
	} {
		out, _ := w.kc(ctx, "", args...)
		fmt.Fprintln(os.Stderr, out)
	}
	ips, _ := w.addresses(ctx)
	for _, ip := range ips {
		lines, err := w.metrics(ctx, ip, "release_forwarder_in_flight", "release_forwarder_circuit_open", "release_forwarder_pending_records", "release_forwarder_held_records", "release_forwarder_lag_records")
		fmt.Fprintf(os.Stderr, "%s: %s %v\n", ip, strings.Join(lines, "; "), err)
	}
	fmt.Fprintf(os.Stderr, "the platform: %+v\n", w.double.Stats())
	w.complaints()
}

// complaints shows the last warnings of each replica, also of those that are gone.
func (w *world) complaints() {
	files, _ := filepath.Glob(filepath.Join(w.logs, "*", "*", "*.log"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var lines []string
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
				lines = append(lines, line)
			}
		}
		fmt.Fprintf(os.Stderr, "%s: %d warnings and errors\n%s", file, len(lines), strings.Join(lines[max(0, len(lines)-5):], ""))
	}
}
