#!/usr/bin/env bash
# Builds the test cluster's programs from Go modules into the user's cache; does nothing when they are there.
#   build.sh cluster | node | tools …    what to build (below); prints the folder
#   build.sh --warm PART…                succeeds if these are there already
#   build.sh --seconds PART…             how long that will take at the most, on 2 cores
# cluster: etcd, kube-apiserver, kube-controller-manager, kubectl. node: kube-scheduler, kubelet, containerd, runc and
# the pod network's plugins (a C compiler and libseccomp-dev are needed, for runc; where root can, the
# latter is installed by apt-get). tools: ko, crane, cyclonedx-gomod.
# Versions are those of cluster/go.mod, node/go.mod and ../release/tools/go.mod, held by their go.sum.
set -Eeuo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/release-forwarder/kube
bin=$cache/bin
export GOWORK=off GOFLAGS=-mod=readonly
go=${GO:-go}

module() { case $1 in cluster | node) echo "$here/$1" ;; tools) echo "$here/../release/tools" ;; *) echo "build.sh: no part $1" >&2; exit 2 ;; esac; }

# stamp PART names the sources: a part whose stamp is the same is not built again.
stamp() {
  local of=("$1")
  [ "$1" = node ] && of+=(cluster) # kubelet and scheduler come from there
  { for p in "${of[@]}"; do cat "$(module "$p")/go.mod" "$(module "$p")/go.sum"; done; "$go" version; } | sha256sum | cut -c1-16
}
warm() { [ "$(cat "$bin/$1.stamp" 2>/dev/null)" = "$(stamp "$1")" ]; }

# build MODULE LDFLAGS PACKAGE… [-- FLAG…]
build() {
  local module=$1 ld=$2
  shift 2
  nice "$go" -C "$(module "$module")" build -trimpath -ldflags "-s -w $ld" -o "$bin/" "$@"
}

# release gives Kubernetes' programs the version that they announce: the API server compares it with its data.
release() {
  local v minor p
  v=$(awk '$1 == "require" && $2 == "k8s.io/kubernetes" { print $3 }' "$here/cluster/go.mod")
  minor=${v#v1.}
  for p in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf -- '-X %s.gitVersion=%s -X %s.gitMajor=1 -X %s.gitMinor=%s -X %s.gitTreeState=clean ' $p "$v" $p $p "${minor%%.*}" $p
  done
}

k=k8s.io/kubernetes/cmd
make_cluster() {
  export CGO_ENABLED=0
  nice "$go" -C "$here/cluster" build -trimpath -ldflags "-s -w" -o "$bin/etcd" go.etcd.io/etcd/server/v3
  build cluster "$(release)" $k/kube-apiserver $k/kube-controller-manager $k/kubectl
}
# libseccomp: runc puts the profile that Pod Security demands into force by it.
libseccomp() {
  if ! pkg-config --exists libseccomp 2>/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get install -y --no-install-recommends libseccomp-dev pkg-config || { apt-get update && apt-get install -y --no-install-recommends libseccomp-dev pkg-config; }; } >/dev/null 2>&1 || true
  fi
  pkg-config --exists libseccomp || { echo "build.sh: libseccomp-dev and pkg-config are needed to build runc" >&2; exit 1; }
}
make_node() {
  export CGO_ENABLED=0
  build cluster "$(release)" $k/kubelet $k/kube-scheduler
  local c=github.com/containerd/containerd/v2/cmd n=github.com/containernetworking/plugins/plugins
  build node "" -tags no_btrfs,no_devmapper,no_zfs $c/containerd $c/containerd-shim-runc-v2 $c/ctr
  build node "" $n/main/bridge $n/main/loopback $n/ipam/host-local
  libseccomp
  CGO_ENABLED=1 build node "" -tags seccomp,osusergo,netgo github.com/opencontainers/runc
  printf '#include <signal.h>\n#include <unistd.h>\nstatic void end(int s) { _exit(0); }\nint main(void) { signal(SIGTERM, end); signal(SIGINT, end); for (;;) pause(); }\n' |
    gcc -static -Os -x c -o "$bin/pause" -
}
make_tools() {
  export CGO_ENABLED=0
  build tools "" github.com/google/ko github.com/google/go-containerregistry/cmd/crane github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
}

mode=build
case ${1:-} in
--warm | --seconds) mode=${1#--}; shift ;;
'' | -h | --help) sed -n '2,/^set -/p' "$0" | sed '$d; s/^# \{0,1\}//'; exit ;;
esac
mkdir -p "$bin"
total=0
for part in "$@"; do
  module "$part" >/dev/null
  if warm "$part"; then continue; fi
  case $mode in
  warm) exit 1 ;;
  seconds) case $part in cluster) total=$((total + 720)) ;; node) total=$((total + 420)) ;; tools) total=$((total + 180)) ;; esac ;;
  build)
    exec 9>"$cache/$part.lock"
    flock 9
    if ! warm "$part"; then
      begun=$SECONDS
      echo "building $part from source (kept in $bin)" >&2
      "make_$part"
      stamp "$part" >"$bin/$part.stamp"
      echo "built $part in $((SECONDS - begun))s" >&2
    fi
    exec 9>&-
    ;;
  esac
done
case $mode in build) echo "$bin" ;; seconds) echo "$total" ;; esac
