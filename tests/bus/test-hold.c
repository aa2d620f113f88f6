/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Holds, from outside: contract H1 to H5 and the limit of A6. What is up is asked of the kernel
 * by pidfds; that something is not brought down is seen over a span in which it would have been.
 */

#include <string.h>

#include "app-calls.h"
#include "test.h"

/* Wanted by itself: one and two; by name only: three, which takes one with it. */
#define TRIO                                                               \
        "'one': {'command': ['@CHILDREN@/sleeper']},"                      \
        "'two': {'command': ['@CHILDREN@/sleeper']},"                      \
        "'three': {'command': ['@CHILDREN@/sleeper'], 'autoStart': false," \
        " 'dependsOn': {'one': 'ready'}}"

/* A whole desktop may freeze for that long, and nothing of an app is to go for it. */
#define FREEZE (3 * USEC_PER_SEC)
#define BUS_FREEZE (5 * USEC_PER_SEC)

/* Long enough to take over from who has died, and less than the span in which it is seen. */
#define TAKE_OVER (5 * USEC_PER_SEC)

/* Long enough that a release which is to come would have come. */
#define SPAN (300 * USEC_PER_MSEC)

static void setup(void) {
        world_setup();
        world_write_sidecars(world, TRIO);
        world_run(world);
}

static bool is_up(const char *name) {
        return startswith(world_state(world, name), "Running/");
}

static bool is_down(const char *name) {
        return startswith(world_state(world, name), "Stopped/");
}

START_TEST(h1_the_first_hold_starts_and_the_last_one_ends_all) {
        sd_bus *first = client_open(world), *second = client_open(world);
        int one, two;

        client_hold(first, NULL);
        app_wait_ready(world);
        ck_assert(is_up("one") && is_up("two") && is_down("three"));
        one = world_open_main(world, "one");
        two = world_open_main(world, "two");

        client_hold(second, NULL);
        ck_assert_uint_eq(app_count_holds(world), 2);
        client_release(first);
        ck_assert_uint_eq(app_count_holds(world), 1);
        ck_assert(!process_is_gone(one, SPAN) && !process_is_gone(two, 0));
        ck_assert_int_eq(world_count(world, "one", "Starting/spawning"), 1);

        client_release(second);
        ck_assert(process_is_gone(one, WORLD_PATIENCE) && process_is_gone(two, WORLD_PATIENCE));
        ck_assert_str_eq(world_next(world, "one", "Stopped/stopped")->reason_code, "owner-gone");
        sd_bus_close_unref(first);
        sd_bus_close_unref(second);
}
END_TEST

START_TEST(h1_the_reply_comes_when_the_goal_is_set) {
        sd_bus *client = client_open(world);

        client_hold(client, NULL);
        /* S7: no call after it finds it as it was before. */
        ck_assert(!is_down("one") && !is_down("two"));
        sd_bus_close_unref(client);
}
END_TEST

START_TEST(h1_release_without_a_hold_does_nothing) {
        sd_bus *holder = client_open(world), *other = client_open(world);
        int pidfd;

        client_release(other);
        client_hold(holder, NULL);
        app_wait_ready(world);
        pidfd = world_open_main(world, "one");
        client_release(other);
        ck_assert_uint_eq(app_count_holds(world), 1);
        ck_assert(!process_is_gone(pidfd, SPAN));
        sd_bus_close_unref(holder);
        sd_bus_close_unref(other);
}
END_TEST

START_TEST(h4_one_is_up_while_some_hold_wants_it) {
        sd_bus *first = client_open(world), *second = client_open(world);
        int one, three;

        client_hold(first, "one");
        client_hold(second, "three");
        app_wait_ready(world);
        ck_assert(is_up("one") && is_up("three") && is_down("two"));
        one = world_open_main(world, "one");
        three = world_open_main(world, "three");

        /* three depends on it */
        client_release(first);
        ck_assert(!process_is_gone(one, SPAN));
        client_hold(first, "one");
        client_release(second);
        ck_assert(process_is_gone(three, WORLD_PATIENCE));
        ck_assert(!process_is_gone(one, SPAN));
        client_release(first);
        ck_assert(process_is_gone(one, WORLD_PATIENCE));
        sd_bus_close_unref(first);
        sd_bus_close_unref(second);
}
END_TEST

