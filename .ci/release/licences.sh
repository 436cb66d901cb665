#!/usr/bin/env bash
# The licences of every module in the shipped binary, for every platform that is released. Fails where one is unknown or
# not among those allowed: permissive ones, compatible with Apache-2.0 and without duties on those who run the binary.
# Fails too where a module that is imported directly has no reason in docs/development/dependencies.md.
#   licences.sh [SBOM…]      default: SBOMs made now. Prints module, version, licence
#   licences.sh --texts      prints the texts themselves, which whoever hands the binary on must hand on with it
set -Eeuo pipefail
trap 'echo "licences.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
allowed='Apache-2.0|MIT|BSD-2-Clause|BSD-3-Clause|ISC|MPL-2.0'

# texts: of each module whose packages are in the binary, and of Go's own library.
texts() {
  local path version dir file
  { printf 'std - %s\n' "$("${GO:-go}" env GOROOT)"
    GOWORK=off GOFLAGS=-mod=readonly "${GO:-go}" -C "$root" list -deps -f '{{with .Module}}{{.Path}} {{.Version}} {{.Dir}}{{end}}' ./cmd/release-forwarder | sort -u
  } | while read -r path version dir; do
    [ "$version" ] && [ "$path" != release-forwarder ] || continue
    printf '\n=== %s %s\n' "$path" "${version#-}"
    find "$dir" -maxdepth "$([ "$path" = std ] && echo 1 || echo 4)" -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \) ! -name '*.go' | sort >"$scratch/files"
    [ -s "$scratch/files" ] || { echo "licences.sh: $path has no licence's text" >&2; exit 1; }
    while read -r file; do
      printf -- '--- %s\n' "${file#"$dir"/}"
      cat "$file"
    done <"$scratch/files"
  done
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ "${1:-}" = --texts ]; then texts; exit; fi
if [ $# = 0 ]; then
  "$here/sbom.sh" "$scratch"
  set -- "$scratch"/*.cdx.json
fi
"${GO:-go}" run "$here/licences.go" "$allowed" "$@"
missing=0
for module in $(GOWORK=off "${GO:-go}" -C "$root" list -m -f '{{if not (or .Indirect .Main)}}{{.Path}}{{end}}' all); do
  grep -qE "(^| |\|)${module//./\\.}(,| |\$)" "$root/docs/development/dependencies.md" || { echo "licences.sh: $module has no reason in docs/development/dependencies.md" >&2; missing=1; }
done
exit $missing
