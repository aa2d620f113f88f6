#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Shows that the simulation can fail: breaks a copy of the lifecycle, or of the brain around it,
# one rule at a time, and wants each broken one caught. A mutant that sed no longer makes, or that
# does not compile, is a failure of this script: it is then to be written anew.
#
# mutants.sh ROOT LIBMODEL LIBUTIL [CFLAGS...]; CC names the compiler.
set -u
root=$1 libmodel=$2 libutil=$3
shift 3
: "${CC:=cc}"
histories=20000
seed=1
survivors=0
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

compile() { # source, object, flags
        source=$1 object=$2
        shift 2
        $CC -std=gnu11 -D_GNU_SOURCE -O1 "$@" -I"$root/src" -I"$root/tests" -c "$source" -o "$object"
}

simulate() { # the mutated object, flags; the libraries fill in what is not mutated
        object=$1 brain=$work/brain.o
        shift
        [ "${object##*/}" != mutated-brain.o ] || brain=
        # shellcheck disable=SC2086
        $CC "$@" "$work/judge.o" "$work/judge-replay.o" "$work/judge-rest.o" \
                "$work/sim-lifecycle.o" "$work/world.o" $brain "$object" \
                "$libmodel" "$libutil" -lm -o "$work/sim" || return 99
        "$work/sim" --seed $seed --histories $histories >"$work/log"
}

for part in brain judge judge-replay judge-rest sim-lifecycle world; do
        compile "$root/tests/sim/$part.c" "$work/$part.o" "$@" || exit 99
done

flags=$*
mutant() { # what is broken, module, sed script
        # shellcheck disable=SC2086
        set -- "$1" "$2" "$3" $flags
        title=$1 module=$2 script=$3
        shift 3
        original=$root/src/model/$module.c mutated=$work/mutated-$module
        [ "$module" != brain ] || original=$root/tests/sim/brain.c
        sed "$script" "$original" >"$mutated.c" || exit 1
        if cmp -s "$original" "$mutated.c" && [ -n "$script" ]; then
                echo "NOT MADE  $title"
                exit 1
        fi
        compile "$mutated.c" "$mutated.o" "$@" || exit 1
        simulate "$mutated.o" "$@"
        result=$?
        if [ -z "$script" ]; then
                [ $result -eq 0 ] || { echo "NOT CLEAN $title"; cat "$work/log"; exit 1; }
        elif [ $result -eq 1 ]; then
                echo "caught    $title: $(sed -n 's/^broken: //p' "$work/log")"
        else
                echo "SURVIVED  $title"
                survivors=$((survivors + 1))
        fi
}

in_function() { # name, sed command
        printf '%s' "/^\\([A-Za-z][A-Za-z ]* \\)\\?$1(/,/^}/ { $2; }"
}

mutant 'nothing (the control)' lifecycle ''

mutant 'the next start does not wait for the empty tree' lifecycle \
        "$(in_function lifecycle_on_exit 's/PROCESS_GONE/PROCESS_NONE/')"
mutant 'exec is taken for ready' lifecycle 's/!has_probe(l) && !is_ending(l)/!is_ending(l)/'
mutant 'a late answer makes ready what is ending' lifecycle \
        's/!= PROCESS_RUNNING || is_ending(l))/!= PROCESS_RUNNING)/'
mutant 'a failure stays ready' lifecycle "$(in_function fail '/l->ready = false/d')"
mutant 'a failure is not ended' lifecycle 's/l->doomed = l->process != PROCESS_NONE/l->doomed = false/'
mutant 'attempts do not count' restart 's/n_before >= spec->attempts/n_before > UINT32_MAX - 1/'
mutant 'one attempt too many' restart 's/n_before >= spec->attempts/n_before > spec->attempts/'
mutant 'maxDelay does not limit' restart 's/delay > limit/delay < 0/'
mutant 'the delay does not grow' restart 's/delay \*= spec->factor/delay *= 1/'
mutant 'the jitter is too wide' restart 's/spec->jitter \* position/spec->jitter * position * 1.5/'
mutant 'success is restarted by on-failure' restart 's/ended_well && spec->policy/!ended_well \&\& spec->policy/'
mutant 'memory that ran out is told as a signal' lifecycle \
        "$(in_function cause_of_exit 's/l->oom_limit != 0/false/')"
mutant 'memory that ran out is told of the next one' lifecycle \
        "$(in_function lifecycle_did_spawn '/oom_limit = 0/d')"
