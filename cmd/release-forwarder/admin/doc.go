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
// is complete without a script; its only script, named by its hash in the policy,
// refreshes it every few seconds. Connections, open requests and times are bounded. The
// probes are answered even while pages are being rendered, and whatever other clients
// do: each new connection is accepted, and the oldest is closed (visitors.go).
// A [Server] answers 421 to a request with a Host that it does not know (hosts.go).
//
// # What it leaves to others
//
// It judges nothing: [Sources] say whether the service is live or ready, and what
// the status holds. What must not be shown (secrets, plates, the platform's texts)
// must not be put into a [Status].
package admin
