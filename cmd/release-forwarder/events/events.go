// Package events lists each log line above debug that the service can write: it declares those of
// package app, and collects those that other packages declare. docs/reference/logs.md is generated from it.
package events

import (
	"fmt"
	"slices"
	"strings"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/forward"
	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/consumer"
	"release-forwarder/consumer/logevent"
	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/wire"
)

// All returns every log event, in the order of docs/reference/logs.md.
func All() logevent.List {
	return slices.Concat(own, consumer.Events(), membership.Events(), wire.Events(), forward.Events(),
		connect.Events(), admin.Events(), telemetry.Events())
}

// Reference returns the table of events as Markdown, for docs/reference/logs.md.
func Reference() string {
	var out strings.Builder
	out.WriteString("| event | level | message | what to do | runbook |\n| --- | --- | --- | --- | --- |\n")
	for _, e := range All() {
		name := "`" + e.Name + "`"
		if e.State {
			name += " *"
		}
		runbook := ""
		if e.Runbook != "" {
			runbook = "[" + e.Runbook + "](../../deployments/runbooks/" + e.Runbook + ".md)"
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n", name, strings.ToLower(e.Level.String()), e.Message, e.Remedy, runbook)
	}
	return out.String()
}
