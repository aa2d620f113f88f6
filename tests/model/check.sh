#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs the model of crash.pml through spin(1): as it is, and no property may break; then with one
# rule left out at a time, and one must. So a rule that protects from nothing is found out, and so
# is a property that cannot fail.
#
#   check.sh           in small bounds, well under a minute
#   check.sh --long    in larger ones too, which takes some minutes and 3 GiB
#
# Ends with 77, a skip for meson, where spin or gcc is not there.
set -u
source=$(cd "$(dirname "$0")" && pwd)
failures=0

case ${1-} in
'' | --long) form=${1-} ;;
*) echo "usage: check.sh [--long]" >&2; exit 2 ;;
esac
for tool in spin gcc; do
        command -v $tool >/dev/null || {
                echo "The model is not checked: there is no $tool (tools/packages test installs it)"
                exit 77
        }
done

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
trap 'exit 99' INT TERM
cp "$source"/*.pml "$work" && cd "$work" || exit 99

# Without partial order reduction, which spin does not promise for "unless".
build() { # assertions or liveness, -D of the model
        kind=$1
        shift
        spin -a "$@" crash.pml >spin.log 2>&1 || { cat spin.log; exit 1; }
        set -- -DNFAIR=3
        [ $kind = liveness ] || set -- -DSAFETY -DNOCLAIM
        gcc -O1 -w -DNOREDUCE -DMEMLIM=16000 "$@" -o pan pan.c || exit 1
}

search() { # property
        property=$1
        case $property in
        assertions) ./pan -E -m100000 >log 2>&1 ;;
        *) ./pan -a -f -m100000 -N "$property" >log 2>&1 ;;
        esac
        states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' log)
}

# What was found, in words; nothing: pan ended in a way that says nothing about the model.
error() {
        case $(grep -m1 '^pan:1: ' log) in
        *'assertion violated'*tree*) echo 'a sidecar is there twice' ;;
        *'assertion violated'*'owed[k]==0'*) echo 'an exit is dropped uncounted' ;;
        *'assertion violated'*'owed[k]==generation'*) echo 'an exit is counted twice' ;;
        *'assertion violated'*stopped*) echo 'a spawn after the stop' ;;
        *'acceptance cycle'*)
                case $property in
                no_orphan) echo 'what nobody wants runs for ever' ;;
                no_lost_exit) echo 'an exit is never counted' ;;
                no_lost_goal) echo 'what is wanted never runs' ;;
                esac
                ;;
        esac
}

report() { # verdict, what
        printf '%-9s %10s states  %s\n' "$1" "${states:-no}" "$2"
}

right() { # bounds in words, property, of the current build
        search "$2"
        if grep -q 'errors: 0$' log && ! grep -qE 'not completed|depth too small' log; then
                report holds "$2, $1"
        else
                report 'NOT RIGHT' "$2, $1: $(error)"
                cat log
                ./pan -r -N "$2"
                failures=$((failures + 1))
        fi
}

assertions_hold() { # bounds in words, -D of them
        title=$1
        shift
        build assertions "$@"
        right "$title" assertions
}

all_hold() { # bounds in words, -D of them
        title=$1
        assertions_hold "$@"
        shift
        build liveness "$@"
        for property in no_orphan no_lost_exit no_lost_goal; do
                right "$title" $property
        done
}

mutant() { # rule left out in words, its name, the property that breaks, -D of the bounds
        title=$1 name=$2 broken=$3
        shift 3
        kind=liveness
        [ "$broken" != assertions ] || kind=assertions
        build $kind "-D$name" "$@"
        search "$broken"
        found=$(error)
        if [ -n "$found" ]; then
                report caught "$title: $found"
        else
                report SURVIVED "$title"
                failures=$((failures + 1))
        fi
}

brain='-DMAXDEATHS=1 -DMAXKEEPERDEATHS=0'
both='-DMAXDEATHS=1 -DMAXKEEPERDEATHS=1 -DMAXCRASHES=0 -DMAXSTOPS=0'

# shellcheck disable=SC2086
{
        all_hold 'a brain dies' $brain
        all_hold 'a brain and a keeper die' $both
        if [ -z "$form" ]; then
                assertions_hold 'two brains die' -DMAXDEATHS=2 -DMAXKEEPERDEATHS=0
        else
                all_hold 'two brains die' -DMAXDEATHS=2 -DMAXKEEPERDEATHS=0
                assertions_hold 'three brains die, two crashes, two stops' \
                        -DMAXDEATHS=3 -DMAXKEEPERDEATHS=0 -DMAXCRASHES=2 -DMAXSTOPS=2
                all_hold 'a brain and a keeper die, a crash' \
                        -DMAXDEATHS=1 -DMAXKEEPERDEATHS=1 -DMAXSTOPS=0
                assertions_hold 'a brain and both keepers die, a crash' \
                        -DMAXDEATHS=1 -DMAXKEEPERDEATHS=2 -DMAXSTOPS=0
                assertions_hold 'two brains and a keeper die, a crash, a stop' -DMAXDEATHS=2
        fi
        mutant 'no lock' NO_LOCK assertions $both
        mutant 'SPAWN before the ledger' SPAWN_BEFORE_LEDGER assertions $brain
        mutant 'acknowledgement before the ledger' ACKNOWLEDGE_BEFORE_LEDGER assertions $brain
        mutant 'a dead brain'\''s socket read after the next one'\''s start' \
                START_BEFORE_DRAIN assertions $brain
        mutant 'no PDEATHSIG' NO_PDEATHSIG no_orphan $both
        mutant 'no sweep after a dead keeper' NO_SWEEP assertions $both
        mutant 'an answer before the ledger' ANSWER_BEFORE_LEDGER assertions $brain
        mutant 'a restart over what is left of a tree' RESTART_OVER_LEFTOVERS assertions $brain
        mutant 'an exit taken whatever the record says' COUNT_AGAIN assertions $brain
        mutant 'a record without an entry left as it is' NO_RESUME no_lost_goal $brain
        mutant 'a hold not taken up again' FORGET_HOLDER no_orphan $brain
        mutant 'a dead owner'\''s start obeyed' OBEY_THE_DEAD assertions $brain
}

exit $((failures > 0))
