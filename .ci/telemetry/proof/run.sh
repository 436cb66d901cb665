#!/usr/bin/env bash
# Proves on real forwarders what they tell of themselves: run.sh arrival, with a real OpenTelemetry Collector built from its
# modules. More arguments go to `go test`: run.sh arrival -update writes docs/telemetry/retry.json anew.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
what=${1:?arrival}
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go=${GO:-go}
export FORWARDER=$work/release-forwarder COLLECTOR=$work/collector
"$go" -C ../../.. build -buildvcs=false -o "$FORWARDER" ./cmd/release-forwarder
[[ $what != arrival ]] || "$go" -C ../collector build -trimpath -ldflags='-s -w' -o "$COLLECTOR" .
"$go" vet ./...
TMPDIR=$work "$go" test "./$what" -count=1 -timeout 10m "$@"