START_TEST(h4_holding_again_adds_and_drops_and_touches_nothing_else) {
        sd_bus *client = client_open(world);
        int one, two;

        client_hold(client, "one,two");
        app_wait_ready(world);
        one = world_open_main(world, "one");
        two = world_open_main(world, "two");

        client_hold(client, "three");
        ck_assert_uint_eq(app_count_holds(world), 1);
        ck_assert(process_is_gone(two, WORLD_PATIENCE));
        app_wait_ready(world);
        ck_assert(is_up("three"));
        ck_assert(!process_is_gone(one, SPAN));

        client_hold(client, "");
        ck_assert(process_is_gone(one, WORLD_PATIENCE));
        ck_assert_uint_eq(app_count_holds(world), 1);
        sd_bus_close_unref(client);
}
END_TEST

START_TEST(h4_holding_again_revives_nothing_that_a_user_stopped) {
        sd_bus *first = client_open(world), *second = client_open(world);

        client_hold(first, NULL);
        app_wait_ready(world);
        world_stop(world, "one");

        client_hold(first, NULL);
        client_hold(second, NULL);
        client_hold(first, "one,two");
        ck_assert(is_down("one") && is_up("two"));
        ck_assert_uint_eq(world_count(world, "one", "Starting/spawning"), 1);
        sd_bus_close_unref(first);
        sd_bus_close_unref(second);
}
END_TEST

START_TEST(h4_a_new_life_of_the_app_begins_anew) {
        sd_bus *client = client_open(world);

        client_hold(client, NULL);
        app_wait_ready(world);
        world_stop(world, "one");
        client_release(client);
        client_hold(client, NULL);
        app_wait_ready(world);
        ck_assert(is_up("one") && is_up("two"));
        sd_bus_close_unref(client);
}
END_TEST

START_TEST(h4_a_hold_that_is_dropped_before_it_is_ready_ends_there) {
        sd_bus *client = client_open(world);

        for (size_t i = 0; i < 20; i++) {
                client_hold(client, NULL);
                client_release(client);
        }
        (void) app_wait(world, "stopped", NULL);
        ck_assert(is_down("one") && is_down("two") && is_down("three"));
        sd_bus_close_unref(client);
}
END_TEST

START_TEST(h5_start_needs_no_hold_and_is_bound_once_somebody_holds) {
        sd_bus *client = client_open(world);
        int three;

        (void) world_start_ready(world, "three");
        three = world_open_main(world, "three");
        client_hold(client, "two");
        client_hold(client, "");
        ck_assert(!process_is_gone(three, SPAN));
        client_release(client);
        ck_assert(process_is_gone(three, WORLD_PATIENCE));
        sd_bus_close_unref(client);
}
END_TEST

START_TEST(h2_the_end_of_the_connection_is_the_end_of_the_hold) {
        sd_bus *client = client_open(world);
        int pidfd;

        client_hold(client, NULL);
        app_wait_ready(world);
        pidfd = world_open_main(world, "one");
        sd_bus_close_unref(client);
        ck_assert(process_is_gone(pidfd, WORLD_PATIENCE));
        ck_assert_uint_eq(app_count_holds(world), 0);
}
END_TEST

/* What it has sent, and that it has gone, is on its way to the daemon before what we say next. */
static void await_end_of(const char *unique_name) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;
        int has_owner = 1;

        while (has_owner) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

                ck_assert_msg(clock_monotonic_usec() < deadline, "%s does not go", unique_name);
                ck_assert_int_ge(sd_bus_call_method(world->bus, "org.freedesktop.DBus",
                                                    "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                                    "NameHasOwner", NULL, &reply, "s", unique_name),
                                 0);
                ck_assert_int_gt(sd_bus_message_read(reply, "b", &has_owner), 0);
        }
}

