#!/usr/bin/env bash
# Looks at the status page of real forwarders in the sandbox with headless Chromium: what it says, axe-core's rules, light and
# dark, a phone's width, both languages, with and without JavaScript. PICTURES=docs/pictures also takes the pages' pictures.
# Needs Node 20 or later and npm; installs Debian's chromium where no Chromium is found.
set -Eeuo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
pictures=${PICTURES:+$(mkdir -p "$PICTURES" && cd "$PICTURES" && pwd)}
cd "$root"

browser() { command -v chromium || command -v google-chrome || command -v chromium-browser; }
if ! browser >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null
fi
if [[ -n $pictures ]] && ! command -v pngquant >/dev/null; then
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends pngquant >/dev/null
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${GO:-go}" build -buildvcs=false -o "$work/sandbox" ./cmd/sandbox
"${GO:-go}" build -buildvcs=false -o "$work/release-forwarder" ./cmd/release-forwarder
cd .ci/telemetry/page
npm ci --no-audit --no-fund --silent
CHROMIUM=$(browser) PICTURES=$pictures SANDBOX=$work/sandbox FORWARDER=$work/release-forwarder TMPDIR=$work \
  node --test --test-reporter=spec
[[ -z $pictures ]] || pngquant --force --ext .png 32 "$pictures"/status-*.png
