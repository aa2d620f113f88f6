/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the person at the desktop is told of failures, by the Desktop Notifications Specification:
 * what and how often, when it goes, what a click does, and that a death of the brain changes none
 * of it.
 *
 * That something is not told is seen by what comes after it: a round tells all that there is, in
 * the order of their names.
 */

#include <string.h>

#include "app-calls.h"
#include "desktop.h"
#include "log-lines.h"
#include "test.h"

#define AGAIN "It is not started again by itself."
/* Never runs: without a probe it would, for a moment. */
#define BROKEN                                                                            \
        "{'command': ['/bin/sh', '-c', 'echo to no avail >&2; exit 3'], 'restart': 'no'," \
        " 'readiness': {'notify': true}}"
/* Fails until there is a file of that name, and is ready from then on. */
#define UNLESS(name)                                                                           \
        "{'command': ['/bin/sh', '-c', 'test -e @DIR@/" name " && exec sleep 1000; echo to no" \
        " avail >&2; exit 3'], 'restart': 'no'}"

static Desktop *desktop;

static void setup(void) {
        world_setup();
        desktop = desktop_new(world);
}

static void teardown(void) {
        world_teardown();
        desktop = desktop_free(desktop);
}

static void let_fail(const char *name) {
        (void) world_start(world, name);
        (void) world_next(world, name, "Failed/failed");
}

/* Fails, and is told of as the n-th. */
static const Shown *fail_as(const char *name, size_t n) {
        let_fail(name);
        return desktop_await(desktop, n);
}

static void await_closed(uint32_t id) {
        WORLD_AWAIT(world, desktop_was_closed(desktop, id));
}

/* The brain has what the answer to Notify says: it has read it before what comes now. */
static void let_the_answer_arrive(void) {
        ck_assert_int_ge(sd_bus_flush(world->bus), 0);
        free(world_get_text(world, "web", "Status"));
}

START_TEST(a_final_failure_is_told_with_why_and_what_comes_next) {
        const Shown *shown;

        world_write_file(world, "share/applications/" WORLD_APP ".desktop", 0644,
                         "[Desktop Entry]\nName=Example\nIcon=example-icon\n");
        world_write_manifest(world, WORLD_APP,
                             "{'manifestVersion': 1, 'id': '" WORLD_APP "', 'name': 'Example & Co',"
                             " 'sidecars': {'web': {'description': 'Local server', 'command':"
                             " ['/bin/sh', '-c', 'echo \\'Error: <b>no & never\\' >&2; exit 3'],"
                             " 'restart': 'no'}}}");
        world_run(world);
        shown = fail_as("web", 1);

        ck_assert_str_eq(shown->app_name, "Example & Co");
        ck_assert_str_eq(shown->icon, "example-icon");
        ck_assert_str_eq(shown->summary, "Example & Co: Local server has failed");
        ck_assert_msg(startswith(shown->body, "exited with code 3 after "), "%s", shown->body);
        ck_assert_msg(strstr(shown->body, ": Error: &lt;b&gt;no &amp; never\n" AGAIN), "%s",
                      shown->body);
        ck_assert_str_eq(shown->actions, "restart=Restart,log=Show log,");
        ck_assert_str_eq(shown->desktop_entry, WORLD_APP);
        ck_assert_str_eq(shown->category, "x-sidecard.sidecar.failed");
        ck_assert_int_eq(shown->urgency, 1);
        ck_assert_uint_eq(shown->replaces_id, 0);
}
END_TEST

START_TEST(a_backoff_is_told_to_nobody) {
        const Shown *shown;

        world_write_sidecars(world, "'web': {'command': ['/bin/sh', '-c', 'exit 3'], 'restart':"
                                    " {'attempts': 3, 'delay': '10ms', 'jitter': 0}}");
        world_run(world);
        shown = fail_as("web", 1);
        ck_assert_uint_eq(world_count(world, "web", "Starting/backoff"), 3);
        ck_assert_str_eq(shown->summary, WORLD_APP ": web has failed");
        ck_assert_str_eq(shown->icon, WORLD_APP);
        world_end(world);
        ck_assert_uint_eq(desktop->n_shown, 1);
}
END_TEST

START_TEST(a_new_failure_takes_the_place_of_the_old) {
        const Shown *first, *second;

        world_write_sidecars(world, "'web': " BROKEN);
        world_run(world);
        first = fail_as("web", 1);
        let_the_answer_arrive();
        second = fail_as("web", 2);
        ck_assert_uint_eq(second->replaces_id, first->id);
        ck_assert(!desktop_was_closed(desktop, first->id));
}
END_TEST

