#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A story through clients that nobody here wrote: busctl and gdbus look around, start a sidecar,
# wait for it, read it, watch it and stop it. On a bus of its own; exits 77 where one is missing.
#
#   clients.sh SIDECARD-INIT CHILDREN
set -eu

for program in busctl gdbus dbus-run-session; do
    command -v "$program" > /dev/null || { echo "Skipped: no $program"; exit 77; }
done

name=org.sidecard.Sidecars1
root=/org/sidecard/Sidecars1
web=$root/app/org_2eexample_2eApp/web

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# expect TEXT COMMAND...: the output has the text.
expect() {
    local text=$1 output
    shift
    output=$("$@" 2>&1) || fail "$* exits with $?: $output"
    case $output in
    *"$text"*) echo "ok: $*" ;;
    *) fail "no \"$text\" from $*: $output" ;;
    esac
}

# Reads a watcher's lines until one has the text; the other end closes if the watcher dies.
await() {
    local line
    while IFS= read -r -t 60 line <&7; do
        case $line in *"$1"*) echo "seen: $1"; return ;; esac
    done
    fail "never seen: $1"
}

inside() {
    setpriv --pdeathsig KILL "$1" 2> "$dir/daemon.log" &
    daemon=$!
    gdbus wait --session --timeout 60 "$name"

    expect "$name.Manager" busctl --user --no-pager introspect "$name" "$root"
    expect "StatusChanged" gdbus introspect --session --dest "$name" --object-path "$web"
    expect "$web" busctl --user --no-pager tree "$name"
    expect 's "Stopped"' busctl --user get-property "$name" "$web" "$name.Sidecar" Status

    mkfifo "$dir/watch"
    setpriv --pdeathsig KILL gdbus monitor --session --dest "$name" > "$dir/watch" &
    watcher=$!
    exec 7< "$dir/watch"
    await "is owned by"

    expect "t " busctl --user call "$name" "$web" "$name.Sidecar" Start 'a{sv}' 0
    expect "'Running'" gdbus call --session --dest "$name" --object-path "$web" \
        --method "$name.Sidecar.Wait" ready 0 0
    await "StatusChanged"
    expect "http://127.0.0.1:" busctl --user get-property "$name" "$web" "$name.Sidecar" Endpoint
    expect "Running" busctl --user call "$name" "$root" "$name.Manager" ListSidecars 'a{sv}' 0
    expect "listening" gdbus call --session --dest "$name" --object-path "$web" \
        --method "$name.Sidecar.GetLog" '{"after": <uint64 0>, "wait-usec": <uint64 20000000>}'
    expect "()" gdbus call --session --dest "$name" --object-path "$web" \
        --method "$name.Sidecar.Stop" '{}'
    expect 's' busctl --user call "$name" "$web" "$name.Sidecar" Wait stt stopped 0 0
    expect 's "Stopped"' busctl --user get-property "$name" "$web" "$name.Sidecar" Status

    kill -TERM "$daemon"
    wait "$daemon" || fail "the daemon exits with $?"
    kill "$watcher"
    exec 7<&-
    ! wait "$watcher"
}

if [ "$1" = --inside ]; then
    inside "$2"
    exit 0
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/sidecard-clients-XXXXXX")
trap 'cat "$dir/daemon.log"; rm -rf "$dir"' EXIT
export dir HOME="$dir/home" XDG_RUNTIME_DIR="$dir/run" XDG_DATA_HOME="$dir/data" \
    XDG_STATE_HOME="$dir/state" XDG_CONFIG_HOME="$dir/config" XDG_DATA_DIRS="$dir/share"
mkdir -m 700 "$HOME" "$XDG_RUNTIME_DIR"
mkdir -p "$XDG_DATA_HOME/sidecard/apps"
: > "$dir/daemon.log"

cat > "$dir/session.conf" <<F
<busconfig><type>session</type><auth>EXTERNAL</auth><listen>unix:path=$dir/run/bus</listen>
<policy context="default"><allow user="*"/><allow own="*"/>
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/></policy></busconfig>
F
cat > "$XDG_DATA_HOME/sidecard/apps/org.example.App.json" <<F
{ "manifestVersion": 1, "id": "org.example.App", "sidecars": {
    "web": { "command": ["$2/http-server", "{port}"], "port": "auto" } } }
F
dbus-run-session --config-file="$dir/session.conf" -- "$0" --inside "$1"
