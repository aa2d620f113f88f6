/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Apps whose manifest comes with a hold, as of an AppImage or a development run; and how long an
 * app lives by its manifest: lifetime and linger (contract H1, H5).
 */

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "brings.h"
#include "files.h"
#include "test.h"

#define INVALID_ARGS "org.freedesktop.DBus.Error.InvalidArgs"
#define MANIFEST(sidecars) \
        "{\"manifestVersion\": 1, \"id\": \"" WORLD_APP "\", \"sidecars\": {" sidecars "}}"
#define SLEEPER(name) "\"" name "\": {\"command\": [\"sleep\", \"1000\"]}"

static bool app_is_there(void) {
        return world_call(world, WORLD_PATH, "Manager", "GetApp", NULL, NULL, "s", WORLD_APP) >= 0;
}

static size_t n_removed;

static int
on_removed(sd_bus_message *message, void *userdata _unused_, sd_bus_error *error _unused_) {
        const char *path;

        ck_assert_int_gt(sd_bus_message_read(message, "o", &path), 0);
        n_removed += streq(path, WORLD_APP_PATH);
        return 0;
}

/* Its going is a signal of the bus: each is a turn. */
static void listen_to_removals(void) {
        n_removed = 0;
        ck_assert_int_ge(sd_bus_add_match(world->bus, NULL,
                                          "type='signal',member='InterfacesRemoved'", on_removed,
                                          NULL),
                         0);
}

static void await_removal(void) {
        WORLD_AWAIT(world, n_removed > 0);
        ck_assert(!app_is_there());
}

static bool is_transient(void) {
        int transient = false;

        ck_assert_int_ge(sd_bus_get_property_trivial(world->bus, WORLD_BUS_NAME, WORLD_APP_PATH,
                                                     WORLD_BUS_NAME ".App", "Transient", NULL, 'b',
                                                     &transient),
                         0);
        return transient;
}

static void assert_text(const char *property, const char *wanted) {
        _cleanup_free_ char *got = app_text(world, property);

        ck_assert_str_eq(got, wanted);
}

static bool is_up(const char *name) {
        return streq(world_state(world, name), "Running/ready");
}

START_TEST(a_hold_with_a_manifest_makes_an_app_that_goes_with_it) {
        _cleanup_free_ char *base = NULL;
        sd_bus *client = client_open(world);
        int pidfd;

        world_run(world);
        listen_to_removals();
        world_write_file(world, "mount/tool", 0755,
                         "#!/bin/sh\nenv | sed 's/^/env /'\necho end\nexec sleep 1000\n");
        ck_assert_int_ge(asprintf(&base, "%s/mount", world->dir), 0);
        bring(client, (Brings){ .manifest = MANIFEST("\"one\": {\"command\": [\"tool\"]}"),
                                .base_dir = base,
                                .env = "ANY_NAME=it-likes" });
        ck_assert(is_transient());
        assert_text("ManifestPath", "");
        assert_text("LoadState", "loaded");
        app_wait_ready(world);
        ck_assert(was_born_with(world, "one", "env ANY_NAME=it-likes"));
        ck_assert_uint_eq(count_events(world, "app-added"), 1);
        ck_assert_uint_eq(count_events(world, "app-removed"), 0);

        pidfd = world_open_main(world, "one");
        sd_bus_close_unref(client);
        ck_assert(process_is_gone(pidfd, WORLD_PATIENCE));
        await_removal();
        ck_assert_uint_eq(count_events(world, "app-removed"), 1);
}
END_TEST

START_TEST(it_is_over_an_installed_one_which_is_back_in_force_afterwards) {
        sd_bus *client = client_open(world);
        _cleanup_free_ char *path = NULL;

        world_write_sidecars(world, "'installed': {'command': ['sleep', '1000']}");
        world_run(world);
        path = app_text(world, "ManifestPath");
        bring(client, (Brings){ .manifest = MANIFEST(SLEEPER("brought")) });
        app_wait_ready(world);
        ck_assert(is_transient() && is_up("brought"));

        /* What is read meanwhile is for later. */
        world_write_sidecars(world, "'newer': {'command': ['sleep', '1000']}");
        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "Reload", NULL, NULL, ""), 0);
        ck_assert(is_transient() && is_up("brought"));

        client_release(client);
        ck_assert(!is_transient());
        assert_text("ManifestPath", path);
        client_hold(client, "newer");
        app_wait_ready(world);
        ck_assert(is_up("newer"));
        sd_bus_close_unref(client);
}
END_TEST

