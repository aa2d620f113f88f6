#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs a command as a Flatpak app would run it: behind xdg-dbus-proxy, which sits in bubblewrap with
# a /.flatpak-info. The service on the bus sees the pid of the proxy, and the id of the app in
# /proc/PID/root/.flatpak-info. With "-" for the id there is the proxy and no sandbox: the same way
# to the bus for a caller of the host.
#
#   sandboxed.sh APP-ID|- BUS-NAME COMMAND...
set -u

app=$1 name=$2
shift 2
dir=$(mktemp -d "${TMPDIR:-/tmp}/sandboxed-XXXXXX")
trap 'rm -rf "$dir"' EXIT
mkfifo "$dir/ready"

confine=()
if [ "$app" != - ]; then
    cat > "$dir/info" <<F
[Application]
name=$app
runtime=runtime/org.freedesktop.Platform/x86_64/22.08

[Instance]
instance-id=4711
session-bus-proxy=true
F
    confine=(bwrap --dev-bind /dev /dev --ro-bind "$dir/info" /.flatpak-info --die-with-parent)
    for folder in usr etc lib lib64 bin tmp run home var proc sys; do
        [ ! -e "/$folder" ] || confine+=(--bind "/$folder" "/$folder")
    done
fi

setpriv --pdeathsig KILL "${confine[@]}" xdg-dbus-proxy --fd=9 "$DBUS_SESSION_BUS_ADDRESS" \
    "$dir/bus" --filter "--talk=$name" 9> "$dir/ready" &
# A byte says that the proxy listens; it lives for as long as this end is open.
exec 8< "$dir/ready"
head -c 1 <&8 > /dev/null

DBUS_SESSION_BUS_ADDRESS="unix:path=$dir/bus" "$@" 8<&-
result=$?
exec 8<&-
wait
exit $result
