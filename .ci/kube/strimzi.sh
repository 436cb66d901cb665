#!/usr/bin/env bash
# Compares crds/strimzi.yaml, which is written by hand, and the topics and users of the manifests with Strimzi's own classes
# of them, of the least version and of the newest that Java 17 can load. Java 17 and Maven.
#   strimzi.sh
set -Eeuo pipefail
trap 'echo "strimzi.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/release-forwarder/strimzi
command -v java >/dev/null && command -v mvn >/dev/null || { echo "strimzi.sh: Java 17 and Maven are needed" >&2; exit 1; }
property() { sed -n "s,.*<$1>\(.*\)</$1>.*,\1,p" "$here/strimzi/pom.xml"; }

for version in "$(property strimzi.version)" "$(property strimzi.newest)"; do
  libs=$cache/$version
  if [ ! -d "$libs" ]; then
    rm -rf "$libs.new"
    mvn -q -B -f "$here/strimzi/pom.xml" -Dstrimzi.version="$version" dependency:copy-dependencies -DoutputDirectory="$libs.new" >&2
    mv "$libs.new" "$libs"
  fi
  java -cp "$libs/*" "$here/strimzi/Compare.java" "$here/crds/strimzi.yaml" "$root"/deployments/components/*/*.yaml
done