START_TEST(it_goes_when_the_sidecar_runs_or_is_stopped) {
        uint32_t id;

        world_write_sidecars(world, "'idle': " BROKEN ", 'web': " UNLESS("web"));
        world_run(world);
        id = fail_as("web", 1)->id;
        world_write_file(world, "web", 0644, "");
        (void) world_start_ready(world, "web");
        await_closed(id);

        id = fail_as("idle", 2)->id;
        world_stop(world, "idle");
        await_closed(id);
}
END_TEST

START_TEST(it_goes_with_the_daemon) {
        uint32_t id;

        world_write_sidecars(world, "'web': " BROKEN);
        world_run(world);
        id = fail_as("web", 1)->id;
        let_the_answer_arrive();
        world_end(world);
        await_closed(id);
}
END_TEST

START_TEST(a_click_starts_it_again) {
        uint32_t id;

        world_write_sidecars(world, "'web': " UNLESS("web"));
        world_run(world);
        id = fail_as("web", 1)->id;
        let_the_answer_arrive();
        world_write_file(world, "web", 0644, "");
        desktop_click(desktop, id, "restart");
        (void) world_next(world, "web", "Running/ready");
        await_closed(id);
}
END_TEST

/* A signal that is sent to one alone reaches it whatever it listens to. */
static void forge_click(sd_bus *bus, uint32_t id) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;

        ck_assert_int_ge(sd_bus_message_new_signal(bus, &signal, "/org/freedesktop/Notifications",
                                                   "org.freedesktop.Notifications",
                                                   "ActionInvoked"),
                         0);
        ck_assert_int_ge(sd_bus_message_append(signal, "us", id, "restart"), 0);
        ck_assert_int_ge(sd_bus_message_set_destination(signal, world->owner), 0);
        ck_assert_int_ge(sd_bus_send(bus, signal, NULL), 0);
        ck_assert_int_ge(sd_bus_flush(bus), 0);
}

START_TEST(clicks_of_strangers_and_on_others_are_not_heard) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *stranger = client_open(world);
        uint32_t id;

        world_write_sidecars(world, "'web': " BROKEN);
        world_run(world);
        id = fail_as("web", 1)->id;
        let_the_answer_arrive();
        forge_click(stranger, id);
        desktop_click(desktop, id + 1, "restart");
        desktop_click(desktop, id, "default");
        /* By the same way: it has been heard when this is answered. */
        ck_assert_int_ge(sd_bus_call_method(stranger, WORLD_BUS_NAME, WORLD_PATH,
                                            "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, ""),
                         0);
        let_the_answer_arrive();
        ck_assert_uint_eq(world_count(world, "web", "Starting/spawning"), 1);
        ck_assert_str_eq(world_state(world, "web"), "Failed/failed");
}
END_TEST

/* Its log is there before it: what it writes itself arrives in the file at some time. */
static char *begin_log(void) {
        char *path = world_get_text(world, "web", "LogPath");

        ck_assert(startswith(path, world->dir));
        world_write_file(world, path + strlen(world->dir) + 1, 0600, "of another time\n");
        return path;
}

START_TEST(a_click_opens_its_log) {
        uint32_t id;

        world_write_sidecars(world, "'web': " BROKEN);
        world_run(world);
        free(begin_log());
        id = fail_as("web", 1)->id;
        let_the_answer_arrive();
        desktop_click(desktop, id, "log");
        WORLD_AWAIT(world, desktop->opened != NULL);
        ck_assert_msg(startswith(desktop->opened, "of another time\n"), "%s", desktop->opened);
        ck_assert_ptr_null(desktop->uri);
}
END_TEST

START_TEST(without_a_portal_a_click_shows_where_its_log_is) {
        _cleanup_free_ char *path = NULL, *uri = NULL;
        uint32_t id;

        desktop->has_portal = false;
        world_write_sidecars(world, "'web': " BROKEN);
        world_run(world);
        path = begin_log();
        id = fail_as("web", 1)->id;
        let_the_answer_arrive();
        desktop_click(desktop, id, "log");
        WORLD_AWAIT(world, desktop->uri != NULL);
        ck_assert_int_gt(asprintf(&uri, "file://%s", path), 0);
        ck_assert_str_eq(desktop->uri, uri);
}
END_TEST

START_TEST(a_plain_server_gets_neither_actions_nor_markup) {
        const Shown *shown;

        desktop->capabilities = "body";
        world_write_sidecars(world,
                             "'web': {'command': ['/bin/sh', '-c', 'echo \\'a < b & c\\' >&2;"
                             " exit 3'], 'restart': 'no'}");
        world_run(world);
        shown = fail_as("web", 1);
        ck_assert_str_eq(shown->actions, "");
        ck_assert_msg(strstr(shown->body, ": a < b & c\n" AGAIN), "%s", shown->body);
}
END_TEST