START_TEST(h2_a_connection_that_goes_right_after_the_call_leaves_nothing) {
        char names[20][32];

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                sd_bus *client = client_open(world);
                const char *name;
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *call =
                        client_new_hold(client, WORLD_APP, NULL, 0);

                ck_assert_int_ge(sd_bus_get_unique_name(client, &name), 0);
                (void) snprintf(names[i], sizeof(names[i]), "%s", name);
                ck_assert_int_ge(sd_bus_message_set_expect_reply(call, false), 0);
                ck_assert_int_ge(sd_bus_send(client, call, NULL), 0);
                sd_bus_flush_close_unref(client);
        }

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                await_end_of(names[i]);
        app_await_holds(world, 0);
        WORLD_AWAIT(world, is_down("one") && is_down("two"));
        ck_assert_uint_eq(app_count_holds(world), 0);
}
END_TEST

START_TEST(h2_a_holder_that_is_killed_takes_all_with_it) {
        Holder holder = holder_start(world, &(HolderSpec){ 0 });
        int one, two;

        app_wait_ready(world);
        one = world_open_main(world, "one");
        two = world_open_main(world, "two");
        holder_kill(&holder);
        ck_assert(process_is_gone(one, WORLD_PATIENCE) && process_is_gone(two, WORLD_PATIENCE));
        ck_assert_uint_eq(app_count_holds(world), 0);
}
END_TEST

START_TEST(h2_its_death_counts_even_if_a_child_keeps_the_connection) {
        Holder holder = holder_start(world, &(HolderSpec){ .leaves_socket = true });
        int pidfd;

        app_wait_ready(world);
        pidfd = world_open_main(world, "one");
        process_signal(holder.process.pidfd, SIGKILL);
        /* A zombie is dead: it is reaped only afterwards. */
        ck_assert(process_is_gone(pidfd, WORLD_PATIENCE));
        holder_await_line(&holder, "released");
        ck_assert_uint_eq(app_count_holds(world), 0);
        (void) process_reap(&holder.process);
        (void) close(holder.output_fd);
}
END_TEST

START_TEST(h3_a_holder_that_is_stopped_is_not_dead) {
        Holder holder = holder_start(world, &(HolderSpec){ 0 });
        int pidfd;

        app_wait_ready(world);
        pidfd = world_open_main(world, "one");
        process_signal(holder.process.pidfd, SIGSTOP);
        ck_assert(!process_is_gone(pidfd, FREEZE));
        process_signal(holder.process.pidfd, SIGCONT);
        ck_assert_uint_eq(app_count_holds(world), 1);
        ck_assert_uint_eq(world_count(world, "one", "Running/stopping"), 0);
        holder_kill(&holder);
        ck_assert(process_is_gone(pidfd, WORLD_PATIENCE));
}
END_TEST

START_TEST(h3_a_bus_that_is_stopped_is_nobody_s_death) {
        Holder holder = holder_start(world, &(HolderSpec){ 0 });
        sd_bus *client = client_open(world);
        int pidfd;

        client_hold(client, "three");
        app_wait_ready(world);
        pidfd = world_open_main(world, "one");
        process_signal(world->bus_daemon.pidfd, SIGSTOP);
        ck_assert(!process_is_gone(pidfd, BUS_FREEZE));
        process_signal(world->bus_daemon.pidfd, SIGCONT);

        ck_assert_uint_eq(app_count_holds(world), 2);
        ck_assert(is_up("one") && is_up("two") && is_up("three"));
        ck_assert(!process_is_gone(pidfd, 0));
        holder_kill(&holder);
        sd_bus_close_unref(client);
        ck_assert(process_is_gone(pidfd, WORLD_PATIENCE));
}
END_TEST

START_TEST(h2_a_death_is_seen_while_the_bus_is_stopped) {
        Holder holder = holder_start(world, &(HolderSpec){ 0 });
        int pidfd;

        app_wait_ready(world);
        pidfd = world_open_main(world, "one");
        process_signal(world->bus_daemon.pidfd, SIGSTOP);
        holder_kill(&holder);
        ck_assert(process_is_gone(pidfd, WORLD_PATIENCE));
        process_signal(world->bus_daemon.pidfd, SIGCONT);
        ck_assert_uint_eq(app_count_holds(world), 0);
}
END_TEST

