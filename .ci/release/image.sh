#!/usr/bin/env bash
# Builds the OCI image with ko: linux/amd64 and linux/arm64, nothing in it but the binary, no container engine needed.
#   image.sh build DIR     DIR/oci (OCI layout of both platforms), DIR/image-<arch>.tar (for `docker load` and
#                          `ctr import`), DIR/digests; prints the index's digest
#   image.sh check         builds twice, in different folders, each time with an empty build cache where IMAGE_COLD=1:
#                          one digest, a size under the limit, what the configuration promises
# Variables: VERSION (default: what git says), REVISION, IMAGE (the name in the archives, default release-forwarder),
# ARCHES (default "amd64 arm64").
# Two builds of one commit with one Go version have one digest: all times are those of the commit.
set -Eeuo pipefail
trap 'echo "image.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
limit=$((25 * 1024 * 1024)) # bytes of an image as it is pulled

die() { echo "image.sh: $*" >&2; exit 1; }
revision=${REVISION:-$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)}
version=${VERSION:-$(git -C "$root" describe --tags --always --dirty 2>/dev/null || echo devel)}
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)}
name=${IMAGE:-release-forwarder}
read -ra arches <<<"${ARCHES:-amd64 arm64}"
bin=$("$here/../kube/build.sh" tools)
PATH=$bin:$PATH
scratch=$(mktemp -d)
registry=
trap '[ -z "$registry" ] || kill "$registry" 2>/dev/null; chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT

# serve starts a registry on a free port of the loopback interface: ko takes a base image from nowhere else.
serve() {
  crane registry serve --address 127.0.0.1:0 >"$scratch/registry.log" 2>&1 &
  registry=$!
  local _
  for _ in $(seq 100); do
    addr=$(sed -n 's/.*serving on port \([0-9]*\).*/127.0.0.1:\1/p' "$scratch/registry.log" | head -1)
    [ -z "$addr" ] || return 0
    kill -0 "$registry" || break
    sleep 0.1
  done
  cat "$scratch/registry.log" >&2
  die "no registry for the base image"
}

# base is an index of empty images, one for each platform, which say who runs in them.
base() {
  local arch refs=()
  mkdir "$scratch/empty"
  tar -C "$scratch/empty" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$scratch/empty.tar" --files-from /dev/null
  for arch in "${arches[@]}"; do
    crane append --oci-empty-base -f "$scratch/empty.tar" -t "$addr/base:$arch" >/dev/null
    crane mutate --set-platform "linux/$arch" --user 65532:65532 --workdir / -t "$addr/base:$arch" "$addr/base:$arch" >/dev/null
    refs+=(-m "$addr/base:$arch")
  done
  crane index append "${refs[@]}" -t "$addr/base:all" >/dev/null
}

# tag is the version as a tag may be.
tag() { echo "${version//[^A-Za-z0-9._-]/-}"; }

# archive ARCH DIGEST DIR: one platform's image as a file, under its own name instead of the registry's.
archive() {
  local d=$scratch/archive-$1
  rm -rf "$d"
  mkdir "$d"
  crane pull --platform "linux/$1" "$addr/$name@$2" "$d.tar"
  tar -C "$d" -xf "$d.tar"
  sed -i "s|\"RepoTags\":\[[^]]*\]|\"RepoTags\":[\"$name:$(tag)\"]|" "$d/manifest.json"
  tar -C "$d" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$3/image-$1.tar" $(ls -A "$d")
}

# described DIR DIGEST: ko's SBOMs speak of the images as it made them, by names and digests of this run; they get those
# of what is handed on. The base, which is empty, has no name there.
described() {
  local arch f=$1/release-forwarder-index.spdx.json rules=(-e "s,$addr/base@,scratch@,g" -e "s,$addr/base:all,scratch,g" -e "s,${addr/:/%3A}%2Fbase,scratch,g")
  rename() { rules+=(-e "s,${1#sha256:},${2#sha256:},g"); }
  for arch in "${arches[@]}"; do
    rename "$(crane digest --platform "linux/$arch" "$addr/$name:$(tag)")" "$(crane digest --platform "linux/$arch" "$addr/$name@$2")"
  done
  if [ -e "$f" ]; then
    rename "$(crane digest "$addr/$name:$(tag)")" "$2"
    rename "$(sed -n 's/.*base@sha256:\([0-9a-f]*\).*/\1/p' "$f" | head -1)" "$(crane digest "$addr/base:all")"
  fi
  sed -i "${rules[@]}" "$1"/release-forwarder-*.spdx.json
}

