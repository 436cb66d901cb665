#!/usr/bin/env bash
# Holds every overlay against the least versions of Kubernetes, kubectl's kustomize, KEDA, prometheus-operator and
# external-secrets that it is for: those of least/go.mod and least/crds/go.mod. No cluster is started. Strimzi's objects
# are held by strimzi.sh.
#   least.sh               run
set -Eeuo pipefail
trap 'echo "least.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export GOWORK=off GOFLAGS=-mod=readonly
unpacked() { "${GO:-go}" -C "$here/least/crds" mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'; }

for f in \
  "$(unpacked github.com/kedacore/keda/v2)/config/crd/bases/keda.sh_scaledobjects.yaml" \
  "$(unpacked github.com/prometheus-operator/prometheus-operator)"/example/prometheus-operator-crd/monitoring.coreos.com_{podmonitors,prometheusrules}.yaml \
  "$(unpacked github.com/external-secrets/external-secrets)/config/crds/bases/external-secrets.io_externalsecrets.yaml"; do
  echo ---
  cat "$f"
done >"$scratch/definitions"
"${GO:-go}" -C "$here/least" build -o "$scratch/least" .
"$scratch/least" "$scratch/definitions" "$root"/deployments/overlays/*

# What an API server refuses for an unknown field is refused here too.
for name in unknown-field unknown-field-of-a-custom-resource; do
  if "$scratch/least" "$scratch/definitions" "$here/wrong/$name" >"$scratch/said" 2>&1; then echo "least.sh: $name is accepted" >&2; exit 1; fi
  grep -q 'unknown field' "$scratch/said" || { cat "$scratch/said" >&2; echo "least.sh: $name is refused for another reason" >&2; exit 1; }
  echo "least: refused: $name: $(grep -o 'unknown field.*' "$scratch/said" | head -n 1)"
done
