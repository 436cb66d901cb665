#!/usr/bin/env bash
# Joins this machine to the cluster of cluster.sh as its one node: containerd, kubelet and scheduler, pods with
# addresses of their own on a bridge, kubectl exec and logs. Root on Linux only; with cgroup v1 or v2.
#   node.sh up               start it (builds it first where needed)
#   node.sh load TAR         give it the image of an archive that `image.sh build` or tools-image.sh wrote; prints what it holds
#   node.sh address          the machine's address as pods see it: what listens there, they reach
#   node.sh down             end it, its containers and its bridge; delete the pods first
# Variables: KUBE_RUN as for cluster.sh; NODE_NET, the first three numbers of the pods' addresses (default 10.214.0).
set -Eeuo pipefail
trap 'echo "node.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/release-forwarder/kube
cluster=${KUBE_RUN:-$cache/run}
run=$cluster/node
bin=$cache/bin
net=${NODE_NET:-10.214.0}
bridge=forwarder0
programs=(kubelet kube-scheduler containerd)

. "$here/process.sh"
. "$here/oci.sh"
kc() { "$here/cluster.sh" kubectl "$@"; }
ctr() { "$bin/ctr" --address "$run/containerd.sock" --namespace k8s.io "$@" 2> >(grep -v DEPRECATION >&2 || true); }

# pause_image keeps a pod's namespaces.
pause_image() {
  mkdir -p "$run/pause"
  cp "$bin/pause" "$run/pause/pause"
  oci_archive "$run/pause" "$run/pause.tar" localhost/pause:test '{"Entrypoint":["/pause"],"User":"65535"}'
  ctr images import "$run/pause.tar" >/dev/null
}

configure() {
  mkdir -p "$run/cni" "$run/bin"
  cat >"$run/containerd.toml" <<T
version = 3
root = "$run/containerd"
state = "$run/containerd-state"
[grpc]
  address = "$run/containerd.sock"
[ttrpc]
  address = "$run/containerd.ttrpc.sock"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true # as far as this machine's rights go
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["$bin"]
    conf_dir = "$run/cni"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "localhost/pause:test"
T
  cat >"$run/cni/10-pods.conflist" <<J
{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "$bridge", "isGateway": true,
  "ipam": {"type": "host-local", "dataDir": "$run/addresses", "ranges": [[{"subnet": "$net.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
J
  cat >"$run/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
containerRuntimeEndpoint: unix://$run/containerd.sock
podLogsDir: $run/logs
address: $net.1
port: $1
readOnlyPort: 0
healthzPort: 0
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: "$cluster/pki/kubelets.crt"}}
authorization: {mode: AlwaysAllow}
failSwapOn: false
localStorageCapacityIsolation: false
evictionHard: {memory.available: 100Mi}
resolvConf: ""
Y
}

up() {
  [ "$(id -u)" = 0 ] || die "only root can make a node"
  [ -r "$cluster/kubeconfig" ] || die "no cluster in $cluster: cluster.sh up"
  "$here/build.sh" node >/dev/null
  mkdir -p "$run"
  local port
  port=$(free_block 2)
  configure "$port"
  # The bridge would come with the first pod; what pods are to reach must be able to listen before, and so must the kubelet.
  ip link show "$bridge" >/dev/null 2>&1 || ip link add "$bridge" type bridge
  ip address replace "$net.1/24" dev "$bridge"
  ip link set "$bridge" up
  export PATH=$bin:$PATH
  start containerd --config "$run/containerd.toml"
  await containerd 120 ctr version
  pause_image
  start kubelet --config "$run/kubelet.yaml" --kubeconfig "$cluster/kubeconfig" --root-dir "$run/kubelet" \
    --cert-dir "$run/pki" --hostname-override test-node --node-ip "$net.1"
  start kube-scheduler --kubeconfig "$cluster/kubeconfig" --leader-elect=false --bind-address 127.0.0.1 \
    --secure-port $((port + 1)) --cert-dir "$run/pki-scheduler"
  await kubelet 180 kc wait --for=condition=Ready node/test-node --timeout=1s
}

down() {
  local c
  stop kubelet
  stop kube-scheduler
  if alive containerd; then
    for c in $(ctr tasks list -q); do ctr tasks kill --signal SIGKILL "$c" >/dev/null 2>&1 || true; done
    for c in $(ctr tasks list -q); do ctr tasks delete --force "$c" >/dev/null 2>&1 || true; done
    for c in $(ctr containers list -q); do ctr containers delete "$c" >/dev/null 2>&1 || true; done
  fi
  stop containerd
  awk -v under="$run/" 'index($2, under) == 1 { print $2 }' /proc/mounts | sort -r | while read -r c; do umount -l "$c" || true; done
  ip link show "$bridge" >/dev/null 2>&1 && ip link delete "$bridge"
  rm -rf "$run"
}

case ${1:-} in
up) up ;;
load) ctr images import "$2" >/dev/null; ctr images list -q ;;
ctr) shift; ctr "$@" ;;
address) echo "$net.1" ;;
down) down ;;
*) sed -n '2,/^set -/p' "$0" | sed '$d; s/^# \{0,1\}//'; exit 2 ;;
esac
