/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lives
 *
 * Each sidecar has a file of its own, so the order of the stamps in it is that of the events, and
 * no clock has to be trusted for it.
 */

#include <check.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>

#include "flaws.h"
#include "lives.h"
#include "process.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/strv.h"
#include "world.h"

Lives sidecars[N_SIDECARS];

void lives_open(Lives *lives, const char *folder, const char *name) {
        char path[256];

        *lives = (Lives){ 0 };
        (void) snprintf(lives->name, sizeof(lives->name), "%s", name);
        (void) snprintf(path, sizeof(path), "%s/stamps-%s", folder, name);
        lives->stamps = fopen(path, "w+e");
        ck_assert_msg(lives->stamps, "%s: %s", path, strerror(errno));
}

void lives_close(Lives *lives) {
        if (lives->stamps)
                (void) fclose(lives->stamps);
        free(lives->lives);
        free(lives->asks);
        *lives = (Lives){ 0 };
}

Life *lives_current(const Lives *lives) {
        Life *last = lives->n_lives > 0 ? &lives->lives[lives->n_lives - 1] : NULL;

        return last && last->ended_usec == 0 ? last : NULL;
}

Life *lives_find(const Lives *lives, uint64_t generation) {
        for (size_t i = lives->n_lives; i-- > 0;)
                if (lives->lives[i].generation == generation)
                        return &lives->lives[i];

        return NULL;
}

static void on_start(Lives *lives, uint64_t generation, pid_t pid, uint64_t usec) {
        const Life *former = lives->n_lives > 0 ? &lives->lives[lives->n_lives - 1] : NULL;

        if (former && former->ended_usec == 0)
                flaw(FLAW_DOUBLED,
                     "%s: generation %" PRIu64 " (pid %d) starts, and %" PRIu64
                     " (pid %d) has not ended by itself",
                     lives->name, generation, (int) pid, former->generation, (int) former->pid);
        if (former && generation <= former->generation)
                flaw(FLAW_DOUBLED, "%s: generation %" PRIu64 " starts after %" PRIu64, lives->name,
                     generation, former->generation);

        lives->lives = reallocarray(lives->lives, lives->n_lives + 1, sizeof(Life));
        ck_assert_ptr_nonnull(lives->lives);
        lives->lives[lives->n_lives++] = (Life){
                .generation = generation,
                .pid = pid,
                .began_usec = usec,
        };
}

static void on_end(Lives *lives, uint64_t generation, uint64_t usec, const char *rest) {
        Life *life = lives_find(lives, generation);
        char why[8];

        ck_assert_msg(life && life->ended_usec == 0, "%s: generation %" PRIu64 " ends twice",
                      lives->name, generation);
        ck_assert_int_eq(sscanf(rest, " %7s %d %" SCNu64 " %" SCNu64, why, &life->code,
                                &life->n_lines[0], &life->n_lines[1]),
                         4);
        life->ended_usec = usec;
        life->was_told = streq(why, "told");
        life->is_counted = true;
}

static void on_quiet(Lives *lives, uint64_t generation, const char *rest) {
        Life *life = lives_find(lives, generation);

        ck_assert_ptr_nonnull(life);
        ck_assert_int_eq(
                sscanf(rest, " %" SCNu64 " %" SCNu64, &life->n_lines[0], &life->n_lines[1]), 2);
        life->is_counted = true;
}

static void read_stamp(Lives *lives, const char *line) {
        uint64_t generation, usec;
        char word[8];
        int pid, n;

        ck_assert_msg(sscanf(line, "%7s %" SCNu64 " %d %" SCNu64 "%n", word, &generation, &pid,
                             &usec, &n) == 4,
                      "A stamp of %s: %s", lives->name, line);
        if (streq(word, "start"))
                on_start(lives, generation, pid, usec);
        else if (streq(word, "end"))
                on_end(lives, generation, usec, line + n);
        else
                on_quiet(lives, generation, line + n);
}

void lives_read(Lives *lives) {
        char line[256];

        clearerr(lives->stamps);
        while (fgets(line, sizeof(line), lives->stamps)) {
                if (!strchr(line, '\n')) {
                        /* Where a page of the file ends, half of a write may be seen. */
                        ck_assert_int_eq(fseek(lives->stamps, -(long) strlen(line), SEEK_CUR), 0);
                        break;
                }
                read_stamp(lives, line);
        }
}

void lives_ask_end(Lives *lives, uint64_t since_usec, bool may_be_late) {
        lives->asks = reallocarray(lives->asks, lives->n_asks + 1, sizeof(Ask));
        ck_assert_ptr_nonnull(lives->asks);
        lives->asks[lives->n_asks++] = (Ask){
                .began_usec = since_usec,
                .may_be_late = may_be_late,
        };
}

