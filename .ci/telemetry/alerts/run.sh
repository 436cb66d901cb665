#!/usr/bin/env bash
# Checks the alert rules and runs their tests with Prometheus's promtool: the plain file as it is, and both
# PrometheusRules, out of which the rules are taken, since promtool reads them alone. Types the commands of
# docs/how-to/alerts-to-chat.md against a real Alertmanager. Installs Debian's packages where a tool is missing.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$PWD/../../..
need() { # need TOOL PACKAGE
  command -v "$1" >/dev/null && return
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}
need promtool prometheus
need amtool prometheus-alertmanager
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$root/deployments/alerts/rules.yaml" rules_test.yaml "$work/"
for made in alerts alerts-zh; do
  # What stands below spec:, two columns to the left.
  awk 'below { sub(/^  /, ""); print } /^spec:/ { below = 1 }' "$root/deployments/components/$made/rules.yaml" >"$work/$made.yaml"
done
cd "$work"
promtool check rules rules.yaml alerts.yaml alerts-zh.yaml
promtool test rules rules_test.yaml

# The chats: by Alertmanager 0.35 and its amtool, which type the page's commands. Its module lacks the web page, so a copy gets an empty one.
chat() { "${GO:-go}" -C "$root/.ci/telemetry/chat" "$@"; }
cp -r --no-preserve=mode "$(chat list -f '{{.Module.Dir}}' github.com/prometheus/alertmanager/config)" alertmanager
mkdir alertmanager/ui/app/dist
touch alertmanager/ui/app/dist/index.html
"${GO:-go}" -C alertmanager build -trimpath -o "$work/bin/" ./cmd/alertmanager ./cmd/amtool
PATH=$work/bin:$PATH chat test -count=1 ./... # its files lie outside of the module: a cached result says nothing

# The receivers for an older one, taken from the page: by Debian's 0.25.
{
  sed '/^receivers:/,$d' "$root/deployments/alerts/alertmanager.yml"
  awk '/^```/ { on = 0 } on; /^```yaml/ { on = 1 }' "$root/docs/how-to/alerts-to-chat.md"
} >older.yml
amtool check-config older.yml
