#!/usr/bin/env bash
# Holds every overlay against a real Kubernetes API server: rendered, its structure looked at, applied server-side with
# strict fields and warnings as errors in a namespace that enforces Pod Security "restricted", applied again without
# any change, its pods admitted (those that sleep are woken). Then a changed setting and the way back, another egress,
# and the manifests in wrong/, each of which must be refused. Starts the cluster and ends it.
#   test.sh               run
#   test.sh --seconds     how long that will take at the most: minutes where the programs must be built first
set -Eeuo pipefail
trap 'echo "test.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
if [ "${1:-}" = --seconds ]; then echo $((60 + $("$here/build.sh" --seconds cluster))); exit; fi

scratch=$(mktemp -d)
export KUBE_RUN=$scratch/cluster KUBE_OWNER=$$
trap '"$here/cluster.sh" down; rm -rf "$scratch"' EXIT
die() { echo "test.sh: $*" >&2; exit 1; }
say() { printf 'kube: %s\n' "$*"; }
kc() { "$here/cluster.sh" kubectl "$@"; }

# namespace NAME: Pod Security warns of what it refuses, so that a Deployment is refused and not only its pods.
namespace() {
  kc apply --server-side --field-manager test -f - >/dev/null <<Y
apiVersion: v1
kind: Namespace
metadata:
  name: $1
  labels: {pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted, pod-security.kubernetes.io/audit: restricted}
Y
}
space_of() { sed -n 's/^  namespace: //p' "$1" | sort -u; }
apply() { kc --warnings-as-errors apply --server-side --validate=strict --field-manager test -f "$@"; }

# admitted NAMESPACE: Pod Security judges pods, and it is the controllers that make them.
admitted() {
  local d want have refusal asleep _
  for d in $(kc -n "$1" get deployments -o name); do
    asleep=
    if [ "$(kc -n "$1" get "$d" -o jsonpath='{.spec.replicas}')" = 0 ]; then # as a person does who needs it
      asleep=yes
      kc -n "$1" scale "$d" --replicas=1 >/dev/null
    fi
    for _ in $(seq 150); do
      read -r want have < <(kc -n "$1" get "$d" -o jsonpath='{.spec.replicas} {.status.updatedReplicas}')
      refusal=$(kc -n "$1" get "$d" -o jsonpath='{.status.conditions[?(@.type=="ReplicaFailure")].message}')
      [ -z "$refusal" ] || { echo "$refusal"; return 1; }
      [ "${have:-0}" -lt "$want" ] || break
      sleep 0.2
    done
    [ "${have:-0}" -ge "$want" ] || { echo "${have:-0} of $want pods of $d"; return 1; }
    say "  $d: $have pods admitted"
    [ -z "$asleep" ] || kc -n "$1" scale "$d" --replicas=0 >/dev/null
  done
  for d in $(kc -n "$1" get cronjobs -o name); do
    kc -n "$1" create job --from="$d" admitted >/dev/null
    for _ in $(seq 150); do
      have=$(kc -n "$1" get pods -l job-name=admitted -o name | wc -l)
      [ "$have" = 0 ] || break
      sleep 0.2
    done
    [ "$have" = 1 ] || { kc -n "$1" get events -o custom-columns=M:.message; return 1; }
    kc -n "$1" delete job admitted --wait=false >/dev/null
    say "  $d: its pod admitted"
  done
}

overlay() { # DIR
  local name=${1##*/} space file=$scratch/rendered/${1##*/}.yaml
  say "$name"
  space=$(space_of "$file")
  namespace "$space"
  apply "$file" --dry-run=server >/dev/null
  kc -n "$space" delete deployments,cronjobs --all >/dev/null # of another overlay: no pod is ever ready here, so none would be replaced
  say "  accepted: $(apply "$file" | wc -l) objects"
  kc -n "$space" diff --server-side --field-manager test -f "$file" || die "$name: a second apply changes something"
  say "  a second apply changes nothing"
  admitted "$space" || die "$name: pods are not admitted"
}

# undo: a changed setting is a new ConfigMap, and `rollout undo` brings back the old one.
undo() {
  local space dir=$scratch/changed before after back
  space=$(space_of "$scratch/rendered/dev.yaml")
  used() { kc -n "$space" get deployment release-forwarder -o jsonpath='{.spec.template.spec.containers[0].envFrom[0].configMapRef.name}'; }
  before=$(used)
  cp -r "$root/deployments" "$dir"
  echo RETRY_BUDGET=3 >>"$dir/overlays/dev/settings.env"
  kc kustomize "$dir/overlays/dev" >"$scratch/changed.yaml"
  apply "$scratch/changed.yaml" >/dev/null
  after=$(used)
  [ "$before" != "$after" ] || die "a changed setting did not change the pods"
  for _ in $(seq 100); do [ "$(kc -n "$space" get replicasets -o name | wc -l)" = 2 ] && break; sleep 0.1; done
  kc -n "$space" rollout undo deployment/release-forwarder >/dev/null
  back=$(used)
  [ "$back" = "$before" ] || die "rollout undo: $back instead of $before"
  kc -n "$space" get configmap "$before" >/dev/null
  say "a changed setting rolls the pods ($before, $after), rollout undo brings the old one back"
}

# egress: other values of the component egress stand in every policy, and the API server takes them.
egress() {
  local dir=$scratch/elsewhere o
  cp -r "$root/deployments" "$dir"
  printf '%s\n' kafka-ports=50000-53000 kafka-ports-too=9011-9011 platform-ports=8443-8444 monitoring-namespace=watch collector-ports=14317-14318 \
    dns-address=10.96.0.10/32 >"$dir/overlays/production/egress.env"
  mkdir "$scratch/elsewhere-rendered"
  for o in "$dir"/overlays/*; do kc kustomize "$o" >"$scratch/elsewhere-rendered/${o##*/}.yaml"; done
  "${GO:-go}" -C "$root" test -count=1 ./deployments -run TestTheEgressIsWhatTheOverlayAsksFor -args \
    -rendered "$scratch/elsewhere-rendered" -egress "$dir/overlays/production/egress.env" >/dev/null
  apply "$scratch/elsewhere-rendered/production.yaml" --dry-run=server >/dev/null
  say "other ports, addresses of DNS and namespace of Prometheus stand in every policy"
}

# wrong DIR: refused by the API server, with the words that its first line expects.
wrong() {
  local name=${1##*/} expected file=$scratch/wrong.yaml out
  expected=$(sed -n '1s/^# refused: //p' "$1/kustomization.yaml")
  kc kustomize "$1" >"$file"
  if out=$(apply "$file" --dry-run=server 2>&1); then die "$name is accepted"; fi
  grep -q -- "$expected" <<<"$out" || die "$name is refused for another reason: $out"
  say "refused: $name: $(grep -o -- "$expected" <<<"$out" | head -n 1)"
}

"$here/cluster.sh" up >/dev/null
mkdir "$scratch/rendered"
for dir in "$root"/deployments/overlays/*; do kc kustomize "$dir" >"$scratch/rendered/${dir##*/}.yaml"; done
"${GO:-go}" -C "$root" test -count=1 ./deployments -args -rendered "$scratch/rendered"
for dir in "$root"/deployments/overlays/*; do overlay "$dir"; done
undo
egress
for dir in "$here"/wrong/*; do wrong "$dir"; done
say "all overlays hold on Kubernetes $(kc version -o json | sed -n '/serverVersion/,$s/.*gitVersion": "\(.*\)".*/\1/p')"