void lives_asks_done(Lives *lives, bool all) {
        for (size_t i = 0; i < lives->n_asks; i++)
                if (lives->asks[i].done_usec == 0 && (all || !lives->asks[i].may_be_late))
                        lives->asks[i].done_usec = clock_monotonic_usec();
}

void lives_ask_answered(Lives *lives) {
        lives->asks[lives->n_asks - 1].is_owed = true;
}

/* The one that began first, of those since then that reach into the life after before_usec. */
static Ask *
find_ask(const Lives *lives, uint64_t since_usec, uint64_t before_usec, uint64_t ended_usec) {
        for (size_t i = 0; i < lives->n_asks; i++) {
                Ask *ask = &lives->asks[i];

                if (!ask->is_spent && ask->began_usec > since_usec &&
                    ask->began_usec < ended_usec &&
                    (ask->done_usec == 0 || ask->done_usec > before_usec))
                        return ask;
        }

        return NULL;
}

/*
 * An older one is looked for last: it may be a restart that died with the brain, or one of two that
 * asked for the same end.
 */
static void check_end(Lives *lives, size_t i) {
        const Life *life = &lives->lives[i];
        uint64_t before = i > 0 ? life[-1].ended_usec : 0;
        Ask *ask;

        if (life->was_told)
                return;

        ask = find_ask(lives, life->ended_usec - LIVES_STOP_TIMEOUT_USEC, before, life->ended_usec);
        if (!ask && (ask = find_ask(lives, 0, before, life->ended_usec)))
                flaw(FLAW_STOP,
                     "%s: generation %" PRIu64 " was asked to stop by the timeout alone, %.1f s "
                     "later",
                     lives->name, life->generation,
                     (double) (life->ended_usec - ask->began_usec) / USEC_PER_SEC);
        if (!ask)
                flaw(FLAW_RESTARTED, "%s: generation %" PRIu64 " got a SIGTERM, and nobody asked",
                     lives->name, life->generation);
        else
                ask->is_spent = true;
}

static void check_owed(Lives *lives) {
        const Life *life = lives_current(lives);

        for (size_t i = 0; i < lives->n_asks; i++)
                if (TAKE(lives->asks[i].is_owed, false) && life &&
                    life->began_usec < lives->asks[i].began_usec)
                        flaw(FLAW_STOP,
                             "%s: generation %" PRIu64 " lives on, and the request to end it was "
                             "answered",
                             lives->name, life->generation);
}

void lives_check(Lives *lives) {
        size_t n_told = 0;

        check_owed(lives);

        for (; lives->n_ends_checked < lives->n_lives; lives->n_ends_checked++)
                if (lives->lives[lives->n_ends_checked].ended_usec > 0)
                        check_end(lives, lives->n_ends_checked);
                else
                        break;

        for (size_t i = 0; i < lives->n_lives; i++)
                n_told += lives->lives[i].was_told;
        if (lives->n_lives > lives->n_wishes + n_told) {
                flaw(FLAW_RESTARTED, "%s: %zu starts, of %zu wishes and %zu exits", lives->name,
                     lives->n_lives, lives->n_wishes, n_told);
                /* Told once. */
                lives->n_wishes = lives->n_lives - n_told;
        }
}

bool lives_command(Lives *lives, int command, int value) {
        Life *life = lives_current(lives);
        uint64_t generation = life ? life->generation : 0;
        siginfo_t info = {
                .si_signo = command,
                .si_code = SI_QUEUE,
                .si_value.sival_int = value,
        };
        _cleanup_close_ int pidfd = life ? pidfd_open(life->pid, 0) : -1;

        if (pidfd < 0)
                return false;

        /* It had not ended after the pid was looked up: so the descriptor is its own. */
        lives_read(lives);
        life = lives_current(lives);
        if (!life || life->generation != generation)
                return false;

        info.si_pid = getpid();
        info.si_uid = getuid();
        if (pidfd_send_signal(pidfd, command, &info, 0) < 0)
                return false;

        life->is_to_exit = life->is_to_exit || command == NUMBERER_EXIT;
        return true;
}

void lives_make_quiet(void) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;

        for (size_t i = 0; i < N_SIDECARS; i++)
                (void) lives_command(&sidecars[i], NUMBERER_PACE, NUMBERER_QUIET);
        for (size_t i = 0; i < N_SIDECARS; i++)
                while (lives_read(&sidecars[i]),
                       lives_current(&sidecars[i]) && !lives_current(&sidecars[i])->is_counted) {
                        ck_assert_msg(clock_monotonic_usec() < deadline, "%s does not get quiet",
                                      sidecars[i].name);
                        (void) poll(NULL, 0, 1);
                }
}
