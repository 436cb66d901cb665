#!/usr/bin/env bash
# The acceptance suite on real Apache Kafka: on one broker, then on three.
#   test.sh [BROKERS …] [-- flags of go test]      e.g. test.sh 3 -- -run 'TestAcceptance/.*/codec'
# KAFKA_VERSION chooses Kafka's version, see kafka.sh. Ends with the table of all backends' results.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
sizes=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do sizes+=("$1"); shift; done
[ $# = 0 ] || shift
[ ${#sizes[@]} -gt 0 ] || sizes=(1 3)

if [ -z "${KAFKA_VERSION:-}" ] && [ $# = 0 ] && [[ " ${sizes[*]} " = *" 1 "* ]]; then # Kafka's tools take the lines that the documents tell to type
  "${GO:-go}" -C "$root" test -tags kafka -count=1 -v -run 'TestKafkasTools' ./docs -kafka.jars "$("$root/.ci/kafka/kafka.sh" jars)"
fi

export ACCEPTANCE_KAFKA=real
export ACCEPTANCE_RESULTS=${ACCEPTANCE_RESULTS:-${XDG_CACHE_HOME:-$HOME/.cache}/release-forwarder/acceptance}
failed=
for n in "${sizes[@]}"; do
  ACCEPTANCE_BROKERS=$n "${GO:-go}" -C "$root" test -count=1 -timeout 20m ./cmd/release-forwarder/acceptance "$@" || failed+=" $n"
done
# With one broker, all tests and the default version the producers of docs/event.md are tried too.
if [ $# = 0 ] && [ -z "${KAFKA_VERSION:-}" ] && [[ " ${sizes[*]} " = *" 1 "* ]]; then
  "$(dirname "${BASH_SOURCE[0]}")/producers.sh" || failed+=" producers"
fi
cat "$ACCEPTANCE_RESULTS/table.txt"
find "$ACCEPTANCE_RESULTS" -name 'evidence-*.txt' -exec cat {} +
[ -z "$failed" ] || { echo "test.sh: failed (brokers):$failed" >&2; exit 1; }
