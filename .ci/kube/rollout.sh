#!/usr/bin/env bash
# The image on a real node under load: kubelet and containerd run it in pods of the shipped manifests, in a namespace
# that enforces Pod Security "restricted", with a real Apache Kafka and the platform's double. From the last release to this
# version, back, and here again; 200,000 records waiting, scaling 1→3→1→3→1→4→1, a rollout that cannot become ready,
# evictions: nothing lost, nothing repeated. Starts all of it and ends it. Root on Linux; needs what build.sh and
# ../kafka/kafka.sh need, iproute2, and the history back to the last release.
#   rollout.sh [flags of rollout/main.go]     e.g. --rate 500, --waiting 0
#                            PREVIOUS=commit: from that one, instead of the last release's in ../release/last
#   rollout.sh --seconds     how long that will take at the most
set -Eeuo pipefail
trap 'echo "rollout.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
if [ "${1:-}" = --seconds ]; then echo $((480 + $("$here/build.sh" --seconds cluster node tools))); exit; fi

# The release before: its commit, and the version that its image says.
if [ -n "${PREVIOUS:-}" ]; then version=$PREVIOUS commit=$PREVIOUS; else read -r version commit < <(grep -v '^#' "$root/.ci/release/last"); fi
git -C "$root" cat-file -e "$commit^{commit}" 2>/dev/null || {
  echo "rollout.sh: $version is commit $commit, which this clone does not have: it is shallow, or no repository." >&2
  echo "rollout.sh: get the history by git fetch --unshallow (in a workflow: fetch-depth: 0), or name another by PREVIOUS=commit" >&2
  exit 1
}

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
arch=$("${GO:-go}" env GOARCH)
export ARCHES=$arch
# built NAME SOURCE: an image of that source, at the node, and the manifests beside it.
built() {
  IMAGE=localhost/$1 VERSION=test "$2/.ci/release/image.sh" build "$scratch/image-$1" >/dev/null
  "$here/node.sh" load "$scratch/image-$1/image-$arch.tar" >/dev/null
}
# The release is built of its own source by this version's tools, so that one cache of them serves both.
mkdir "$scratch/previous"
git -C "$root" archive --format=tar "$commit" | tar -C "$scratch/previous" -xf -
rm -rf "$scratch/previous/.ci"
cp -r "$root/.ci" "$scratch/previous/.ci"
"$here/cluster.sh" up >/dev/null
"$here/node.sh" up
built release-forwarder "$root"
REVISION=$(git -C "$root" rev-parse "$commit") SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct "$commit") built previous "$scratch/previous"
echo "rollout: from $version, $(git -C "$root" log -1 --format='%h of %cs' "$commit")"

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
  --image localhost/release-forwarder:test --manifests "$root/deployments" \
  --previous-image localhost/previous:test --previous-manifests "$scratch/previous/deployments" --logs "$KUBE_RUN/node/logs" "$@"
