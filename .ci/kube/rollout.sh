#!/usr/bin/env bash
# The image on a real node under load: kubelet and containerd run it in pods of the shipped manifests, in a namespace
# that enforces Pod Security "restricted", with a real Apache Kafka and the platform's double. Rollout, 200,000 records
# waiting, scaling 1→3→1→4→1, rolling update, undo, a rollout that cannot become ready, evictions: nothing lost, nothing
# repeated. Starts all of it and ends it. Root on Linux; needs what build.sh and ../kafka/kafka.sh need, and iproute2.
#   rollout.sh [flags of rollout/main.go]     e.g. --rate 500, --waiting 0
#                            PREVIOUS=file, a release's …_image_linux_….tar.gz: from that release to this, back, and again
#   rollout.sh --seconds     how long that will take at the most
set -Eeuo pipefail
trap 'echo "rollout.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
if [ "${1:-}" = --seconds ]; then echo $((480 + $("$here/build.sh" --seconds cluster node tools))); exit; fi

scratch=$(mktemp -d)
export KUBE_RUN=$scratch/cluster KUBE_OWNER=$$ KAFKA_RUN=$scratch/kafka
finish() {
  [ ! -r "$KUBE_RUN/kubeconfig" ] || "$here/cluster.sh" kubectl delete namespace release-forwarder-dev --timeout=60s >/dev/null 2>&1 || true
  "$here/node.sh" down
  "$here/cluster.sh" down
  "$root/.ci/kafka/kafka.sh" down
  rm -rf "$scratch"
}
trap finish EXIT

"$here/build.sh" cluster node tools >/dev/null
VERSION=test IMAGE=localhost/release-forwarder ARCHES=$("${GO:-go}" env GOARCH) "$root/.ci/release/image.sh" build "$scratch/image" >/dev/null
"$here/cluster.sh" up >/dev/null
"$here/node.sh" up
"$here/node.sh" load "$scratch/image/image-$("${GO:-go}" env GOARCH).tar" >/dev/null

previous=
if [ -n "${PREVIOUS:-}" ]; then
  gzip -dc "$PREVIOUS" >"$scratch/previous.tar"
  previous=$("$here/node.sh" load "$scratch/previous.tar" | sed -n 's,^docker.io/library/\(release-forwarder:.*\),\1,p')
  [ -n "$previous" ] || { echo "rollout.sh: no image of a release in $PREVIOUS" >&2; exit 1; }
fi

# Kafka listens on the bridge too, and names that address to whoever comes by it.
address=$("$here/node.sh" address)
. "$here/process.sh"
port=$(run=$scratch bin=$scratch free_block 10)
at() { printf '%s://%s:%d' "$1" "$2" $((port + $3)); }
listeners=$(at PLAINTEXT 127.0.0.1 0),$(at SASL_PLAINTEXT 127.0.0.1 1),$(at SSL 127.0.0.1 2),$(at MTLS 127.0.0.1 3),$(at SASL_SSL 127.0.0.1 4)
pods=$(at PODS "$address" 6)
KAFKA_BASE_PORT=$port KAFKA_OWNER=$$ KAFKA_EXTRA="listeners=$listeners,$pods,$(at CONTROLLER 127.0.0.1 5)
advertised.listeners=$listeners,$pods
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PODS:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,MTLS:SSL,SASL_SSL:SASL_SSL" \
  "$root/.ci/kafka/kafka.sh" up 1 >/dev/null

"${GO:-go}" -C "$root" build -o "$scratch/rollout" ./.ci/kube/rollout
"$scratch/rollout" --kubectl "$here/cluster.sh" --brokers "${pods#*//}" --address "$address" \
  --image localhost/release-forwarder:test --manifests "$root/deployments" --logs "$KUBE_RUN/node/logs" --previous "$previous" "$@"