START_TEST(another_text_is_refused_while_something_is_up) {
        sd_bus *first = client_open(world), *second = client_open(world);

        world_run(world);
        listen_to_removals();
        bring(first, (Brings){ .manifest = MANIFEST(SLEEPER("one")) });
        app_wait_ready(world);
        bring_in_vain(second, (Brings){ .manifest = MANIFEST(SLEEPER("two")) },
                      WORLD_ERROR "AppExists", "up");
        ck_assert(is_up("one"));
        ck_assert_uint_eq(app_count_holds(world), 1);

        /* The same joins, and stays as long as anybody holds; without one it is held as well. */
        bring(second, (Brings){ .manifest = MANIFEST(SLEEPER("one")) });
        client_release(first);
        ck_assert(is_up("one") && is_transient());
        client_hold(first, NULL);
        client_release(second);
        ck_assert(is_up("one") && is_transient());

        world_stop(world, "one");
        bring(second, (Brings){ .manifest = MANIFEST(SLEEPER("two")) });
        app_wait_ready(world);
        ck_assert(is_up("two"));
        sd_bus_close_unref(first);
        sd_bus_close_unref(second);
        await_removal();
}
END_TEST

START_TEST(one_that_is_wrong_is_refused_with_the_place_and_leaves_nothing) {
        const char *good = MANIFEST(SLEEPER("one"));
        _cleanup_free_ char *deep = NULL;
        sd_bus *client = client_open(world);

        world_run(world);
        bring_in_vain(client,
                      (Brings){ .manifest = MANIFEST("\"one\": {\"command\": [\"x\"],"
                                                     " \"stop\": {\"timeout\": \"5\"}}") },
                      WORLD_ERROR "InvalidManifest", "/sidecars/one/stop/timeout: ");
        bring_in_vain(client, (Brings){ .manifest = "{" }, WORLD_ERROR "InvalidManifest", "");
        bring_in_vain(client, (Brings){ .app = "org.example.Other", .manifest = good },
                      WORLD_ERROR "InvalidManifest", "/id: ");
        bring_in_vain(client, (Brings){ .app = "x/" WORLD_APP, .manifest = good },
                      WORLD_ERROR "InvalidManifest", "/id: ");
        bring_in_vain(client, (Brings){ .manifest = good, .base_dir = "relative" }, INVALID_ARGS,
                      "base-dir");
        bring_in_vain(client, (Brings){ .base_dir = "/" }, INVALID_ARGS, "base-dir");
        ck_assert_int_ge(asprintf(&deep, "/%0*d", PATH_MAX - 1, 0), 0);
        bring_in_vain(client, (Brings){ .manifest = good, .base_dir = deep }, INVALID_ARGS,
                      "base-dir");
        ck_assert(!app_is_there());
        ck_assert_uint_eq(app_count_holds(world), 0);
        ck_assert_uint_eq(count_events(world, "app-added"), 0);
        sd_bus_close_unref(client);
}
END_TEST

START_TEST(d2_a_transient_app_outlives_the_brain_and_ends_as_it_would_have) {
        sd_bus *client = client_open(world), *other = client_open(world);
        int64_t pid;

        world_run(world);
        bring(client, (Brings){ .manifest = MANIFEST(SLEEPER("one")), .env = "ANY_NAME=it-likes" });
        app_wait_ready(world);
        pid = world_get_number(world, "one", "MainPID");
        for (int round = 0; round < 3; round++) {
                kill_the_brain(world);
                ck_assert(is_transient() && is_up("one"));
                ck_assert_int_eq(world_get_number(world, "one", "MainPID"), pid);
        }
        bring_in_vain(other, (Brings){ .manifest = MANIFEST(SLEEPER("two")) },
                      WORLD_ERROR "AppExists", "up");

        listen_to_removals();
        client_release(client);
        await_removal();
        sd_bus_close_unref(client);
        sd_bus_close_unref(other);
}
END_TEST

