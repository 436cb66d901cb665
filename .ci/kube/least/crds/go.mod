// Nothing is built of it: it pins the modules whose definitions are those of the least versions that the manifests are for.
module crds

go 1.26.0

require (
	github.com/external-secrets/external-secrets v0.16.1
	github.com/kedacore/keda/v2 v2.17.0
	github.com/prometheus-operator/prometheus-operator v0.43.0
)
