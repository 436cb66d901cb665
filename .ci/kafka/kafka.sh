#!/usr/bin/env bash
# A real Apache Kafka cluster (KRaft, brokers and controllers in one) on the loopback interface, from Maven artifacts.
# Needs Java 17, mvn (first time only) and openssl.
#
#   kafka.sh up [N]         start N brokers (1 to 9, default 1), wait until they answer, print the variables below
#   kafka.sh env            print them again
#   kafka.sh kill I         SIGKILL broker I            kafka.sh stop I      SIGTERM broker I and wait
#   kafka.sh start I        start broker I again        kafka.sh pause I     freeze it;  resume I: let it go on
#   kafka.sh down           end all and delete the data
#   kafka.sh tool CLASS …   run one of Kafka's tools against it, e.g. org.apache.kafka.tools.TopicCommand --list
#   kafka.sh jars           fetch Kafka's jars where they are not there yet, and print their folder
#
# Printed, NAME=VALUE: KAFKA_VERSION, and host:port lists of each listener: PLAINTEXT, SASL_PLAINTEXT, SSL (server's
# certificate), MTLS (client's certificate required too), SASL_SSL, and with KAFKA_PODS also PODS; CA_FILE, CLIENT_CERT_FILE, CLIENT_KEY_FILE (PEM).
# SASL users: app / app-secret by PLAIN, scram / scram-secret by SCRAM-SHA-256 and SCRAM-SHA-512.
#
# Variables:
#   KAFKA_VERSION    default 4.3.1; any from 3.5.0 on works (SCRAM users without ZooKeeper came with it, KIP-900)
#   KAFKA_RUN        the cluster's directory: data, logs, certificates; one per cluster
#   KAFKA_BASE_PORT  first port; default: the first free block from KAFKA_PORTS_FROM on, default 19100
#   KAFKA_HEAP       heap of a broker, default 512m
#   KAFKA_EXTRA      lines added to every server.properties
#   KAFKA_PODS       an address of this machine on which PODS listens, as SASL_SSL does: node.sh address, for pods
#   KAFKA_JVM        flags added to every broker's java, separated by blanks
#   KAFKA_DEBUG      a class whose log goes down to DEBUG, such as kafka.network.Processor
#   KAFKA_OWNER      a process's number: when it has ended, however it did, so does the cluster
#   KAFKA_CACHE      where jars are kept, default release-forwarder/kafka in the user's cache
set -Eeuo pipefail
trap 'echo "kafka.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${KAFKA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/release-forwarder/kafka}
run=${KAFKA_RUN:-$cache/run}
[ -r "$run/state" ] && . "$run/state" # version, brokers, base, pods: of the cluster that is there
pods=${pods-${KAFKA_PODS:-}}
version=${version:-${KAFKA_VERSION:-4.3.1}}
libs=$cache/$version
detach=$(command -v setsid || echo nohup) # a terminal's Ctrl-C is not for the brokers
listeners=(PLAINTEXT SASL_PLAINTEXT SSL MTLS SASL_SSL)

die() { echo "kafka.sh: $*" >&2; exit 1; }

# required looks for everything that is needed, and says all that is missing.
required() {
  local missing= java
  if ! command -v java >/dev/null; then
    missing+="; java, version 17 or later"
  else # openjdk version "17.0.15" 2025-04-15
    java=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${java:-0}" -ge 17 ] || missing+="; java, version 17 or later: $(command -v java) is version ${java:-unknown}"
  fi
  command -v openssl >/dev/null || missing+="; openssl"
  [ -d "$libs" ] || command -v mvn >/dev/null || missing+="; mvn (Maven), to fetch Kafka $version once"
  [ -z "$missing" ] || die "needed and not there: ${missing#; }"
}

# jars brings the version's jars into the cache, whole or not at all.
jars() {
  [ -d "$libs" ] && return
  local part=$libs.part.$$
  mkdir -p "$part"
  mvn -q -B -f "$here/pom.xml" -Dkafka.version="$version" dependency:copy-dependencies \
    -DoutputDirectory="$part" -DincludeScope=runtime >&2 || { rm -rf "$part"; die "Kafka $version could not be fetched"; }
  mv "$part" "$libs" 2>/dev/null || rm -rf "$part" # another one was faster
  [ -d "$libs" ] || die "no jars in $libs"
}