START_TEST(d2_what_ended_while_there_was_no_brain_gives_the_installed_one_back) {
        _cleanup_free_ char *former = NULL;
        _cleanup_close_ int brain = -1, one = -1;
        sd_bus *client = client_open(world);

        world_write_sidecars(world, "'installed': {'command': ['sleep', '1000']}");
        world_run(world);
        bring(client, (Brings){ .manifest = MANIFEST(SLEEPER("one")) });
        app_wait_ready(world);
        one = world_open_main(world, "one");
        former = strdup(world->owner);
        brain = process_open(world_brain(world));
        process_signal(brain, SIGSTOP);
        sd_bus_close_unref(client);
        process_signal(brain, SIGKILL);
        WORLD_AWAIT(world, world->owner[0] != '\0' && !streq(world->owner, former));
        ck_assert(process_is_gone(one, WORLD_PATIENCE));
        app_await_holds(world, 0);
        ck_assert(!is_transient());
        (void) world_start_ready(world, "installed");
}
END_TEST

#define FILE_OF_APP "data/sidecard/apps/" WORLD_APP ".json"

START_TEST(f3_a_file_under_the_manifest_of_a_hold_is_told_and_touches_nothing) {
        sd_bus *client = client_open(world);
        int pidfd;

        world_run(world);
        listen_to_removals();
        bring(client, (Brings){ .manifest = MANIFEST(SLEEPER("one")) });
        app_wait_ready(world);
        pidfd = world_open_main(world, "one");

        /* That there is none, or a first one, is no news, be it of this brain or the next. */
        kill_the_brain(world);
        call_reload(world);
        file_replace_json(world, FILE_OF_APP, MANIFEST(SLEEPER("file")));
        call_reload(world);
        kill_the_brain(world);
        call_reload(world);
        ck_assert_uint_eq(count_events(world, "manifest"), 0);

        file_replace_json(world, FILE_OF_APP, "{");
        call_reload(world);
        assert_text("LoadState", "loaded");
        ck_assert_uint_eq(count_events(world, "manifest"), 1);
        kill_the_brain(world);
        call_reload(world);
        ck_assert_uint_eq(count_events(world, "manifest"), 1);
        file_replace_json(world, FILE_OF_APP, MANIFEST(SLEEPER("file")));
        call_reload(world);
        ck_assert_uint_eq(count_events(world, "manifest"), 2);
        file_remove(world, FILE_OF_APP);
        call_reload(world);
        ck_assert_uint_eq(count_events(world, "manifest"), 3);
        kill_the_brain(world);
        call_reload(world);
        ck_assert_uint_eq(count_events(world, "manifest"), 3);
        ck_assert(is_transient() && is_up("one") && !process_is_gone(pidfd, 0));
        ck_assert(!needs_restart(world, "one"));

        client_release(client);
        await_removal();
        ck_assert_uint_eq(count_events(world, "app-added"), 1);
        ck_assert_uint_eq(count_events(world, "app-removed"), 1);
        sd_bus_close_unref(client);
        close(pidfd);
}
END_TEST

START_TEST(f3_the_same_manifest_from_elsewhere_asks_for_a_restart_where_the_program_is_another) {
        static const char manifest[] =
                MANIFEST("\"one\": {\"command\": [\"tool\"]}, " SLEEPER("two"));
        sd_bus *first = client_open(world), *second = client_open(world);
        _cleanup_free_ char *here = NULL, *there = NULL;

        ck_assert_int_ge(asprintf(&here, "%s/here", world->dir), 0);
        ck_assert_int_ge(asprintf(&there, "%s/there", world->dir), 0);
        world_run(world);
        files_listen(world);
        file_replace_program(world, "here/tool", 1);
        file_replace_program(world, "there/tool", 1);
        bring(first, (Brings){ .manifest = manifest, .base_dir = here });
        app_wait_ready(world);
        ck_assert(!needs_restart(world, "one"));

        bring(second, (Brings){ .manifest = manifest, .base_dir = there });
        WORLD_AWAIT(world, needs_restart(world, "one"));
        ck_assert(!needs_restart(world, "two"));
        restart_it(world, "one");
        ck_assert(!needs_restart(world, "one"));
        sd_bus_close_unref(first);
        sd_bus_close_unref(second);
}
END_TEST

