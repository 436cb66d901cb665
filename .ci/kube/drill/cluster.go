package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	namespace = "release-forwarder"
	label     = "app.kubernetes.io/name=release-forwarder" // of every replica
)

// pod is what the drill looks at of one.
type pod struct {
	Metadata struct{ Name, UID string }
	Status   struct {
		PodIP             string
		ContainerStatuses []struct{ RestartCount int }
	}
}

// podsOf lists those that a selector chooses. It asks `kubectl proxy`: a kubectl each second would be too much.
func (w *world) podsOf(ctx context.Context, selector string) ([]pod, error) {
	text, err := get(ctx, w.proxy+"/api/v1/namespaces/"+namespace+"/pods?labelSelector="+url.QueryEscape(selector))
	if err != nil {
		return nil, err
	}
	var list struct{ Items []pod }
	return list.Items, json.Unmarshal(text, &list)
}

// get asks for 2 seconds at the most.
func get(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept-Language", "en")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", address, answer.Status, text)
	}
	return text, err
}

// kc runs kubectl for the drill itself, and returns what it printed.
func (w *world) kc(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, w.cluster, append([]string{"kubectl", "-n", namespace}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// processOf gives the number of a pod's process on this machine, which is the node.
func processOf(pod string) (int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains("\x00"+string(text), "\x00HOSTNAME="+pod+"\x00") {
			continue // of another, or it has ended
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if err == nil && strings.HasPrefix(string(line), "/ko-app/release-forwarder\x00") {
			var pid int
			_, err := fmt.Sscanf(file, "/proc/%d/environ", &pid)
			return pid, err
		}
	}
	return 0, fmt.Errorf("no process of %s", pod)
}
