#!/usr/bin/env bash
# What is in the binary, as CycloneDX with licences: one document for each platform that is released.
#   sbom.sh DIR      writes DIR/release-forwarder_<os>_<arch>.cdx.json
set -Eeuo pipefail
trap 'echo "sbom.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$(mkdir -p "$1" && cd "$1" && pwd)
bin=$("$here/../kube/build.sh" tools)
for platform in ${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64}; do
  GOOS=${platform%/*} GOARCH=${platform#*/} CGO_ENABLED=0 GOFLAGS=-mod=readonly GOWORK=off "$bin/cyclonedx-gomod" app -json -licenses \
    -std -noserial -main cmd/release-forwarder -output "$out/release-forwarder_${platform/\//_}.cdx.json" "$root" 2>"$out/log" ||
    { cat "$out/log" >&2; exit 1; }
done
rm -f "$out/log"
