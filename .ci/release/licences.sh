#!/usr/bin/env bash
# The licences of every module in the shipped binary, for every platform that is released. Fails where one is unknown or
# not among those allowed: permissive ones, compatible with Apache-2.0 and without duties on those who run the binary.
#   licences.sh [SBOM…]      default: SBOMs made now. Prints module, version, licence
set -Eeuo pipefail
trap 'echo "licences.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
allowed='Apache-2.0|MIT|BSD-2-Clause|BSD-3-Clause|ISC|MPL-2.0'
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ $# = 0 ]; then
  "$here/sbom.sh" "$scratch"
  set -- "$scratch"/*.cdx.json
fi
"${GO:-go}" run "$here/licences.go" "$allowed" "$@"
