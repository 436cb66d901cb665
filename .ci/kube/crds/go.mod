// Nothing is built of it: it pins the modules whose CustomResourceDefinitions the test cluster installs.
module crds

go 1.26.0

require (
	github.com/external-secrets/external-secrets v1.3.2
	github.com/kedacore/keda/v2 v2.21.0
	github.com/prometheus-operator/prometheus-operator v0.90.1
)
