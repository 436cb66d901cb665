#!/usr/bin/env bash
# The producers that docs/event.md shows, on a real Kafka: each stores docs/producers/event.json, all with one key in one
# partition, and check takes what was stored.
#   producers.sh     Java by kafka-clients; Python by confluent-kafka, from PyPI; C# is not compiled
set -Eeuo pipefail
trap 'echo "producers.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
examples=$root/docs/producers
scratch=$(mktemp -d)
export KAFKA_RUN=$scratch/kafka KAFKA_OWNER=$$ KAFKA_VERSION=4.3.1
trap '"$here/kafka.sh" down; rm -rf "$scratch"' EXIT

python3 -m venv "$scratch/python"
"$scratch/python/bin/pip" install --quiet --disable-pip-version-check confluent-kafka==2.16.1
"$here/kafka.sh" up >"$scratch/env"
brokers=$(sed -n 's/^PLAINTEXT=//p' "$scratch/env")
libs=${KAFKA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/release-forwarder/kafka}/$KAFKA_VERSION
"$here/kafka.sh" tool org.apache.kafka.tools.TopicCommand --create --topic abnormal-release --partitions 12 >/dev/null
lot=$(sed -n 's/.*"park_uuid": "\(.*\)".*/\1/p' "$examples/event.json")

javac -d "$scratch" -cp "$libs/*" "$examples/LaneProducer.java"
java -cp "$scratch:$libs/*" LaneProducer "$brokers" "$lot" "$examples/event.json" 2>/dev/null | tee "$scratch/java"
"$scratch/python/bin/python" "$examples/lane_producer.py" "$brokers" "$lot" "$examples/event.json" | tee "$scratch/py"
[ "$(awk '{ print $2 }' "$scratch/java")" = "$(awk '{ print $2 }' "$scratch/py")" ] || { echo "producers.sh: one key in two partitions" >&2; exit 1; }

"$here/kafka.sh" tool org.apache.kafka.tools.consumer.ConsoleConsumer --topic abnormal-release --from-beginning --max-messages 2 \
  --timeout-ms 30000 >"$scratch/stored" 2>/dev/null
for _ in java python; do cat "$examples/event.json"; echo; done | cmp - "$scratch/stored" || { echo "producers.sh: something else was stored" >&2; exit 1; }
"${GO:-go}" -C "$root" run ./cmd/release-forwarder check "$examples/event.json" >/dev/null
echo "producers.sh: both stored the event, with its key in one partition"
