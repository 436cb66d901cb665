package main

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"release-forwarder/cmd/testkit/process"
	"release-forwarder/cmd/testkit/prometheus"
)

const (
	alertLimit = 3 * time.Minute // until an alert's expression is true and a page says what is wrong
	wellLimit  = 5 * time.Minute // from the last command on
)

// found is what came of a trouble.
type found struct {
	trouble  trouble
	alerts   []raised
	says     string        // the first sentence of the status page
	toWell   time.Duration // from the first command until all was well
	commands int
}

// raised is an alert whose expression became true.
type raised struct {
	prometheus.Alert
	after time.Duration // since the trouble began
}

func (f found) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "drill: %s\n", f.trouble.name)
	for _, r := range f.alerts {
		fmt.Fprintf(&b, "         %s after %.0fs + %v\n", r.Name, r.after.Seconds(), r.For)
	}
	if f.says != "" {
		fmt.Fprintf(&b, "         says: %s\n", f.says)
	}
	fmt.Fprintf(&b, "         well %.0fs after the first of %d commands\n", f.toWell.Seconds(), f.commands)
	return b.String()
}

// provoked brings a trouble about among replicas that are well, and follows it until they are well again.
func (w *world) provoked(ctx context.Context, t trouble) (f found, err error) {
	fmt.Printf("drill: %s\n", t.name)
	f.trouble = t
	var before []string
	err = process.Until(ctx, alertLimit, func() (err error) {
		before, err = w.firing(ctx)
		for _, name := range t.alerts {
			if slices.Contains(before, name) {
				return fmt.Errorf("%s is true before anything was provoked", name)
			}
		}
		return err
	})
	if err != nil {
		return f, err
	}
	w.person.trouble, w.person.values = t.name, w.values()
	w.begun = time.Now()
	if err := t.provoke(ctx, w); err != nil {
		return f, err
	}
	if len(t.alerts) > 0 {
		if err := w.noticed(ctx, &f, before); err != nil {
			return f, err
		}
	}
	first := time.Now()
	for _, s := range t.cure {
		if s.others != nil {
			err = s.others(ctx, w)
		} else {
			maps.Copy(w.person.values, s.values)
			var n int
			n, err = w.person.follow(ctx, s.page, s.heading)
			f.commands += n
		}
		if err != nil {
			return f, err
		}
	}
	if err := w.well(ctx, wellLimit); err != nil {
		return f, err
	}
	open, err := w.open(ctx)
	if err == nil && open > 0 {
		err = fmt.Errorf("%d dead letters are open", open)
	}
	f.toWell = time.Since(first)
	if err == nil && t.tidy != nil {
		if err = t.tidy(ctx, w); err == nil {
			err = w.well(ctx, wellLimit)
		}
	}
	return f, err
}

// noticed waits until the trouble's alerts are true and a page says what it should.
func (w *world) noticed(ctx context.Context, f *found, before []string) error {
	after := map[string]time.Duration{}
	err := process.Until(ctx, alertLimit, func() error {
		names, err := w.firing(ctx)
		if err != nil {
			return err
		}
		for _, name := range names {
			if _, known := after[name]; !known && !slices.Contains(before, name) {
				after[name] = time.Since(w.begun)
			}
		}
		for _, name := range f.trouble.alerts {
			if _, is := after[name]; !is {
				return fmt.Errorf("%s is not true; %v are", name, after)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	names := slices.Clone(f.trouble.alerts)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		i := slices.IndexFunc(w.alerts, func(a prometheus.Alert) bool { return a.Name == name })
		f.alerts = append(f.alerts, raised{w.alerts[i], after[name] + sooner[name].by})
	}
	return process.Until(ctx, alertLimit, func() error {
		all, _, err := w.statuses(ctx)
		if err != nil {
			return err
		}
		for _, s := range all {
			if f.trouble.condition == s.Condition || f.trouble.condition == "" && s.Condition != "well" {
				f.says = s.State
				return nil
			}
		}
		return fmt.Errorf("no page says %s, but %+v", f.trouble.condition, all)
	})
}

// firing lists the alerts whose expressions are true.
func (w *world) firing(ctx context.Context) (names []string, err error) {
	samples, err := w.prometheus.Query(ctx, `ALERTS{alertstate="firing"}`)
	for _, s := range samples {
		names = append(names, s.Labels["alertname"])
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// values are those of the placeholders that any page may have.
func (w *world) values() map[string]string {
	return map[string]string{
		"NS": namespace, "KAFKA_NS": namespace, "TOPIC": topic, "GROUP": group, "BOOTSTRAP": w.pods, "REPLICAS": fmt.Sprint(replicas),
		"STRIMZI": filepath.Join(w.root, "deployments/components/strimzi"), "RECEIPTS": filepath.Join(w.root, "deployments/components/receipts"), "CONFIG": "admin.properties", "MIN_INSYNC": "2", "SECRET_FILE": "./app-secret.txt",
		"RETENTION_MS": "5184000000", "RETENTION_MS_BEFORE": "1209600000", "MAX_MESSAGE_BYTES": "2228224", "RATE": "50",
		"ME": "on-call", "LOT": "lot-1", "REASON": "refused", "SINCE": "1h", "SET": "plate=粤B12345", "WHY": "sent again by the vendor, ticket 4711",
		"PARTITION": "0", "POD": "none", "ID": "none", "OFFSET": "none", "TRANSACTIONAL_ID": "none", "BROKER": brokerPod(0),
		"FLOW": "none", "PLATES": "plates.txt", "BEFORE": "none", "MAX_RECORD": "16MiB", "NEW": "none", "MONITORING_NS": "none", "ALERTMANAGER": "none", "JKS": "none", "JKS_PASSWORD": "none", "OVERLAY": w.overlay, "CA_FILE": w.ca, "PASSWORD_FILE": "release-forwarder-viewer.password",
	}
}