START_TEST(linger_keeps_all_up_until_it_is_over) {
        Holder holder = holder_start(world, &(HolderSpec){ .linger_usec = 2 * USEC_PER_SEC });
        uint64_t killed_at;
        int pidfd;

        app_wait_ready(world);
        pidfd = world_open_main(world, "one");
        killed_at = clock_monotonic_usec();
        holder_kill(&holder);
        ck_assert(process_is_gone(pidfd, WORLD_PATIENCE));
        ck_assert_uint_ge(clock_monotonic_usec() - killed_at, 2 * USEC_PER_SEC);
        ck_assert_uint_eq(app_count_holds(world), 0);
}
END_TEST

START_TEST(linger_lets_a_successor_take_over_what_runs) {
        Holder holder = holder_start(world, &(HolderSpec){ .linger_usec = TAKE_OVER });
        sd_bus *successor = client_open(world);
        int pidfd;

        app_wait_ready(world);
        pidfd = world_open_main(world, "one");
        holder_kill(&holder);
        client_hold(successor, NULL);
        /* The first hold ends in this span, and not with a teardown. */
        ck_assert(!process_is_gone(pidfd, TAKE_OVER + USEC_PER_SEC));
        app_await_holds(world, 1);
        ck_assert(!process_is_gone(pidfd, 0));
        client_release(successor);
        ck_assert(process_is_gone(pidfd, WORLD_PATIENCE));
        sd_bus_close_unref(successor);
}
END_TEST

START_TEST(linger_does_not_count_for_a_release) {
        sd_bus *client = client_open(world);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call =
                client_new_hold(client, WORLD_APP, NULL, 10 * 60 * USEC_PER_SEC);
        int pidfd;

        ck_assert_int_ge(sd_bus_call(client, call, 0, NULL, NULL), 0);
        app_wait_ready(world);
        pidfd = world_open_main(world, "one");
        client_release(client);
        ck_assert(process_is_gone(pidfd, WORLD_PATIENCE));
        sd_bus_close_unref(client);
}
END_TEST

static void assert_refused(sd_bus_message *call, const char *error_name) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        ck_assert_int_lt(sd_bus_call(world->bus, call, 0, &error, NULL), 0);
        ck_assert_str_eq(error.name, error_name);
        sd_bus_message_unref(call);
        ck_assert_uint_eq(app_count_holds(world), 0);
}

START_TEST(what_cannot_be_held_is_refused_by_name) {
        _cleanup_free_ char *text = NULL;

        text = client_hold_in_vain(world->bus, "org.example.Nobody", WORLD_ERROR "NoSuchApp");
        ck_assert_msg(strstr(text, "org.example.Nobody"), "%s", text);
        assert_refused(client_new_hold(world->bus, WORLD_APP, "one,four", 0),
                       WORLD_ERROR "NoSuchSidecar");
        assert_refused(client_new_hold(world->bus, WORLD_APP, NULL, 10 * 60 * USEC_PER_SEC + 1),
                       SD_BUS_ERROR_INVALID_ARGS);
        ck_assert(is_down("one"));
}
END_TEST

START_TEST(an_app_with_a_broken_manifest_is_refused_with_the_place) {
        _cleanup_free_ char *text = NULL;

        world_write_manifest(world, "org.example.Broken",
                             "{'manifestVersion': 1, 'id': 'org.example.Broken', 'sidecars':"
                             " {'x': {'command': ['sleep'], 'stop': {'timeout': 'soon'}}}}");
        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "Reload", NULL, NULL, ""), 0);
        text = client_hold_in_vain(world->bus, "org.example.Broken", WORLD_ERROR "InvalidManifest");
        ck_assert_msg(startswith(text, "/sidecars/x/stop/timeout: "), "%s", text);
}
END_TEST

