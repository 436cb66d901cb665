#!/usr/bin/env bash
# Checks the alert rules and runs their tests with Prometheus's promtool, which reads the rules alone: they are taken out
# of the PrometheusRule first. Installs Debian's prometheus where promtool is missing.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if ! command -v promtool >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus >/dev/null
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# What stands below spec:, two columns to the left.
awk 'below { sub(/^  /, ""); print } /^spec:/ { below = 1 }' ../../../deployments/components/alerts/rules.yaml >"$work/rules.yaml"
cp rules_test.yaml "$work/"
cd "$work"
promtool check rules rules.yaml
promtool test rules rules_test.yaml
