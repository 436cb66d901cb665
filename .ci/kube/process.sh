# Sourced: programs in the background, by name. Wants $bin, where they are, and $run, where their numbers and logs go.

die() { echo "${0##*/}: $*" >&2; exit 1; }

# alive NAME: the number may belong to somebody else by now, so the file it runs is looked at.
alive() {
  local pid
  pid=$(cat "$run/$1.pid" 2>/dev/null) || return 1
  [ "$(readlink "/proc/$pid/exe" 2>/dev/null)" = "$(readlink -f "$bin/$1")" ]
}

# start NAME ARGS…
start() {
  local name=$1
  shift
  alive "$name" && return
  setsid "$bin/$name" "$@" >"$run/$name.log" 2>&1 </dev/null &
  echo $! >"$run/$name.pid"
}

stop() {
  local _
  if alive "$1"; then
    kill "$(cat "$run/$1.pid")"
    for _ in $(seq 100); do alive "$1" || break; sleep 0.1; done
    if alive "$1"; then kill -9 "$(cat "$run/$1.pid")"; fi
  fi
  rm -f "$run/$1.pid"
}

# await NAME SECONDS COMMAND…: until the command succeeds; fails when the program ends or the time is over.
await() {
  local name=$1 end=$((SECONDS + $2))
  shift 2
  sleep 0.1 # the file that it runs is known only after the program has begun
  until "$@" >/dev/null 2>&1; do
    alive "$name" || { tail -n 20 "$run/$name.log" >&2; die "$name has ended"; }
    [ $SECONDS -lt $end ] || { tail -n 20 "$run/$name.log" >&2; die "$name is not ready"; }
    sleep 0.2
  done
}

is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_block N prints the first of N ports in a row that nothing listens on.
free_block() {
  local base p
  for base in $(seq 16443 20 19000); do
    for p in $(seq "$base" $((base + $1 - 1))); do is_open "$p" && continue 2; done
    echo "$base"
    return
  done
  die "no free ports"
}