START_TEST(where_there_is_no_log_none_is_offered) {
        world_write_sidecars(world, "'web': {'command': ['@DIR@/nowhere']}");
        world_run(world);
        free(world_start_in_vain(world, "web", WORLD_ERROR "StartFailed"));
        ck_assert_str_eq(desktop_await(desktop, 1)->actions, "restart=Restart,");
}
END_TEST

/* 'a' to 'h', in the order of their names. */
static void write_eight(void) {
        _cleanup_free_ char *sidecars = strdup("");

        for (char name = 'a'; name <= 'h'; name++) {
                char *longer;

                ck_assert_int_gt(
                        asprintf(&longer,
                                 "%s%s'%c': {'command': ['sleep', '1000'], 'restart': 'no'}",
                                 sidecars, name == 'a' ? "" : ", ", name),
                        0);
                free(sidecars);
                sidecars = longer;
        }
        world_write_sidecars(world, "%s", sidecars);
}

/* The brain hears of all in one go, however long each takes to die: one summary is for them all. */
static void kill_at_once(const char *const names[], size_t n) {
        _cleanup_close_ int brain = process_open(world_brain(world));
        int mains[8];

        for (size_t i = 0; i < n; i++)
                mains[i] = world_open_main(world, names[i]);
        process_signal(brain, SIGSTOP);
        for (size_t i = 0; i < n; i++) {
                process_signal(mains[i], SIGKILL);
                ck_assert(process_is_gone(mains[i], WORLD_PATIENCE));
                (void) close(mains[i]);
        }
        process_signal(brain, SIGCONT);
}

START_TEST(five_a_minute_are_told_and_one_sums_the_others_up) {
        const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
        const Shown *summary;

        write_eight();
        world_run(world);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                (void) world_start_ready(world, names[i]);
        kill_at_once(names, ELEMENTSOF(names));
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                (void) world_next(world, names[i], "Failed/failed");

        WORLD_AWAIT(world, desktop_count(desktop, WORLD_APP ": 3 more have failed") == 1);
        ck_assert_uint_eq(desktop->n_shown, 6);
        summary = &desktop->shown[5];
        ck_assert_str_eq(summary->actions, "");
        ck_assert_uint_eq(strlen(summary->body), strlen("a, b, c"));

        /* The summary goes when none of those that it tells of is left. */
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                (void) world_start_ready(world, names[i]);
        for (size_t i = 0; i < desktop->n_shown; i++)
                await_closed(desktop->shown[i].id);
}
END_TEST

START_TEST(who_wants_none_gets_none) {
        world_write_manifest(world, WORLD_APP,
                             "{'manifestVersion': 1, 'id': '" WORLD_APP
                             "', 'x-notifications': false, 'sidecars': {'aaa': " BROKEN
                             ", 'web': {'x-notifications': true, 'command': ['/bin/false'],"
                             " 'restart': 'no'}}}");
        world_run(world);
        let_fail("aaa");
        ck_assert_str_eq(fail_as("web", 1)->summary, WORLD_APP ": web has failed");
}
END_TEST

START_TEST(the_environment_says_no_for_all) {
        world_set_environment(world, "SIDECARD_NOTIFICATIONS", "no");
        world_write_sidecars(world, "'web': " BROKEN);
        world_run(world);
        let_fail("web");
        world_end(world);
        WORLD_AWAIT(world, world->owner[0] == '\0');
        ck_assert_uint_eq(desktop->n_shown, 0);
}
END_TEST

START_TEST(a_desktop_without_a_server_is_no_error) {
        world_write_sidecars(world, "'idle': " BROKEN ", 'web': " BROKEN);
        desktop_leave(desktop);
        world_run(world);
        ck_assert_int_ge(
                sd_bus_set_property(world->bus, WORLD_BUS_NAME, "/org/freedesktop/LogControl1",
                                    "org.freedesktop.LogControl1", "LogLevel", NULL, "s", "debug"),
                0);
        let_fail("idle");
        WORLD_AWAIT(world, world_has_logged(world, "The desktop is not told of failures"));

        /* What nobody was told of then is old by now. */
        desktop_come_back(desktop);
        ck_assert_str_eq(fail_as("web", 1)->summary, WORLD_APP ": web has failed");
}
END_TEST

