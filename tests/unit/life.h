/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Life
 *
 * One Lifecycle, a clock that stands still until it is told, and a driver that does what core
 * does: settle() does all steps up to the next wait, and answers them as text, such as
 * "spawn Starting/spawning". Jitter is off: delays are exact.
 */

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "model/lifecycle.h"
#include "spec.h"

#define ROLL 0u
#define FIRST_GENERATION 7

static SidecarSpec spec;
static Lifecycle life;
static uint64_t now;
static uint64_t asleep_until; /* as the last settle() ended */

static inline void life_setup(void) {
        spec = spec_make();
        spec.restart.jitter = 0;
        now = USEC_PER_HOUR;
        lifecycle_init(&life, &spec, FIRST_GENERATION);
}

static inline void do_step(const Step *step, char *text) {
        static const char *const words[] = {
                [STEP_SPAWN] = "spawn",    [STEP_PROBE] = "probe",    [STEP_SIGNAL_MAIN] = "main",
                [STEP_TERM_REST] = "rest", [STEP_KILL_TREE] = "kill",
        };

        if (step->kind == STEP_ANNOUNCE)
                sprintf(text, "%s/%s ", status_to_string(step->status),
                        sub_state_to_string(step->sub_state));
        else if (step->is_liveness)
                sprintf(text, "check ");
        else
                sprintf(text, "%s ", words[step->kind]);

        if (step->kind == STEP_ANNOUNCE)
                lifecycle_did_announce(&life, step);
        else if (step->kind == STEP_SPAWN)
                lifecycle_did_spawn(&life, &spec, now);
        else if (step->kind == STEP_PROBE)
                lifecycle_did_probe(&life);
        else
                lifecycle_did_end_step(&life, step->kind, now);
}

/* The steps that were due, space between them; borrowed until the next call. */
static inline const char *settle(void) {
        static char text[512];
        size_t n = 0;
        Step step;

        for (;;) {
                lifecycle_on_time(&life, now, ROLL);
                step = lifecycle_next(&life, now);
                if (step.kind == STEP_WAIT)
                        break;
                ck_assert_uint_lt(n, sizeof(text) - 64);
                do_step(&step, text + n);
                n += strlen(text + n);
        }

        asleep_until = step.until;
        text[n > 0 ? n - 1 : 0] = '\0';
        return text;
}

static inline const char *pass(uint64_t usec) {
        now += usec;
        return settle();
}

static inline const char *start(void) {
        lifecycle_start(&life);
        return settle();
}

static inline const char *stop(void) {
        lifecycle_stop(&life, REASON_REQUESTED, false);
        return settle();
}

static inline const char *restart(void) {
        lifecycle_restart(&life);
        return settle();
}

static inline const char *fork_main(void) {
        lifecycle_on_forked(&life, now);
        return settle();
}

static inline const char *exec_main(void) {
        lifecycle_on_exec(&life, now);
        return settle();
}

static inline const char *probe(bool alive) {
        lifecycle_on_probe(&life, alive, now);
        return settle();
}

static inline const char *block(bool blocked) {
        lifecycle_set_blocked(&life, blocked);
        return settle();
}

static inline const char *block_end(bool end_blocked) {
        lifecycle_set_end_blocked(&life, end_blocked);
        return settle();
}

static inline const char *fail_dependency(void) {
        lifecycle_on_dependency_failed(&life);
        return settle();
}

static inline const char *end_main(int code, int status) {
        lifecycle_on_exit(&life, code, status, now, ROLL);
        return settle();
}

static inline const char *empty_tree(void) {
        lifecycle_on_empty(&life);
        return settle();
}

static inline const char *fail_spawn(ReasonCode code, int error, bool permanent) {
        Cause cause = { .code = code, .exit_code = -1, .error = error };

        lifecycle_on_spawn_failed(&life, &cause, permanent, now, ROLL);
        return settle();
}

/* How far a life is, for tests that begin in the middle of one. */
typedef enum Far {
        FAR_INACTIVE,
        FAR_REQUESTED,
        FAR_FORKED,
        FAR_PROBING,
        FAR_READY,
        FAR_STOPPING,
        FAR_LEFTOVERS, /* stopping, and the main process has ended */
        FAR_BACKOFF_LEFTOVERS,
        FAR_BACKOFF,
        FAR_FAILED_LEFTOVERS,
        FAR_FAILED,
        FAR_STOPPED,
        _FAR_MAX,
} Far;

static inline void go_to_ready(void) {
        (void) start();
        (void) fork_main();
        (void) exec_main();
        (void) probe(true);
}

static inline void go(Far far) {
        life_setup();
        if (far >= FAR_FAILED_LEFTOVERS && far <= FAR_FAILED)
                spec.restart.policy = RESTART_POLICY_NO;

        if (far >= FAR_REQUESTED)
                (void) start();
        if (far >= FAR_FORKED)
                (void) fork_main();
        if (far >= FAR_PROBING)
                (void) exec_main();
        if (far >= FAR_READY)
                (void) probe(true);
        if (far == FAR_STOPPING || far == FAR_LEFTOVERS || far == FAR_STOPPED)
                (void) stop();
        if (far >= FAR_LEFTOVERS)
                (void) end_main(CLD_EXITED, 1);
        if (far == FAR_BACKOFF || far == FAR_FAILED || far == FAR_STOPPED)
                (void) empty_tree();
}
