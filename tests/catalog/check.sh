#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# journalctl compiles the catalog, into a root of its own, and has a text for every id that the
# daemon logs, and for no other.
#
# check.sh SOURCE
set -eu
command -v journalctl >/dev/null || { echo 'Skipped: there is no journalctl'; exit 77; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/usr/lib/systemd/catalog" "$root/var/lib/systemd/catalog"
cp "$1/units/sidecard.catalog" "$root/usr/lib/systemd/catalog/"
journalctl --root="$root" --update-catalog

sed -n 's/^#define MESSAGE_.* "\([0-9a-f]\{32\}\)"$/\1/p' "$1/src/core/message-ids.h" |
        sort >"$root/logged"
[ "$(wc -l <"$root/logged")" -ge 5 ] || { echo 'the ids were not found' >&2; exit 1; }
journalctl --root="$root" --list-catalog | cut -d' ' -f1 | sort >"$root/told"
diff "$root/logged" "$root/told"

while read -r id; do
        journalctl --root="$root" --dump-catalog "$id" >"$root/text"
        # A subject and a text, in which there is something to do or the word that there is not.
        grep -q '^Subject: .' "$root/text"
        tr '\n' ' ' <"$root/text" | grep -qE '    (sidecarctl|df) |there is nothing to do' ||
                { cat "$root/text"; exit 1; }
done <"$root/logged"
