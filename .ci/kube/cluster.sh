#!/usr/bin/env bash
# A Kubernetes API server with etcd and the controllers, on the loopback interface, to hold the manifests against.
#   cluster.sh up            start it (builds it first where needed), install the custom resources' definitions
#   cluster.sh kubectl …     kubectl against it
#   cluster.sh env           KUBECONFIG=…
#   cluster.sh down          end it and delete its data
# Variables: KUBE_RUN, its directory, one per cluster (default: run in the cache); KUBE_OWNER, a process's number:
# when that has ended, however it did, so does the cluster.
set -Eeuo pipefail
trap 'echo "cluster.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/release-forwarder/kube
run=${KUBE_RUN:-$cache/run}
bin=$cache/bin
config=$run/kubeconfig
programs=(kube-controller-manager kube-apiserver etcd) # in the order of their end

. "$here/process.sh"
kc() { "$bin/kubectl" --kubeconfig "$config" "$@"; }

# keys: the authority and certificate of the API server, the key that signs the accounts' tokens, the admin's token, and
# the certificate by which a node's kubelet knows the API server (exec, logs).
keys() {
  (
    umask 077
    mkdir -p "$run/pki"
    openssl genrsa -out "$run/pki/accounts.key" 2048 2>/dev/null
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /O=system:masters/CN=kube-apiserver -addext extendedKeyUsage=clientAuth \
      -keyout "$run/pki/kubelets.key" -out "$run/pki/kubelets.crt" 2>/dev/null
    openssl rand -hex 24 >"$run/pki/token"
    echo "$(cat "$run/pki/token"),admin,admin,system:masters" >"$run/pki/tokens.csv"
  )
}

kubeconfig() {
  (umask 077; cat >"$config" <<Y
apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "https://127.0.0.1:$1", certificate-authority: "$run/pki/apiserver.crt"}}]
users: [{name: test, user: {token: "$(cat "$run/pki/token")"}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
Y
  )
}

up() {
  if [ -r "$run/base" ] && all_alive; then env; return; fi
  "$here/build.sh" cluster >/dev/null
  down
  mkdir -p "$run"
  keys
  local base etcd
  base=$(free_block 5)
  echo "$base" >"$run/base"
  etcd=http://127.0.0.1:$((base + 1))
  start etcd --name test --data-dir "$run/etcd" --unsafe-no-fsync --log-level error \
    --listen-client-urls "$etcd" --advertise-client-urls "$etcd" --listen-peer-urls "http://127.0.0.1:$((base + 2))" \
    --initial-advertise-peer-urls "http://127.0.0.1:$((base + 2))" --initial-cluster "test=http://127.0.0.1:$((base + 2))"
  await etcd 30 curl -fsS --noproxy '*' "$etcd/health"
  start kube-apiserver --etcd-servers "$etcd" --bind-address 127.0.0.1 --secure-port "$base" --advertise-address 127.0.0.1 \
    --endpoint-reconciler-type none --cert-dir "$run/pki" --service-cluster-ip-range 10.213.0.0/24 \
    --authorization-mode Node,RBAC --token-auth-file "$run/pki/tokens.csv" --allow-privileged \
    --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$run/pki/accounts.key" \
    --service-account-signing-key-file "$run/pki/accounts.key" --kubelet-preferred-address-types InternalIP \
    --kubelet-client-certificate "$run/pki/kubelets.crt" --kubelet-client-key "$run/pki/kubelets.key"
  await kube-apiserver 180 test -s "$run/pki/apiserver.crt"
  kubeconfig "$base"
  await kube-apiserver 180 kc get --raw /readyz
  start kube-controller-manager --kubeconfig "$config" --bind-address 127.0.0.1 --secure-port $((base + 3)) \
    --cert-dir "$run/pki-controllers" --leader-elect=false --use-service-account-credentials \
    --service-account-private-key-file "$run/pki/accounts.key" --root-ca-file "$run/pki/apiserver.crt"
  await kube-controller-manager 180 kc -n default get serviceaccount default
  definitions
  if [ -n "${KUBE_OWNER:-}" ]; then
    KUBE_RUN=$run setsid "$here/cluster.sh" follow "$KUBE_OWNER" "$(cat "$run/etcd.pid")" >/dev/null 2>&1 </dev/null &
  fi
  env
}

# definitions installs those of KEDA, prometheus-operator and external-secrets from their modules, and Strimzi's.
definitions() {
  local f module
  unpacked() { GOWORK=off GOFLAGS=-mod=readonly "${GO:-go}" -C "$here/crds" mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'; }
  {
    kc kustomize "$(unpacked github.com/kedacore/keda/v2)/config/crd"
    module=$(unpacked github.com/prometheus-operator/prometheus-operator)
    for f in podmonitors prometheusrules; do echo ---; cat "$module/example/prometheus-operator-crd/monitoring.coreos.com_$f.yaml"; done
    module=$(unpacked github.com/external-secrets/external-secrets)
    for f in externalsecrets clustersecretstores; do echo ---; cat "$module/config/crds/bases/external-secrets.io_$f.yaml"; done
    echo ---
    cat "$here/crds/strimzi.yaml"
  } >"$run/definitions.yaml"
  kc apply --server-side -f "$run/definitions.yaml" >/dev/null
  kc wait --for=condition=Established --timeout=60s -f "$run/definitions.yaml" >/dev/null
}

all_alive() { local p; for p in "${programs[@]}"; do alive "$p" || return 1; done; }
env() { echo "KUBECONFIG=$config"; }
down() {
  local p
  for p in "${programs[@]}"; do stop "$p"; done
  rm -rf "$run"
}

# follow OWNER PID ends the cluster after its owner; PID tells it from a later one in the same place.
follow() {
  while [ "$(cat "$run/etcd.pid" 2>/dev/null)" = "$2" ]; do
    kill -0 "$1" 2>/dev/null || { down; return 0; }
    sleep 1
  done
}

case ${1:-} in
up) up ;;
kubectl) shift; exec "$bin/kubectl" --kubeconfig "$config" "$@" ;;
env) env ;;
down) down ;;
follow) follow "$2" "$3" ;;
*) sed -n '2,/^set -/p' "$0" | sed '$d; s/^# \{0,1\}//'; exit 2 ;;
esac
