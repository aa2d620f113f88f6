#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# sidecard --check, as sidecarctl and packagers see it: the words of the corpus behind the name of
# the file, the schedule of restarts, and the exit code.
#
# check.sh SIDECARD SOURCE
set -eu
sidecard=$(realpath "$1")
cd "$2/tests/manifests"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
        echo "$1" >&2
        exit 1
}

"$sidecard" --check good/*.json >"$work/said" || fail 'a good manifest was refused'
[ ! -s "$work/said" ] || fail 'there was something to say of good manifests'

# The corpus writes an empty pointer as ": :"; whoever reads a line of output is spared that.
set --
for folder in bad/*; do
        file=$folder/org.example.App.json
        set -- "$@" "$file"
        sed "s|^|$file:|; s|: : |: |" "$folder/expected"
done >"$work/expected"
code=0
"$sidecard" --check "$@" >"$work/said" || code=$?
[ $code -eq 1 ] || fail "wrong manifests, and exit code $code"
diff "$work/expected" "$work/said" || fail 'not what the corpus says'

# One that is wrong does not hide those behind it, nor does it keep them from being good.
code=0
"$sidecard" --check --verbose "$work/absent" good/ai.xgen.App.json >"$work/said" || code=$?
[ $code -eq 1 ] || fail "a file that is not there, and exit code $code"
cat >"$work/expected" <<END
$work/absent: No such file or directory
xgen-embedding: 500ms, 1s, 2s, 4s, 8s (+-10%), then Failed
xgen-workflow: 500ms, 1s, 2s, 4s, 8s (+-10%), then Failed
END
diff "$work/expected" "$work/said" || fail 'not the schedule'

"$sidecard" --check 2>/dev/null && fail 'nothing to check is no success'
"$sidecard" good/ai.xgen.App.json 2>/dev/null && fail 'a file without --check is no success'
exit 0
