/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Settle
 *
 * A stamp comes a moment after exec, and news of the daemon a moment after a stamp; so there is
 * no order in which to look, and it is looked again until all agree.
 */

#include <check.h>
#include <sys/pidfd.h>

#include "app-calls.h"
#include "deeds.h"
#include "flaws.h"
#include "history.h"
#include "lines.h"
#include "lives.h"
#include "settle.h"

#define LOOK_AGAIN_USEC (20 * USEC_PER_MSEC)

uint64_t settle_longest_usec;
char settle_longest_text[160];

/* The first difference in words; empty if there is none. */
typedef struct Difference {
        FlawKind kind;
        char text[sizeof(settle_longest_text)];
} Difference;

_printf_(3, 4) static bool differ(Difference *difference, FlawKind kind, const char *format, ...) {
        va_list arguments;

        difference->kind = kind;
        va_start(arguments, format);
        (void) vsnprintf(difference->text, sizeof(difference->text), format, arguments);
        va_end(arguments);
        return false;
}

static bool is_running(pid_t pid) {
        _cleanup_close_ int pidfd = pidfd_open(pid, 0);

        return pidfd >= 0 && !process_is_gone(pidfd, 0);
}

static bool compare_sidecar(size_t i, const char *state, pid_t pid, Difference *ret) {
        bool is_wanted = deeds_wanted() & (1u << i);
        const Life *life;

        if (!streq(state, is_wanted ? "Running/ready" : "Stopped/stopped") &&
            (is_wanted || !streq(state, "Stopped/inactive")))
                return differ(ret, is_wanted ? FLAW_LOST : FLAW_RESTARTED, "%s is %s, and is %s",
                              sidecars[i].name, state, is_wanted ? "wanted" : "not wanted");

        lives_read(&sidecars[i]);
        life = lives_current(&sidecars[i]);
        if ((life ? life->pid : 0) != pid)
                return differ(ret, FLAW_DOUBLED, "%s is pid %d to the daemon, and %d by its stamps",
                              sidecars[i].name, (int) pid, life ? (int) life->pid : 0);
        if (life && life->is_to_exit)
                return differ(ret, FLAW_EXIT_CODE, "%s, pid %d, was told to exit, and lives on",
                              sidecars[i].name, (int) pid);
        if (life && !is_running(pid))
                return differ(ret, FLAW_LOST, "%s, pid %d, was killed", sidecars[i].name,
                              (int) pid);

        return true;
}

static bool compare_sidecars(World *w, Difference *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *id, *name, *status, *sub_state, *path;
        bool is_same = true;
        uint32_t pid;
        size_t n = 0;

        ck_assert_int_ge(
                world_call(w, WORLD_PATH, "Manager", "ListSidecars", NULL, &reply, "a{sv}", 0), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "(ssssuo)"), 0);
        while (is_same && sd_bus_message_read(reply, "(ssssuo)", &id, &name, &status, &sub_state,
                                              &pid, &path) > 0) {
                char state[64];

                (void) snprintf(state, sizeof(state), "%s/%s", status, sub_state);
                /* Behind four letters is the number. */
                is_same = compare_sidecar((size_t) atoi(name + 4), state, (pid_t) pid, ret);
                n++;
        }

        return is_same && (n == N_SIDECARS || differ(ret, FLAW_LOST, "%zu sidecars are known", n));
}

static bool compare_mode(World *w, Difference *ret) {
        _cleanup_free_ char *mode = app_text(w, "Mode"), *result = app_text(w, "ModeResult");

        return (streq(mode, deeds_mode()) && streq(result, "done")) ||
               differ(ret, FLAW_LOST, "the mode is %s (%s), and should be %s", mode, result,
                      deeds_mode());
}

/* One a{sv} of Holds. */
static void read_hold(sd_bus_message *reply, char owner[static 64], uint32_t *ret_pid) {
        const char *key, *text;

        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                ck_assert_int_gt(sd_bus_message_read(reply, "s", &key), 0);
                if (streq(key, "owner")) {
                        ck_assert_int_gt(sd_bus_message_read(reply, "v", "s", &text), 0);
                        (void) snprintf(owner, 64, "%s", text);
                } else if (streq(key, "pid"))
                        ck_assert_int_gt(sd_bus_message_read(reply, "v", "u", ret_pid), 0);
                else
                        ck_assert_int_gt(sd_bus_message_skip(reply, "v"), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }
}

static bool compare_holds(World *w, Difference *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        size_t n = 0;

        ck_assert_int_ge(sd_bus_get_property(w->bus, WORLD_BUS_NAME, WORLD_PATH,
                                             WORLD_BUS_NAME ".Manager", "Holds", NULL, &reply,
                                             "aa{sv}"),
                         0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "a{sv}"), 0);
        for (; sd_bus_message_enter_container(reply, 'a', "{sv}") > 0; n++) {
                char owner[64] = "";
                uint32_t pid = 0;

                read_hold(reply, owner, &pid);
                if (!deeds_hold_stands(w, owner, (pid_t) pid))
                        return differ(ret, FLAW_HOLD, "%s (pid %u) holds no more, and is listed",
                                      owner, pid);
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }

        return n == deeds_count_holds() ||
               differ(ret, FLAW_HOLD, "%zu holds are listed, %zu stand", n, deeds_count_holds());
}

bool settle(World *w) {
        uint64_t began_at = clock_monotonic_usec(), took;
        Difference difference = { 0 };

        while (!compare_holds(w, &difference) || !compare_mode(w, &difference) ||
               !compare_sidecars(w, &difference)) {
                if (clock_monotonic_usec() > began_at + WORLD_PATIENCE) {
                        flaw(difference.kind, "%s", difference.text);
                        return false;
                }
                history_read(w, LOOK_AGAIN_USEC);
                deeds_turn_until(w, 0);
        }

        took = clock_monotonic_usec() - began_at;
        if (took > settle_longest_usec) {
                settle_longest_usec = took;
                (void) snprintf(settle_longest_text, sizeof(settle_longest_text), "%s",
                                difference.text);
        }

        history_read(w, 0);
        lines_follow(w);
        for (size_t i = 0; i < N_SIDECARS; i++) {
                lives_asks_done(&sidecars[i], true);
                lives_check(&sidecars[i]);
        }
        return true;
}
