#!/usr/bin/env bash
# From an empty cluster to a first accepted event, and each role's commands, on the real API server and node: runs the sh blocks
# of docs/how-to/deploy-kubernetes.md as they stand there, with values of its own for the first one's. Kafka is real, three brokers
# with TLS, SCRAM and the authorizer on; Strimzi's operators and the platform are stand-ins. Then what each role must not do.
# Starts all of it and ends it. Root on Linux; needs what build.sh and ../kafka/kafka.sh need, jlink, curl and iproute2.
#   roles.sh                 run
#   roles.sh --seconds       how long that will take at the most
set -Eeuo pipefail
trap 'echo "roles.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
go=${GO:-go}
if [ "${1:-}" = --seconds ]; then echo $((240 + $("$here/build.sh" --seconds cluster node tools))); exit; fi

scratch=$(mktemp -d)
work=$scratch/release # what a release's folder has
page=$root/docs/how-to/deploy-kubernetes.md
export KUBE_RUN=$scratch/cluster KUBE_OWNER=$$ KAFKA_RUN=$scratch/kafka KAFKA_OWNER=$$
sides=()
finish() {
  [ ${#sides[@]} = 0 ] || kill "${sides[@]}" 2>/dev/null || true
  [ ! -r "$KUBE_RUN/kubeconfig" ] || kc delete namespace release-forwarder --timeout=60s >/dev/null 2>&1 || true
  "$here/node.sh" down
  "$here/cluster.sh" down
  "$root/.ci/kafka/kafka.sh" down
  rm -rf "$scratch"
}
trap finish EXIT
kc() { "$here/cluster.sh" kubectl "$@"; }
die() { echo "roles.sh: $*" >&2; exit 1; }
say() { printf 'roles: %s\n' "$*"; }

# users stands in for Strimzi's user operator where operators/ does not: a password for each user, in Kafka and in a Secret.
users() {
  local user password
  while sleep 1; do
    for user in $(kc -n kafka get kafkausers -o 'jsonpath={.items[*].metadata.name}'); do
      kc -n kafka get secret "$user" >/dev/null 2>&1 && continue
      password=$(openssl rand -hex 16)
      "$root/.ci/kafka/kafka.sh" tool kafka.admin.ConfigCommand --alter --entity-type users --entity-name "$user" --add-config "SCRAM-SHA-512=[password=$password]"
      kc -n kafka create secret generic "$user" --from-literal=password="$password"
    done
  done
}

# blocks HEADING… writes the sh blocks of the page's sections, one file each.
blocks() {
  rm -rf "$scratch/blocks"
  mkdir "$scratch/blocks"
  awk -v dir="$scratch/blocks" -v wanted="$(printf '%s\n' "$@")" '
    BEGIN { split(wanted, list, "\n"); for (i in list) want[list[i]] = 1 }
    /^#+ / && !inside { heading = $0; sub(/^#+ /, "", heading) }
    /^```sh$/ && want[heading] { inside = 1; file = sprintf("%s/%03d", dir, ++n); seen[heading] = 1; next }
    /^```/ { inside = 0 }
    inside { print >file }
    END { for (i in list) if (!seen[list[i]]) { print "no commands under " list[i] >"/dev/stderr"; exit 1 } }' "$page"
}

# follow HEADING… runs them, each as a script of its own.
follow() {
  local b
  blocks "$@"
  for b in "$scratch"/blocks/*; do
    sed 's/^/roles:   | /' "$b"
    (cd "$work" && env "${values[@]}" ${TOPIC:+"TOPIC=$TOPIC" "NS=$NS"} PATH="$scratch/kafka-tools:$bin:$PATH" KUBECONFIG="$KUBE_RUN/kubeconfig" bash -Eeuo pipefail "$b") 2>&1 | sed 's/^/roles:     /'
  done
}

# may ROLE COMMAND… and may_not ROLE WORDS COMMAND…, in the role's pod.
inside() { kc -n release-forwarder exec "deployment/release-forwarder-$1" -- "${@:2}"; }
short() { sed 's, --bootstrap-server [^ ]* --command-config [^ ]*,,' <<<"$*"; }
may() {
  inside "$@" >"$scratch/said" 2>&1 || { cat "$scratch/said" >&2; die "the $1 is refused: ${*:2}"; }
  say "ok   $1 may: $(short "${@:2}")"
}
may_not() {
  if inside "$1" "${@:3}" >"$scratch/said" 2>&1; then die "the $1 may: ${*:3}"; fi
  grep -qi -- "$2" "$scratch/said" || { cat "$scratch/said" >&2; die "the $1 fails for another reason than $2: ${*:3}"; }
  say "ok   $1 may not: $(short "${@:3}")"
}

bin=$("$here/build.sh" cluster node tools)
VERSION=test IMAGE=localhost/release-forwarder ARCHES=$("$go" env GOARCH) "$root/.ci/release/image.sh" build "$scratch/image" >/dev/null
"$here/tools-image.sh" "$scratch/tools.tar"
"$go" -C "$root" build -buildvcs=false -o "$scratch/" ./.ci/kube/roles ./.ci/kube/operators
"$here/cluster.sh" up >/dev/null
"$here/node.sh" up
"$here/node.sh" load "$scratch/tools.tar" >/dev/null
address=$("$here/node.sh" address)
kafka=$(KAFKA_PODS=$address KAFKA_EXTRA='authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:scram
allow.everyone.if.no.acl.found=false' "$root/.ci/kafka/kafka.sh" up 3)
of() { sed -n "s/^$1=//p" <<<"$kafka"; }

# What is in a company before: a registry, the platform, Strimzi's namespace with the cluster's authority.
. "$here/process.sh"
registry=127.0.0.1:$(run=$scratch bin=$scratch free_block 1)
"$bin/crane" registry serve --address "$registry" >"$scratch/registry.log" 2>&1 &
sides+=($!)
"$scratch/roles" "$address" the-app-secret >"$scratch/platform" &
sides+=($!)
kc create namespace kafka >/dev/null
kc -n kafka create secret generic events-cluster-ca-cert --from-file=ca.crt="$(of CA_FILE)" >/dev/null
"$scratch/operators" "$here/cluster.sh" "$(of PLAINTEXT)" kafka &
operators=$!
sides+=($!)
users >"$scratch/users.log" 2>&1 &
sides+=($!)

# What an administrator of Kafka has: its tools, and a log-in.
mkdir -p "$work/deployments" "$scratch/kafka-tools"
jars=$("$root/.ci/kafka/kafka.sh" jars)
sed -n 's/^\t"\(kafka-[a-z-]*\.sh\)": *"\(.*\)",$/\1 \2/p' "$root/docs/kafka_test.go" | while read -r script class; do
  printf '#!/bin/sh\nexec java -XX:TieredStopAtLevel=1 -cp "%s/*" -Dlog4j2.configurationFile=%s %s "$@"\n' "$jars" "$KAFKA_RUN/log4j2.xml" "$class" >"$scratch/kafka-tools/$script"
done
chmod +x "$scratch/kafka-tools/"*
cat >"$work/admin.properties" <<P
security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="scram" password="scram-secret";
ssl.truststore.type=PEM
ssl.truststore.location=$(of CA_FILE)
P

# What the person has: the release, his secret, an overlay of his own.
cp -r "$root/deployments/"{base,components,overlays} "$work/deployments/"
cp -r "$scratch/image/oci" "$work/oci"
printf the-app-secret >"$work/app-secret.txt"
mkdir "$work/deployments/overlays/mine"
cat >"$work/deployments/overlays/mine/kustomization.yaml" <<Y
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: release-forwarder
resources: [../production-topic-admin]
configMapGenerator:
  - name: release-forwarder
    behavior: merge
    literals: ["KAFKA_BROKERS=$(of PODS)", "UPSTREAM_URL=http://$(cat "$scratch/platform")/update", OTEL_TRACES_EXPORTER=none]
images:
  - {name: registry.example.com/parking/release-forwarder, newName: $registry/release-forwarder, newTag: test}
  - {name: apache/kafka, newName: localhost/kafka-tools, newTag: test}
replicas: [{name: release-forwarder, count: 2}]
patches:
  - target: {kind: KafkaTopic|KafkaUser}
    patch: "{\$patch: delete, kind: any, metadata: {name: any}}"
Y
values=(NS=release-forwarder OVERLAY=deployments/overlays/mine IMAGE="$registry/release-forwarder:test" KAFKA_NS=kafka CLUSTER=events
  BOOTSTRAP="$(of PODS)" TOPIC=abnormal-release GROUP=release-forwarder)

# With an administrator's topics, and passwords as files, in a namespace of its own: the way that excludes Strimzi's.
for user in release-forwarder release-forwarder-viewer release-forwarder-replayer; do echo secret >"$work/$user.password"; done
cp "$(of CA_FILE)" "$work/ca.crt"
kc create namespace elsewhere >/dev/null
TOPIC=elsewhere NS=elsewhere follow 'With another Kafka' 'Topics'
[ "$(kc -n elsewhere get secrets -o name | wc -l)" = 4 ] || die "not all Secrets are there"

begun=$SECONDS
follow 'From an empty cluster to a running service' 'With Strimzi' 'Start it' 'The first event'
accepted=$(curl -fsS --noproxy '*' "http://$(cat "$scratch/platform")/accepted")
[ "$accepted" = 1 ] || die "the platform has accepted $accepted events"
say "from an empty cluster to the first accepted event in $((SECONDS - begun))s"

# A dead letter to work with: an event without its fields.
"$root/.ci/kafka/kafka.sh" tool org.apache.kafka.tools.ConsoleProducer --topic abnormal-release <<<'{}'
follow 'As the viewer' 'As the replayer' 'As the topic admin' 'Who may do this'

forwarder=/ko-app/release-forwarder
for command in "dlq list" "dlq stats" "dlq stats --check" "dlq export" "offsets" "offsets --topic abnormal-release.replay" "find --lot lot-1"; do
  may viewer $forwarder $command
done
may_not viewer 'grant this user Write' $forwarder dlq replay --reason missing-field --again
inside viewer $forwarder dlq list >"$scratch/said"
letter=$(sed -n 's,^abnormal-release.dlq/\([0-9]*/[0-9]*\) .*,\1,p' "$scratch/said" | head -n 1)
may_not viewer 'grant this user Write' $forwarder dlq close "$letter" --why test
may_not viewer 'wrong .*missing' $forwarder doctor # it asks for the service's rights
may replayer $forwarder dlq close "$letter" --why test
kill "$operators" # it would take back what is changed below
tool() { echo "/opt/kafka/bin/kafka-$1.sh --bootstrap-server $(of PODS) --command-config /etc/kafka-client/client.properties ${*:2}"; }
may topic-admin $(tool configs --alter --entity-type topics --entity-name abnormal-release --add-config retention.ms=2419200000)
may topic-admin $(tool configs --describe --entity-type topics --entity-name abnormal-release)
grep -q 'retention.ms=2419200000' "$scratch/said" || die "the retention is not set: $(cat "$scratch/said")"
may topic-admin $(tool configs --alter --entity-type topics --entity-name abnormal-release.dlq --add-config retention.ms=5184000000)
may topic-admin $(tool topics --alter --topic abnormal-release.dlq --partitions 4)
may topic-admin $(tool topics --describe --topic abnormal-release)
may_not topic-admin 'authoriz' $(tool topics --delete --topic abnormal-release)
may_not topic-admin 'authoriz' $(tool acls --list)
kc -n release-forwarder scale deployment/release-forwarder --replicas=0 >/dev/null
kc -n release-forwarder wait --for=delete pod -l app.kubernetes.io/name=release-forwarder --timeout=60s >/dev/null
may topic-admin $(tool consumer-groups --group release-forwarder --topic abnormal-release --reset-offsets --to-earliest --execute)
may topic-admin $(tool consumer-groups --group release-forwarder --topic abnormal-release.replay --delete-offsets)
follow 'Let it sleep again'
say "each role does what it is for, on Kubernetes $(kc version -o json | sed -n '/serverVersion/,$s/.*gitVersion": "\(.*\)".*/\1/p')"