# build SOURCE DIR
build() {
  local source=$1 out=$2 digest arch refs=()
  rm -rf "$out/oci"
  mkdir -p "$out"
  (
    cd "$source"
    export VERSION=$version REVISION=$revision SOURCE_DATE_EPOCH=$epoch GOFLAGS=-mod=readonly GOWORK=off
    export KO_CONFIG_PATH=$here/ko.yaml KO_DEFAULTBASEIMAGE=$addr/base:all KO_DOCKER_REPO=$addr/$name
    label() { printf -- '--image-label=org.opencontainers.image.%s=%s\n' "$@"; }
    mapfile -t labels < <(
      label title release-forwarder
      label description "Forwards abnormal-release events from Kafka to the parking platform"
      label version "$version"
      label revision "$revision"
      label created "$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)"
      label licenses Apache-2.0
    )
    nice ko build --bare --tags "$(tag)" --sbom=spdx --sbom-dir="$out" --platform="$(printf 'linux/%s,' "${arches[@]}" | sed 's/,$//')" \
      "${labels[@]}" ./cmd/release-forwarder >/dev/null
  ) >"$scratch/ko.log" 2>&1 || { cat "$scratch/ko.log" >&2; die "ko failed"; }
  # ko notes where the base came from, which is a port of this run: it would be another digest each time.
  for arch in "${arches[@]}"; do
    crane mutate --annotation org.opencontainers.image.base.name=scratch -t "$addr/$name:$arch" \
      "$addr/$name@$(crane digest --platform "linux/$arch" "$addr/$name:$(tag)")" >/dev/null 2>&1
    refs+=(-m "$addr/$name:$arch")
  done
  crane index append "${refs[@]}" -t "$addr/$name:final" >/dev/null 2>&1
  digest=$(crane digest "$addr/$name:final")
  {
    echo "index $digest"
    for arch in "${arches[@]}"; do
      echo "$arch $(crane digest --platform "linux/$arch" "$addr/$name@$digest") $(crane manifest --platform "linux/$arch" "$addr/$name@$digest" |
        grep -o '"size":[0-9]*' | cut -d: -f2 | awk '{ s += $1 } END { print s }') bytes"
      archive "$arch" "$digest" "$out"
    done
    crane pull --format=oci "$addr/$name@$digest" "$out/oci"
  } >"$out/digests"
  described "$out" "$digest"
  echo "$digest"
}

# check builds in two processes, each with a registry and a folder of its own.
check() {
  local first second arch digest bytes config files f
  mkdir -p "$scratch/here" "$scratch/some/where/else"
  tar -C "$root" --exclude=./.git --exclude=./bin --exclude=./dist -cf - . | tee >(tar -C "$scratch/some/where/else" -xf -) | tar -C "$scratch/here" -xf -
  export VERSION=$version REVISION=$revision SOURCE_DATE_EPOCH=$epoch
  cold() { [ "${IMAGE_COLD:-}" != 1 ] || export GOCACHE=$scratch/cache-$1; }
  cold first
  first=$("$scratch/here/.ci/release/image.sh" build "$scratch/first")
  cold second
  second=$("$scratch/some/where/else/.ci/release/image.sh" build "$scratch/second")
  cat "$scratch/first/digests"
  [ "$first" = "$second" ] || die "two builds, two digests: $first and $second"
  for arch in "${arches[@]}"; do
    cmp "$scratch/first/image-$arch.tar" "$scratch/second/image-$arch.tar"
    for f in index "linux-$arch"; do cmp "$scratch/first/release-forwarder-$f.spdx.json" "$scratch/second/release-forwarder-$f.spdx.json"; done
  done
  echo "two builds, one digest, one SBOM"
  serve
  while read -r arch digest bytes _; do
    f=$scratch/first/release-forwarder-$([ "$arch" = index ] || echo linux-)$arch.spdx.json
    grep -q "$digest" "$f" || die "the SBOM of $arch is not about $digest"
    if grep -E '127\.0\.0\.1' "$f" >&2; then die "the SBOM of $arch names a registry of its making"; fi
    [ "$arch" = index ] && continue
    [ "$bytes" -lt "$limit" ] || die "$arch: $bytes bytes, the limit is $limit"
    crane push "$scratch/first/image-$arch.tar" "$addr/check:$arch" >/dev/null 2>&1
    config=$(crane config "$addr/check:$arch")
    for want in '"User":"65532:65532"' "\"org.opencontainers.image.version\":\"$version\"" "\"org.opencontainers.image.revision\":\"$revision\"" '"Entrypoint":\["/ko-app/release-forwarder"\]'; do
      grep -q "$want" <<<"$config" || die "$arch: $want is not in the configuration: $config"
    done
    # Nothing but the binary: no shell, no package, nothing that could be started or be out of date.
    files=$(crane export "$addr/check:$arch" - | tar -Ptvf - | awk '$1 ~ /^-/ { print $NF }')
    [ "$files" = /ko-app/release-forwarder ] || die "$arch: there are other files than the binary: $files"
    echo "$arch: $((bytes / 1024 / 1024)).$((bytes * 10 / 1024 / 1024 % 10)) MiB, one file: $files"
  done <"$scratch/first/digests"
}

prepare() {
  serve
  base 2>"$scratch/crane.log" || { cat "$scratch/crane.log" >&2; die "no base image"; }
}

case ${1:-} in
build) [ $# = 2 ] || die "build DIR"; prepare; mkdir -p "$2"; build "$root" "$(cd "$2" && pwd)" ;;
check) check ;;
*) sed -n '2,/^set -/p' "$0" | sed '$d; s/^# \{0,1\}//'; exit 2 ;;
esac
