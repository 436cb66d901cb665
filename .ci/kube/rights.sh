#!/usr/bin/env bash
# The rights of each role in Kafka (deployments/components/strimzi/users.yaml and topic-admin/user.yaml, with what components/receipts adds) on a real broker with the authorizer on:
# with just them the role works, without any one of them there is a line that names it. Prints the table.
#   rights.sh                Java 17, Maven and openssl, as ../kafka/kafka.sh
set -Eeuo pipefail
trap 'echo "rights.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
scratch=$(mktemp -d)
export KAFKA_RUN=$scratch/kafka KAFKA_OWNER=$$
trap '"$root/.ci/kafka/kafka.sh" down; rm -rf "$scratch"' EXIT
CGO_ENABLED=0 "${GO:-go}" -C "$root" build -o "$scratch/release-forwarder" ./cmd/release-forwarder
"${GO:-go}" -C "$root" build -o "$scratch/rights" ./.ci/kube/rights
cluster=$(KAFKA_EXTRA='authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=false' "$root/.ci/kafka/kafka.sh" up 1)
of() { sed -n "s/^$1=//p" <<<"$cluster"; }
env -u KAFKA_RUN -u KAFKA_OWNER "$scratch/rights" --admin "$(of PLAINTEXT)" --brokers "$(of SASL_PLAINTEXT)" --binary "$scratch/release-forwarder" \
  --users "$root/deployments/components/strimzi/users.yaml,$root/deployments/components/topic-admin/user.yaml" \
  --component "$root/deployments/components/receipts/kustomization.yaml"