kafka_java() { java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$libs/*" -Dlog4j2.configurationFile="$run/log4j2.xml" -Dlog4j2.disableJmx=true "$@"; }

# port I K is the port of listener K (5: the controller's, 6: PODS) of broker I.
port() { echo $((base + 10 * ($1 - 1) + $2)); }
is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# list K [ADDRESS] is the host:port list of listener K.
list() {
  local i s=
  for i in $(seq "$brokers"); do s+=${s:+,}${2:-127.0.0.1}:$(port "$i" "$1"); done
  echo "$s"
}

# pid I is the broker's process, nothing if it does not run: the number may
# belong to somebody else by now, so its command line is looked at.
pid() {
  local p
  p=$(cat "$run/$1/pid" 2>/dev/null) || return 1
  ps -ww -o args= -p "$p" 2>/dev/null | grep -qF "$run/$1/server.properties" || return 1
  echo "$p"
}

known() { [ -r "$run/state" ] && [ -r "$run/$1/server.properties" ] || die "there is no broker $1 in $run"; }

gone() { # I: wait for its end
  local _
  for _ in $(seq 600); do pid "$1" >/dev/null || return 0; sleep 0.1; done
  die "broker $1 does not end"
}

free_block() {
  local p
  for base in $(seq "${KAFKA_PORTS_FROM:-19100}" 100 29900); do
    for p in $(seq "$base" $((base + 10 * brokers - 1))); do is_open "$p" && continue 2; done
    return 0
  done
  die "no free ports"
}

# certificates: a CA, the brokers' and a client's certificate, PEM throughout.
certificates() {
  local d=$run/tls name san
  mkdir -p "$d"
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/CN=kafka test CA' -keyout "$d/ca.key" -out "$d/ca.pem" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign 2>/dev/null
  for name in broker client; do
    san=DNS:localhost,IP:127.0.0.1${pods:+,IP:$pods}
    [ $name = client ] && san=DNS:client
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout "$d/$name.key" -out "$d/$name.csr" 2>/dev/null
    openssl x509 -req -days 3650 -in "$d/$name.csr" -CA "$d/ca.pem" -CAkey "$d/ca.key" -CAcreateserial -out "$d/$name.pem" \
      -extfile <(echo "subjectAltName=$san") 2>/dev/null
  done
  cat "$d/broker.key" "$d/broker.pem" "$d/ca.pem" >"$d/broker-store.pem"
  [ -s "$d/client.pem" ] || die "openssl made no certificates"
}

configure() { # I
  local i=$1 d=$run/$1 k all= voters= n
  mkdir -p "$d"
  for k in "${!listeners[@]}"; do all+=${all:+,}${listeners[k]}://127.0.0.1:$(port "$i" "$k"); done
  [ -z "$pods" ] || all+=,PODS://$pods:$(port "$i" 6)
  for n in $(seq "$brokers"); do voters+=${voters:+,}$n@127.0.0.1:$(port "$n" 5); done
  cat >"$d/server.properties" <<P
process.roles=broker,controller
node.id=$i
controller.quorum.voters=$voters
controller.listener.names=CONTROLLER
listeners=$all,CONTROLLER://127.0.0.1:$(port "$i" 5)
advertised.listeners=$all
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,MTLS:SSL,SASL_SSL:SASL_SSL,PODS:SASL_SSL
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
ssl.keystore.type=PEM
ssl.keystore.location=$run/tls/broker-store.pem
ssl.truststore.type=PEM
ssl.truststore.location=$run/tls/ca.pem
listener.name.mtls.ssl.client.auth=required
log.dirs=$d/data
auto.create.topics.enable=false
offsets.topic.num.partitions=3
offsets.topic.replication.factor=$brokers
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=$brokers
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=$brokers
share.coordinator.state.topic.min.isr=1
default.replication.factor=$brokers
min.insync.replicas=$((brokers > 2 ? 2 : 1))
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=6000
log.segment.delete.delay.ms=1000
broker.rack=rack-$i
replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector
P
  for l in sasl_plaintext sasl_ssl ${pods:+pods}; do cat >>"$d/server.properties" <<P
listener.name.$l.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_app="app-secret";
listener.name.$l.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.$l.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
P
  done
  printf '%s\n' "${KAFKA_EXTRA:-}" >>"$d/server.properties"
}

format() { # I CLUSTER_ID
  kafka_java kafka.tools.StorageTool format -t "$2" -c "$run/$1/server.properties" \
    -S 'SCRAM-SHA-256=[name=scram,password=scram-secret]' -S 'SCRAM-SHA-512=[name=scram,password=scram-secret]' >"$run/$1/format.log" 2>&1
}

launch() { # I
  local d=$run/$1
  "$detach" java -Xmx"${KAFKA_HEAP:-512m}" -Xms128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$libs/*" \
    -Dlog4j2.configurationFile="$run/log4j2.xml" -Dlog4j2.disableJmx=true ${KAFKA_JVM:-} kafka.Kafka "$d/server.properties" >>"$d/log" 2>&1 </dev/null &
  echo $! >"$d/pid"
}

# answers I waits until every listener of the broker is open.
answers() {
  local i=$1 k _
  for _ in $(seq 600); do
    if ! pid "$i" >/dev/null; then
      sleep 0.3 # just launched: the command line may not be there yet
      pid "$i" >/dev/null || { tail -n 30 "$run/$i/log" >&2; die "broker $i has ended; its log: $run/$i/log"; }
    fi
    for k in "${!listeners[@]}"; do is_open "$(port "$i" "$k")" || { sleep 0.1; continue 2; }; done
    return 0
  done
  tail -n 30 "$run/$i/log" >&2
  die "broker $i did not open its ports within a minute"
}

print_env() {
  local k
  echo "KAFKA_VERSION=$version"
  for k in "${!listeners[@]}"; do echo "${listeners[k]}=$(list "$k")"; done
  [ -z "$pods" ] || echo "PODS=$(list 6 "$pods")"
  echo "CA_FILE=$run/tls/ca.pem"
  echo "CLIENT_CERT_FILE=$run/tls/client.pem"
  echo "CLIENT_KEY_FILE=$run/tls/client.key"
}

down() {
  local d p
  for d in "$run"/[1-9]; do
    p=$(pid "${d##*/}") && kill -9 "$p" && gone "${d##*/}"
  done 2>/dev/null
  rm -rf "$run"
}

