// Package admin is the service's own HTTP server, on ADMIN_ADDR: probes for
// Kubernetes, metrics for Prometheus, and a status page for people.
//
//	/livez        200 while deliveries move, else 503; a line of text
//	/readyz       200, or 503 with a line that says why
//	/metrics      the metrics, as the given handler serves them
//	/             the status page, in English or Chinese as the browser asks
//	/status.json  the same for programs
//
// # What it promises
//
// No call changes anything: only GET and HEAD are answered, and no path leads to
// more than reading. Nothing is cached or framed, all values are escaped. The page
// is whole without a script; its only one, named by its hash in the policy, takes
// it anew every few seconds. Connections, open requests and times are bounded, and
// the probes are answered even while pages are being rendered, and whatever strangers
// do: whoever comes is let in, and the oldest connection gives way (visitors.go).
// A [Server] answers 421 to who asks by a name it does not know (hosts.go).
//
// # What it leaves to others
//
// It judges nothing: whether the service is live or ready, and what the status
// holds, it is told. What must not be shown (secrets, plates, the platform's
// texts) must not be put into a [Status].
package admin