#define SESSION                                                                              \
        "{'manifestVersion': 1, 'id': '" WORLD_APP "', 'lifetime': 'session', 'sidecars': {" \
        "'tray': {'command': ['sleep', '1000']},"                                            \
        "'other': {'command': ['sleep', '1000']},"                                           \
        "'more': {'command': ['sleep', '1000'], 'autoStart': false}}}"

START_TEST(h5_an_app_of_the_session_starts_with_the_daemon_and_no_hold_ends_it) {
        sd_bus *client = client_open(world);
        int tray, more;

        world_write_manifest(world, WORLD_APP, SESSION);
        world_run(world);
        world_wait_ready(world, "tray");
        world_wait_ready(world, "other");
        ck_assert_str_eq(world_state(world, "more"), "Stopped/inactive");
        tray = world_open_main(world, "tray");

        /* What a hold wants beyond goes with it. */
        client_hold(client, "tray,more");
        app_wait_ready(world);
        more = world_open_main(world, "more");
        client_release(client);
        ck_assert(process_is_gone(more, WORLD_PATIENCE));
        ck_assert(!process_is_gone(tray, 0) && is_up("tray") && is_up("other"));

        /* Another brain starts nothing that was stopped. */
        world_stop(world, "other");
        kill_the_brain(world);
        ck_assert(is_up("tray"));
        ck_assert(startswith(world_state(world, "other"), "Stopped/"));
        sd_bus_close_unref(client);
}
END_TEST

START_TEST(h1_linger_of_the_manifest_is_that_of_a_hold_that_says_none) {
        sd_bus *client = client_open(world);
        uint64_t gone_at;
        int pidfd;

        world_write_manifest(world, WORLD_APP,
                             "{'manifestVersion': 1, 'id': '" WORLD_APP "', 'linger': '1s',"
                             " 'sidecars': {'one': {'command': ['sleep', '1000']}}}");
        world_run(world);
        client_hold(client, NULL);
        app_wait_ready(world);
        pidfd = world_open_main(world, "one");
        gone_at = clock_monotonic_usec();
        sd_bus_close_unref(client);
        ck_assert(process_is_gone(pidfd, WORLD_PATIENCE));
        ck_assert_uint_ge(clock_monotonic_usec() - gone_at, USEC_PER_SEC);
        app_await_holds(world, 0);

        /* Who lets go says that it will not be back. */
        client = client_open(world);
        client_hold(client, NULL);
        app_wait_ready(world);
        client_release(client);
        ck_assert_uint_eq(app_count_holds(world), 0);
        sd_bus_close_unref(client);
}
END_TEST

TEST_MAIN_TIMEOUT(
        "transient",
        120,
        world_setup,
        world_teardown,
        a_hold_with_a_manifest_makes_an_app_that_goes_with_it,
        it_is_over_an_installed_one_which_is_back_in_force_afterwards,
        another_text_is_refused_while_something_is_up,
        one_that_is_wrong_is_refused_with_the_place_and_leaves_nothing,
        d2_a_transient_app_outlives_the_brain_and_ends_as_it_would_have,
        d2_what_ended_while_there_was_no_brain_gives_the_installed_one_back,
        f3_a_file_under_the_manifest_of_a_hold_is_told_and_touches_nothing,
        f3_the_same_manifest_from_elsewhere_asks_for_a_restart_where_the_program_is_another,
        h5_an_app_of_the_session_starts_with_the_daemon_and_no_hold_ends_it,
        h1_linger_of_the_manifest_is_that_of_a_hold_that_says_none)
