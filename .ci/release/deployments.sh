#!/usr/bin/env bash
# The manifests as a release hands them on: production names this release's image by its digest, so that no tag that is
# moved later changes what runs.
#   deployments.sh sha256:DIGEST DIR      writes DIR; it must not exist
set -Eeuo pipefail
trap 'echo "deployments.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
[[ ${1:-} =~ ^sha256:[0-9a-f]{64}$ ]] || { echo "deployments.sh: no digest" >&2; exit 1; }
mkdir "$2"
git -C "$root" archive --format=tar HEAD deployments | tar -C "$2" --strip-components=1 -xf -
file=$2/overlays/production/kustomization.yaml
sed -i "s/newTag: v[0-9A-Za-z.-]*/digest: $1/" "$file"
[ "$(grep -c "digest: $1" "$file")" = 1 ] || { echo "deployments.sh: $file does not name the image once" >&2; exit 1; }
