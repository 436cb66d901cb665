#!/usr/bin/env bash
# The production overlay on a real node: three real brokers with TLS, SCRAM and the authorizer, a real Prometheus with the shipped
# alerts, the platform's double. Provokes each trouble and types what its runbook says until all is well: drill/main.go.
# Starts all of it and ends it. Root on Linux; needs what build.sh and ../kafka/kafka.sh need, iproute2, and prometheus.
#   drill.sh [flags of drill/main.go]     e.g. -only 'platform', -few (those of CI), -update (rewrites the pages)
#   drill.sh --seconds                    how long -few will take at the most
set -Eeuo pipefail
trap 'echo "drill.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
go=${GO:-go}
if [ "${1:-}" = --seconds ]; then echo $((420 + $("$here/build.sh" --seconds cluster node tools))); exit; fi

scratch=$(mktemp -d)
export KUBE_RUN=$scratch/cluster KUBE_OWNER=$$ KAFKA_RUN=$scratch/kafka KAFKA_OWNER=$$
finish() {
  [ ! -r "$KUBE_RUN/kubeconfig" ] || "$here/cluster.sh" kubectl delete namespace release-forwarder --timeout=60s >/dev/null 2>&1 || true
  "$here/node.sh" down
  "$here/cluster.sh" down
  "$root/.ci/kafka/kafka.sh" down
  rm -rf "$scratch"
}
trap finish EXIT

if ! command -v prometheus >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus >/dev/null
fi
bin=$("$here/build.sh" cluster node tools)
VERSION=test IMAGE=localhost/release-forwarder ARCHES=$("$go" env GOARCH) "$root/.ci/release/image.sh" build "$scratch/image" >/dev/null
"$go" -C "$root" build -buildvcs=false -o "$scratch/" ./cmd/release-forwarder ./.ci/kube/drill ./.ci/kube/operators
"$here/cluster.sh" up >/dev/null
"$here/node.sh" up
"$here/node.sh" load "$scratch/image/image-$("$go" env GOARCH).tar" >/dev/null
"$here/tools-image.sh" "$scratch/tools.tar"
"$here/node.sh" load "$scratch/tools.tar" >/dev/null
# Kafka's own tools, as Kafka's administrator has them.
mkdir "$scratch/tools" "$scratch/workstation"
ln "$scratch/release-forwarder" "$scratch/workstation/"
sed -n 's/^\t"\(kafka-[a-z-]*\.sh\)": *"\(.*\)",$/\1 \2/p' "$root/docs/kafka_test.go" | while read -r script class; do
  printf '#!/bin/sh\nexec java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "%s/*" %s "$@"\n' "$("$root/.ci/kafka/kafka.sh" jars)" "$class" >"$scratch/tools/$script"
  chmod +x "$scratch/tools/$script"
done
address=$("$here/node.sh" address)
kafka=$(KAFKA_PODS=$address KAFKA_EXTRA='authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:kafka-admin
allow.everyone.if.no.acl.found=false' "$root/.ci/kafka/kafka.sh" up 3)
of() { sed -n "s/^$1=//p" <<<"$kafka"; }
PATH=$scratch/tools:$scratch/workstation:$bin:$PATH "$scratch/drill" -root "$root" -cluster "$here/cluster.sh" -kafka "$root/.ci/kafka/kafka.sh" -admin "$(of PLAINTEXT)" -pods "$(of PODS)" \
  -ca "$(of CA_FILE)" -address "$address" -binary "$scratch/release-forwarder" -operators "$scratch/operators" \
  -commit "$(git -C "$root" rev-parse --short=12 HEAD)" "$@"