mutant 'a long life is not forgiven' lifecycle 's/^        forgive(l, now);//'
mutant 'success before ready is success' lifecycle 's/ && !cause.before_ready//'
mutant 'the start timeout is forgotten' lifecycle 's/now >= start_deadline(l)/false/'
mutant 'a stop keeps the backoff' lifecycle "$(in_function lifecycle_stop '/backoff = false/d')"
mutant 'a stop keeps the goal' lifecycle "$(in_function lifecycle_stop '/goal = GOAL_DOWN/d')"
mutant 'a stop keeps the counters' lifecycle "$(in_function lifecycle_stop '/forget_failures/d')"
mutant 'a start keeps Failed' lifecycle "$(in_function lifecycle_start '/failed = false/d')"
mutant 'a start cuts a backoff short' lifecycle \
        "$(in_function lifecycle_start 's/if (!was_down)/if (!was_down \&\& !l->backoff)/')"
mutant 'a start takes over what is stopping' lifecycle \
        "$(in_function lifecycle_start 's/l->restart = .*/l->restart = false;/')"
mutant 'a restart does not end the old one' lifecycle \
        "$(in_function lifecycle_restart 's/l->restart = .*/l->restart = false;/')"
mutant 'a restart waits for the backoff' lifecycle \
        "$(in_function lifecycle_restart '/backoff = false/d')"
mutant 'nothing is ever killed' lifecycle 's/STEP_TERM_REST : STEP_KILL_TREE/STEP_TERM_REST : STEP_WAIT/'
mutant 'the rest has no grace' lifecycle 's/REST_GRACE_USEC (1/REST_GRACE_USEC (0/'
mutant 'the main process has no grace' lifecycle 's/now + l->spec->stop_timeout_usec/now/'
mutant 'the kill of one stop strikes the next' lifecycle \
        "$(in_function lifecycle_on_empty '/kill = false/d')"
mutant 'an ending goes on in the next one' lifecycle \
        "$(in_function lifecycle_on_empty '/end_stage = END_NONE/d')"
mutant 'a failed exec is counted after its timeout' lifecycle \
        's/was_ending = is_ending(l);$/was_ending = is_asked_to_end(l);/'
mutant 'a failed fork is waited for' lifecycle \
        "$(in_function lifecycle_on_spawn_failed '/lifecycle_on_empty/d')"
mutant 'a finer state is not announced' lifecycle 's/ || step.sub_state != l->sub_state//'
mutant 'spawning is announced with the old number' lifecycle \
        's/step.sub_state == SUB_STATE_SPAWNING)/step.sub_state == l->sub_state)/'
mutant 'a wait outlives what was called off' lifecycle 's/WAIT_FOR_READY && !is_down)/WAIT_FOR_READY)/'
mutant 'Failed is not settled' lifecycle 's/ || (l->failed && l->goal == GOAL_UP)//'
mutant 'a start during a stop is promised the old number' lifecycle \
        's/is_up ? l->generation : l->next_generation/l->generation/'
mutant 'what is blocked is spawned' lifecycle 's/^        else if (is_waiting(l))/        else if (false)/'
mutant 'a pause never ends' lifecycle "$(in_function lifecycle_on_time 's/l->backoff = false//')"
mutant 'a failed dependency is waited for' lifecycle \
        "$(in_function lifecycle_on_dependency_failed '/give_up/d; s/if (is_waiting(l))//')"
mutant 'a failed dependency ends a backoff' lifecycle \
        "$(in_function lifecycle_on_dependency_failed 's/is_waiting(l)/l->blocked/')"
mutant 'a stop does not wait for what depends on it' lifecycle \
        "$(in_function is_end_held 's/l->end_blocked/false/')"
mutant 'a kill waits for what depends on it' lifecycle "$(in_function is_end_held 's/!l->kill/true/')"
mutant 'a restart waits for what depends on it' lifecycle \
        "$(in_function is_end_held 's/l->goal == GOAL_DOWN/true/')"
mutant 'a stop is held half way' lifecycle "$(in_function is_end_held 's/l->end_stage == END_NONE/true/')"
mutant 'leftovers wait for what depends on them' lifecycle \
        "$(in_function is_end_held 's/l->process != PROCESS_GONE/true/')"
