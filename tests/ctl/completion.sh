#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What bash completes on a line of sidecarctl, with names of a real daemon, and that it starts none
# where there is none. zsh and fish read their files, where they are installed.
#
#   completion.sh SIDECARCTL SIDECARD-INIT COMPLETIONS
set -eu

for program in busctl dbus-run-session; do
        command -v "$program" >/dev/null || { echo "Skipped: no $program"; exit 77; }
done

completes() { # LINE EXPECTED: the cursor is at the end of the line
        local line=$1 expected=$2 shown

        read -ra COMP_WORDS <<<"${line//=/ = }" # as readline splits it
        [[ $line != *' ' ]] || COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
        _sidecarctl || true
        shown=${COMPREPLY[*]}
        if [[ $shown == "$expected" ]]; then
                echo "ok - \"$line\" gives \"$shown\""
        else
                echo "not ok - \"$line\" gives \"$shown\", not \"$expected\""
                exit 1
        fi
}

is_there() {
        busctl --user --no-pager status org.sidecard.Sidecars1 >/dev/null 2>&1
}

if [ "${1-}" = --on-a-bus ]; then # from below, no option for callers
        PATH=$(dirname "$2"):$PATH
        # Only readline knows what this is for.
        compopt() { :; }
        . "$4/sidecarctl.bash"

        completes 'sidecarctl st' 'status start stop'
        completes 'sidecarctl daemon ' 'ping upgrade'
        completes 'sidecarctl logs --o' '--output=short --output=cat --output=json'
        completes 'sidecarctl logs --output=' 'short cat json'
        completes 'sidecarctl logs --output=c' 'cat'
        completes 'sidecarctl logs -o c' 'cat'
        completes 'sidecarctl kill -s USR' 'USR1 USR2'
        completes 'sidecarctl run --' '--color --help --timeout='
        completes 'sidecarctl start ' ''
        ! is_there || { echo "not ok - a completion starts no daemon"; exit 1; }

        sidecarctl --timeout=60s daemon ping >/dev/null
        brain=$(busctl --user call org.freedesktop.DBus / org.freedesktop.DBus \
                GetConnectionUnixProcessID s org.sidecard.Sidecars1)
        keeper=$(ps -o ppid= -p "${brain#u }" | tr -d " ")
        completes 'sidecarctl start ' 'org.example.One org.example.One/api org.example.One/db org.example.Two org.example.Two/web'
        completes 'sidecarctl start org.example.One/' 'org.example.One/api org.example.One/db'
        completes 'sidecarctl kill org.example.T' 'org.example.Two/web'
        completes 'sidecarctl list ' 'org.example.One org.example.Two'
        completes 'sidecarctl mode org.example.Two ' 'all none'
        completes 'sidecarctl version ' ''
        kill "$keeper"
        tail --pid="$keeper" -f /dev/null
        exit 0
fi

home=$(mktemp -d "${TMPDIR:-/tmp}/sidecard-completion-XXXXXX")
trap 'rm -rf "$home"' EXIT
apps=$home/share/sidecard/apps
services=$home/services/dbus-1/services
mkdir -p "$apps" "$home/run" "$services"
chmod 700 "$home/run"
cat >"$services/org.sidecard.Sidecars1.service" <<-END
[D-BUS Service]
Name=org.sidecard.Sidecars1
Exec=$2
END
cat >"$apps/org.example.One.json" <<-'END'
{ "manifestVersion": 1, "id": "org.example.One", "sidecars": {
    "api": { "command": ["sleep", "1000"] }, "db": { "command": ["sleep", "1000"] } } }
END
cat >"$apps/org.example.Two.json" <<-'END'
{ "manifestVersion": 1, "id": "org.example.Two", "modes": { "all": { "sidecars": ["web"] },
  "none": { "sidecars": [] } }, "defaultMode": "all",
  "sidecars": { "web": { "command": ["sleep", "1000"] } } }
END

env HOME="$home" XDG_RUNTIME_DIR="$home/run" XDG_DATA_HOME="$home/share" XDG_DATA_DIRS="$home/services" \
        XDG_STATE_HOME="$home/state" dbus-run-session -- bash "$0" --on-a-bus "$@"

for shell in zsh:_sidecarctl fish:sidecarctl.fish; do
        command -v "${shell%%:*}" >/dev/null || continue
        "${shell%%:*}" -n "$3/${shell#*:}"
        echo "ok - ${shell%%:*} reads its file"
done
