#!/usr/bin/env bash
# What is in the binary, as CycloneDX with licences: one document for each platform that is released.
#   sbom.sh DIR      writes DIR/release-forwarder_<os>_<arch>.cdx.json
# Variables: VERSION, as the documents name it; PLATFORMS. Two runs on one source write the same.
set -Eeuo pipefail
trap 'echo "sbom.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$(mkdir -p "$1" && cd "$1" && pwd)
bin=$("$here/../kube/build.sh" tools)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch" "$scratch.log"' EXIT

# The tool takes the version from a repository's tag and nothing else, and cannot read a git worktree: it gets a
# repository of one commit.
tar -C "$root" --exclude=./.git --exclude=./bin --exclude=./dist -cf - . | tar -C "$scratch" -xf -
repository() { git -C "$scratch" -c user.name=sbom -c user.email=sbom@localhost -c commit.gpgsign=false -c core.hooksPath=/dev/null "$@" >/dev/null; }
repository init --quiet
repository add --all
repository commit --quiet --message source
repository tag "${VERSION:-v0.0.0-devel}"

for platform in ${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64}; do
  GOOS=${platform%/*} GOARCH=${platform#*/} CGO_ENABLED=0 GOFLAGS=-mod=readonly GOWORK=off "$bin/cyclonedx-gomod" app -json -licenses \
    -std -noserial -notimestamp -main cmd/release-forwarder -output "$out/release-forwarder_${platform/\//_}.cdx.json" "$scratch" 2>"$scratch.log" ||
    { cat "$scratch.log" >&2; exit 1; }
done