up() {
  local want=$1 i
  [[ $want =~ ^[1-9]$ ]] || die "the number of brokers must be 1 to 9"
  if [ -r "$run/state" ]; then
    local alive=0
    for i in $(seq "$brokers"); do pid "$i" >/dev/null && alive=$((alive + 1)); done
    if [ $alive = "$want" ] && [ "$brokers" = "$want" ] && [ "$version" = "${KAFKA_VERSION:-$version}" ]; then print_env; return; fi
    [ $alive = 0 ] || die "$alive of $brokers brokers of Kafka $version run in $run: 'down' first"
    version=${KAFKA_VERSION:-4.3.1} libs=$cache/$version pods=${KAFKA_PODS:-}
    rm -rf "$run"
  fi
  required
  brokers=$want
  jars
  mkdir -p "$run"
  base=${KAFKA_BASE_PORT:-}
  [ -n "$base" ] || free_block
  cat >"$run/log4j2.xml" <<L
<Configuration>
  <Appenders><Console name="C"><PatternLayout pattern="%d %p %m (%c)%n%throwable"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="C"/></Root>
    <Logger name="${KAFKA_DEBUG:-none}" level="DEBUG"/></Loggers>
</Configuration>
L
  certificates
  local id jobs=()
  id=$(openssl rand -base64 16 | tr '+/' 'AB' | cut -c1-22)
  for i in $(seq "$brokers"); do configure "$i"; done
  printf 'version=%s\nbrokers=%s\nbase=%s\npods=%s\n' "$version" "$brokers" "$base" "$pods" >"$run/state"
  for i in $(seq "$brokers"); do format "$i" "$id" & jobs+=($!); done
  for i in "${!jobs[@]}"; do
    wait "${jobs[i]}" || { cat "$run/$((i + 1))/format.log" >&2; die "the storage of broker $((i + 1)) could not be formatted"; }
  done
  for i in $(seq "$brokers"); do launch "$i"; done
  cp "$run/1/pid" "$run/first"
  if [ -n "${KAFKA_OWNER:-}" ]; then # before the wait: an owner may end meanwhile
    KAFKA_RUN=$run "$detach" "$here/kafka.sh" follow "$KAFKA_OWNER" "$(cat "$run/first")" >/dev/null 2>&1 </dev/null &
  fi
  for i in $(seq "$brokers"); do answers "$i"; done
  print_env
}

# follow OWNER PID ends the cluster after its owner; PID tells this cluster from
# a later one in the same place.
follow() {
  while [ "$(cat "$run/first" 2>/dev/null)" = "$2" ]; do
    kill -0 "$1" 2>/dev/null || { down; return 0; }
    sleep 1
  done
}

command=${1:-help}
case $command in
up) up "${2:-1}" ;;
env) [ -r "$run/state" ] || die "no cluster in $run"; print_env ;;
down) down ;;
jars) required; jars; echo "$libs" ;;
follow) follow "$2" "$3" ;;
kill | stop | pause | resume | start)
  i=${2:?the number of a broker}
  known "$i"
  if [ "$command" = start ]; then
    pid "$i" >/dev/null || launch "$i"
    answers "$i"
    exit
  fi
  p=$(pid "$i") || die "broker $i does not run"
  case $command in
  kill) kill -9 "$p" && gone "$i" ;;
  stop) kill "$p" && gone "$i" ;;
  pause) kill -STOP "$p" ;;
  resume) kill -CONT "$p" ;;
  esac ;;
tool)
  [ -r "$run/state" ] || die "no cluster in $run"
  class=${2:?a class of Kafka\'s tools}
  kafka_java "$class" --bootstrap-server "$(list 0)" "${@:3}" ;;
help | -h | --help) sed -n '2,/^set -/p' "$0" | sed '$d; s/^# \{0,1\}//' ;;
*) die "unknown command $command; see --help" ;;
esac
