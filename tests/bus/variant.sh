#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs a bus test in another world: where no cgroup is writable, or as an ordinary user. Trees are
# then held by guardians, and the test insists on it. Needs root, else it is skipped (exit 77).
#
#   variant.sh read-only-cgroups|ordinary-user COMMAND...
set -eu

variant=$1
shift
[ "$(id -u)" = 0 ] || { echo "Skipped: only root can make this world"; exit 77; }
export SIDECARD_TEST_CONTAINMENT=reaper

case $variant in
read-only-cgroups)
    # A hybrid system has several mounts, and a read-only one above them does not cover them.
    # shellcheck disable=SC2016
    exec unshare --mount --propagation private sh -eu -c '
        for mount in $(findmnt --noheadings --raw --output TARGET --types cgroup,cgroup2); do
            mount -o remount,bind,ro "$mount"
        done
        exec "$@"' sh "$@"
    ;;

ordinary-user)
    setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$1" ||
        { echo "Skipped: nobody cannot reach $1"; exit 77; }
    exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
    ;;

*)
    echo "No such variant: $variant" >&2
    exit 2
    ;;
esac
