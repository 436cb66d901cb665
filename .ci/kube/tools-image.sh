#!/usr/bin/env bash
# Stands in for the image apache/kafka, which cannot be had here: Kafka's tools at the same paths, from this machine's Java, shell and
# a few programs, and Kafka's jars. For pods of the component topic-admin on the node of node.sh.
#   tools-image.sh OUT.tar   make it, named localhost/kafka-tools:test; needs what ../kafka/kafka.sh needs, and jlink
set -Eeuo pipefail
trap 'echo "tools-image.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:?where to write the image}
. "$here/oci.sh"
root=$out.root
programs=(sh bash cat sleep sed grep head tail env rm)

# Each program, and what is linked to it.
mkdir -p "$root/bin" "$root/tmp" "$root/opt/kafka/bin" "$root/opt/java"
for p in "${programs[@]}"; do cp -L "$(command -v "$p")" "$root/bin/$p"; done
java=$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")
jlink --module-path "$java/jmods" --strip-debug --no-man-pages --no-header-files --output "$root/opt/java/openjdk" --add-modules \
  java.base,java.desktop,java.logging,java.management,java.naming,java.security.jgss,java.security.sasl,java.sql,java.xml,jdk.unsupported,jdk.crypto.ec
find "$root/bin" "$root/opt/java/openjdk" \( -path '*/bin/*' -o -name '*.so' \) -type f -exec ldd {} + 2>/dev/null |
  awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\/.*ld-linux/ { print $1 }' | sort -u | grep -v "^$root" |
  while read -r lib; do mkdir -p "$root$(dirname "$lib")" && cp -L "$lib" "$root$lib"; done

# Kafka's scripts are no Maven artifact: each starts the class that docs/kafka_test.go has for it, and warns on standard error.
ln -s "$("$here/../kafka/kafka.sh" jars)" "$out.jars"
cp -rL "$out.jars" "$root/opt/kafka/libs"
cat >"$root/opt/kafka/log4j2.xml" <<'X'
<Configuration>
  <Appenders><Console name="E" target="SYSTEM_ERR"><PatternLayout pattern="[%d] %p %m (%c)%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="E"/></Root></Loggers>
</Configuration>
X
sed -n 's/^\t"\(kafka-[a-z-]*\.sh\)": *"\(.*\)",$/\1 \2/p' "$here/../../docs/kafka_test.go" | while read -r script class; do
  cat >"$root/opt/kafka/bin/$script" <<S
#!/bin/sh
exec /opt/java/openjdk/bin/java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -cp '/opt/kafka/libs/*' \\
  -Dlog4j2.configurationFile=/opt/kafka/log4j2.xml -Dlog4j2.disableJmx=true $class "\$@"
S
  chmod 755 "$root/opt/kafka/bin/$script"
done
[ -x "$root/opt/kafka/bin/kafka-configs.sh" ]
chmod 1777 "$root/tmp"
oci_archive "$root" "$out" localhost/kafka-tools:test '{"User":"1000","Env":["PATH=/opt/java/openjdk/bin:/bin","JAVA_HOME=/opt/java/openjdk"]}'
rm -rf "$root" "$out.jars"