START_TEST(a6_the_257th_hold_is_one_too_many_and_nobody_else_notices) {
        static const char *const apps[] = { "org.limit.A", "org.limit.B", "org.limit.C",
                                            "org.limit.D" };
        _cleanup_free_ char *text = NULL;
        sd_bus *clients[64];
        int pidfd;

        for (size_t i = 0; i < ELEMENTSOF(apps); i++) {
                char manifest[256];

                (void) snprintf(manifest, sizeof(manifest),
                                "{'manifestVersion': 1, 'id': '%s', 'sidecars':"
                                " {'x': {'command': ['@CHILDREN@/sleeper'], 'autoStart': false}}}",
                                apps[i]);
                world_write_manifest(world, apps[i], manifest);
        }
        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "Reload", NULL, NULL, ""), 0);

        /* The bus of the test allows less connections than there can be holds. */
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        pidfd = world_open_main(world, "one");
        for (size_t i = 0; i < 255; i++) {
                if (i % ELEMENTSOF(apps) == 0)
                        clients[i / ELEMENTSOF(apps)] = client_open(world);
                ck_assert_int_ge(client_try_hold(clients[i / ELEMENTSOF(apps)],
                                                 apps[i % ELEMENTSOF(apps)], NULL, NULL),
                                 0);
        }

        ck_assert_uint_eq(app_count_holds(world), 256);
        text = client_hold_in_vain(clients[63], apps[3], WORLD_ERROR "LimitsExceeded");
        ck_assert_uint_eq(app_count_holds(world), 256);
        ck_assert(!process_is_gone(pidfd, 0));

        /* To hold again is no further hold, and one that goes makes room. */
        ck_assert_int_ge(client_try_hold(clients[63], apps[2], "x", NULL), 0);
        client_release(world->bus);
        ck_assert_int_ge(client_try_hold(clients[63], apps[3], NULL, NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                sd_bus_close_unref(clients[i]);
        app_await_holds(world, 0);
}
END_TEST

START_TEST(a6_a_reason_is_no_novel) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        char reason[1026];

        memset(reason, 'x', sizeof(reason) - 1);
        reason[1025] = '\0';
        ck_assert_int_lt(world_call(world, WORLD_PATH, "Manager", "Hold", &error, NULL, "ssa{sv}",
                                    WORLD_APP, reason, 0),
                         0);
        ck_assert_str_eq(error.name, WORLD_ERROR "LimitsExceeded");
        reason[1024] = '\0';
        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "Hold", NULL, NULL, "ssa{sv}",
                                    WORLD_APP, reason, 0),
                         0);
}
END_TEST

TEST_MAIN_TIMEOUT("hold",
                  120,
                  setup,
                  world_teardown,
                  h1_the_first_hold_starts_and_the_last_one_ends_all,
                  h1_the_reply_comes_when_the_goal_is_set,
                  h1_release_without_a_hold_does_nothing,
                  h4_one_is_up_while_some_hold_wants_it,
                  h4_holding_again_adds_and_drops_and_touches_nothing_else,
                  h4_holding_again_revives_nothing_that_a_user_stopped,
                  h4_a_new_life_of_the_app_begins_anew,
                  h4_a_hold_that_is_dropped_before_it_is_ready_ends_there,
                  h5_start_needs_no_hold_and_is_bound_once_somebody_holds,
                  h2_the_end_of_the_connection_is_the_end_of_the_hold,
                  h2_a_connection_that_goes_right_after_the_call_leaves_nothing,
                  h2_a_holder_that_is_killed_takes_all_with_it,
                  h2_its_death_counts_even_if_a_child_keeps_the_connection,
                  h3_a_holder_that_is_stopped_is_not_dead,
                  h3_a_bus_that_is_stopped_is_nobody_s_death,
                  h2_a_death_is_seen_while_the_bus_is_stopped,
                  linger_keeps_all_up_until_it_is_over,
                  linger_lets_a_successor_take_over_what_runs,
                  linger_does_not_count_for_a_release,
                  what_cannot_be_held_is_refused_by_name,
                  an_app_with_a_broken_manifest_is_refused_with_the_place,
                  a6_the_257th_hold_is_one_too_many_and_nobody_else_notices,
                  a6_a_reason_is_no_novel)
