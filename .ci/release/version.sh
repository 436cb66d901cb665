#!/usr/bin/env bash
# Exits 0 only if its argument is a release's version: vMAJOR.MINOR.PATCH, perhaps with -PRERELEASE. A version
# becomes names of folders, files and images, and a tag may be any text.
#   version.sh VERSION
set -Eeuo pipefail
LC_ALL=C
number='(0|[1-9][0-9]{0,5})'
[[ ${1:-} =~ ^v$number\.$number\.$number(-[0-9A-Za-z]+(\.[0-9A-Za-z]+)*)?$ && ${#1} -le 64 ]] ||
  { printf 'version.sh: VERSION must be like v1.2.3 or v1.2.3-rc.1, not %q\n' "${1:-}" >&2; exit 1; }