mutant 'health is not checked' lifecycle \
        "$(in_function next_of_ready 's/probe->kind == PROBE_NONE/true/')"
mutant 'health is checked at once' lifecycle "$(in_function become_ready '/probe_at =/d')"
mutant 'health is checked without a pause' lifecycle "$(in_function on_health_check '/probe_at =/d')"
mutant 'an answer forgives no misses' lifecycle 's/alive ? 0 : l->n_misses + 1/l->n_misses + !alive/'
mutant 'misses outlive their generation' lifecycle "$(in_function become_ready '/n_misses = 0/d')"
mutant 'one miss too many' lifecycle 's/n_misses >= liveness->failures/n_misses > liveness->failures/'
mutant 'unhealthy is told as ready' lifecycle 's/is_unhealthy(l) ? SUB_STATE_UNHEALTHY : //'
mutant 'misses are no failure' lifecycle 's/bool sick = is_unhealthy(l)/bool sick = false/'
mutant 'misses that are only to be told are a failure' lifecycle 's/ && l->spec->liveness.restart//'

# What a brain leaves to the next one.
mutant 'an order is sent before it is recorded' brain "$(in_function do_spawn '/write_down/d')"
mutant 'an end is acknowledged before it is recorded' brain \
        "$(in_function brain_take_news \
                '/acknowledge/d; s/if (note_news/acknowledge(history, news->kind); &/')"
mutant 'what a turn has come to is not recorded' brain "$(in_function brain_converge '/write_down/d')"
mutant 'a status is told before it is recorded' brain "$(in_function announce '/write_down/d')"
mutant 'a status is recorded before it is told' brain \
        "$(in_function announce 's/judge_see_told/write_down(history); if (brain_dies(history)) return; &/')"
mutant 'that an exit is to be told is not recorded' brain '/Note, exit_is_news/d'
mutant 'that an exit was told is recorded too late' brain \
        "$(in_function announce \
                '/exit_is_news = false/d; s/write_down.*/& brain->exit_is_news = false;/')"
mutant 'the end of a process is taken twice' brain \
        "$(in_function is_had 's/ || life->process == PROCESS_NONE//')"
mutant 'a start that reached nobody is waited for' brain \
        "$(in_function on_nothing_there '/lifecycle_on_never_spawned/d')"
mutant 'a start that reached nobody has used its number up' lifecycle-fields \
        "$(in_function lifecycle_on_never_spawned 's/if (!was_stopping)/if (false)/')"
mutant 'a start that reached nobody takes back a promise' lifecycle-fields \
        "$(in_function lifecycle_on_never_spawned 's/if (!was_stopping)//')"
mutant 'a start that reached somebody is taken back' brain \
        "$(in_function resume 's/if (n == 0)/lifecycle_on_never_spawned(\&history->brain.life); &/')"
mutant 'what is told again is acted upon while it is told' brain \
        "$(in_function is_had 's/life->process != PROCESS_REQUESTED/false/')"
mutant 'what has become of others meanwhile is not asked' brain \
        "$(in_function resume '/note_others/d')"
mutant 'the probe of a dead brain is waited for' brain \
        "$(in_function brain_start 's/lifecycle_on_adopted.*/& history->brain.life.probing = true;/')"
mutant 'the next brain does not probe at once' lifecycle-fields \
        "$(in_function lifecycle_on_adopted 's/probe_at = now/probe_at = UINT64_MAX/')"
mutant 'a pause is over with its brain' lifecycle-fields \
        "$(in_function lifecycle_on_adopted 's/l->probing = false;/& l->retry_at = now;/')"
mutant 'the grace of a stop is over with its brain' lifecycle-fields \
        "$(in_function lifecycle_on_adopted 's/l->probing = false;/& l->end_stage_until = now;/')"
mutant 'the start timeout begins anew with each brain' lifecycle-fields \
        "$(in_function lifecycle_on_adopted 's/l->probing = false;/& l->started_at = now;/')"
for field in restart kill ready oom_limit backoff exited next_generation n_in_a_row retry_at \
        end_stage end_stage_until killed_at sub_state; do
        mutant "$field is not recorded" lifecycle-fields "/Lifecycle, $field,/d"
done
mutant 'the cause is not recorded' lifecycle-fields '/Lifecycle, cause,/d'
mutant 'two facts share a tag' lifecycle-fields 's/RECORD_FIELD(12,/RECORD_FIELD(11,/'

exit $((survivors > 0))
