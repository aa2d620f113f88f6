#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The generators of GLib and of Qt take the interface files; where GLib's headers are, what comes out
# compiles too. Exits 77 where one of the generators is missing.
#
#   generators.sh gdbus|qt DBUS
set -eu

needs() {
        command -v "$1" >/dev/null || { echo "Skipped: no $1"; exit 77; }
}

dir=$(mktemp -d "${TMPDIR:-/tmp}/sidecard-generators-XXXXXX")
trap 'rm -rf "$dir"' EXIT

# has WORD FILE: a generator that makes nothing of its input exits with 0 as well.
has() {
        grep -q "$1" "$2" || { echo "FAILED: no $1 in what was made of the XML"; exit 1; }
}

case $1 in
gdbus)
        needs gdbus-codegen
        gdbus-codegen --generate-c-code "$dir/sidecard" --c-namespace Sidecard \
                --interface-prefix org.sidecard.Sidecars1. "$2"/org.sidecard.Sidecars1.*.xml
        has sidecard_manager_call_hold_sync "$dir/sidecard.h"
        has sidecard_app_call_set_mode_sync "$dir/sidecard.h"
        has sidecard_sidecar_call_open_log_sync "$dir/sidecard.h"
        if pkg-config --exists gio-unix-2.0; then
                gcc -Werror -c $(pkg-config --cflags gio-unix-2.0) -o "$dir/sidecard.o" "$dir/sidecard.c"
                echo "and it compiles"
        fi
        ;;
qt)
        needs qdbusxml2cpp
        for interface in App Manager Sidecar; do
                for side in -p -a; do
                        qdbusxml2cpp $side "$dir/$interface$side" "$2/org.sidecard.Sidecars1.$interface.xml"
                        has "org.sidecard.Sidecars1.$interface" "$dir/$interface$side.h"
                done
        done
        has 'SetMode(const QString &mode, const QVariantMap &options)' "$dir/App-p.h"
        ;;
esac