START_TEST(numbers_of_another_server_are_not_used) {
        uint32_t id;

        world_write_sidecars(world, "'idle': " BROKEN ", 'web': " BROKEN);
        world_run(world);
        id = fail_as("web", 1)->id;
        let_the_answer_arrive();
        {
                _cleanup_(sd_bus_flush_close_unrefp) sd_bus *other = client_open(world);

                desktop_leave(desktop);
                ck_assert_int_ge(sd_bus_request_name(other, "org.freedesktop.Notifications", 0), 0);
                forge_click(other, id);
                ck_assert_int_ge(sd_bus_call_method(other, WORLD_BUS_NAME, WORLD_PATH,
                                                    "org.freedesktop.DBus.Peer", "Ping", NULL, NULL,
                                                    ""),
                                 0);
        }
        ck_assert_str_eq(world_state(world, "web"), "Failed/failed");
        ck_assert_uint_eq(world_count(world, "web", "Starting/spawning"), 1);
}
END_TEST

START_TEST(what_was_done_away_is_not_replaced) {
        uint32_t id;

        world_write_sidecars(world, "'web': " BROKEN);
        world_run(world);
        id = fail_as("web", 1)->id;
        let_the_answer_arrive();
        desktop_dismiss(desktop, id);
        ck_assert_uint_eq(fail_as("web", 2)->replaces_id, 0);
}
END_TEST

START_TEST(d2_another_brain_tells_no_failure_twice) {
        const Shown *again;
        uint32_t id;

        world_write_sidecars(world, "'web': " BROKEN ", 'zeal': " BROKEN);
        world_run(world);
        id = fail_as("web", 1)->id;
        let_the_answer_arrive();
        world_kill_brain(world);
        /* All of the app is looked at for this one. */
        ck_assert_str_eq(fail_as("zeal", 2)->summary, WORLD_APP ": zeal has failed");

        desktop_click(desktop, id, "restart");
        again = desktop_await(desktop, 3);
        ck_assert_str_eq(again->summary, WORLD_APP ": web has failed");
        ck_assert_uint_eq(again->replaces_id, id);
        world_stop(world, "web");
        await_closed(id);
}
END_TEST

START_TEST(d2_nor_one_that_was_told_and_not_answered) {
        world_write_sidecars(world, "'web': " BROKEN ", 'zeal': " BROKEN);
        world_run(world);
        desktop->is_mute = true;
        (void) fail_as("web", 1);
        world_kill_brain(world);
        desktop->is_mute = false;
        ck_assert_str_eq(fail_as("zeal", 2)->summary, WORLD_APP ": zeal has failed");
}
END_TEST

START_TEST(d2_a_failure_that_no_brain_saw_is_told_by_the_next) {
        _cleanup_free_ char *former = NULL;
        _cleanup_close_ int brain = -1, main_fd = -1;

        world_write_sidecars(world, "'web': {'command': ['sleep', '1000'], 'restart': 'no'}");
        world_run(world);
        (void) world_start_ready(world, "web");
        main_fd = world_open_main(world, "web");
        former = strdup(world->owner);
        brain = process_open(world_brain(world));
        process_signal(brain, SIGSTOP);
        process_signal(main_fd, SIGKILL);
        ck_assert(process_is_gone(main_fd, WORLD_PATIENCE));
        process_signal(brain, SIGKILL);
        WORLD_AWAIT(world, world->owner[0] != '\0' && !streq(world->owner, former));
        ck_assert_str_eq(desktop_await(desktop, 1)->summary, WORLD_APP ": web has failed");
}
END_TEST

TEST_MAIN_TIMEOUT("notification",
                  120,
                  setup,
                  teardown,
                  a_final_failure_is_told_with_why_and_what_comes_next,
                  a_backoff_is_told_to_nobody,
                  a_new_failure_takes_the_place_of_the_old,
                  it_goes_when_the_sidecar_runs_or_is_stopped,
                  it_goes_with_the_daemon,
                  a_click_starts_it_again,
                  clicks_of_strangers_and_on_others_are_not_heard,
                  a_click_opens_its_log,
                  without_a_portal_a_click_shows_where_its_log_is,
                  a_plain_server_gets_neither_actions_nor_markup,
                  where_there_is_no_log_none_is_offered,
                  five_a_minute_are_told_and_one_sums_the_others_up,
                  who_wants_none_gets_none,
                  the_environment_says_no_for_all,
                  a_desktop_without_a_server_is_no_error,
                  numbers_of_another_server_are_not_used,
                  what_was_done_away_is_not_replaced,
                  d2_another_brain_tells_no_failure_twice,
                  d2_nor_one_that_was_told_and_not_answered,
                  d2_a_failure_that_no_brain_saw_is_told_by_the_next)
