// Package deployments holds the Kubernetes manifests, and tests that hold them to
// the forwarder: every variable is a setting that exists and a value that it
// takes, probes and ports are the admin server's, the grace period outlasts the
// longest stop, the memory limits fit one another. What only Kubernetes itself
// can tell is judged by `make test-kube`.
package deployments
