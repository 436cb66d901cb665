// Package deployments holds the Kubernetes manifests, and tests that hold them to
// the forwarder: every variable is a setting that exists and a value that it
// takes, probes and ports are the admin server's, the grace period outlasts the
// longest stop, the memory limits fit one another. So are held what else a release
// rests on: the workflows and the list of dependencies. What only Kubernetes itself
// can tell is judged by `make test-kube`.
package deployments
