#!/usr/bin/env bash
# Proves on real forwarders what they tell of themselves:
#   run.sh arrival   with a real OpenTelemetry Collector, built from its modules; -update rewrites docs/reference/telemetry/retry.json
#   run.sh queries   with a real Prometheus: every query of the dashboard and of the alerts
# More arguments go to `go test`. Installs Debian's prometheus where it is missing.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
what=${1:?arrival or queries}
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go=${GO:-go}
export FORWARDER=$work/release-forwarder COLLECTOR=$work/collector
"$go" -C ../../.. build -buildvcs=false -o "$FORWARDER" ./cmd/release-forwarder
[[ $what != arrival ]] || "$go" -C ../collector build -trimpath -ldflags='-s -w' -o "$COLLECTOR" .
if [[ $what != arrival ]] && ! command -v prometheus >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus >/dev/null
fi
"$go" vet ./...
TMPDIR=$work "$go" test "./$what" -count=1 -timeout 10m "$@"
