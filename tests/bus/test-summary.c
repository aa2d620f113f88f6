/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What whoever started the keeper is told by sd_notify(3). How systemctl shows it:
 * tests/session/login.py.
 */

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "calls.h"
#include "test.h"

static int service_manager;
static char said[256];

static void setup(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        world_setup();
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/manager", world->dir);
        service_manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(service_manager, 0);
        ck_assert_int_eq(bind(service_manager, (const struct sockaddr *) &address, sizeof(address)),
                         0);
        world_set_environment(world, "NOTIFY_SOCKET", address.sun_path);
}

static void teardown(void) {
        world_teardown();
        service_manager = safe_close(service_manager);
}

/* Answers false if nothing comes for so long. */
static bool hear(int timeout_msec) {
        struct pollfd news = { .fd = service_manager, .events = POLLIN };
        ssize_t n;

        if (poll(&news, 1, timeout_msec) == 0)
                return false;
        n = recv(service_manager, said, sizeof(said) - 1, 0);
        ck_assert_int_ge(n, 0);
        said[n] = '\0';
        return true;
}

/* What comes before is how far it was. */
static void await_said(const char *text) {
        do
                ck_assert_msg(hear((int) (WORLD_PATIENCE / USEC_PER_MSEC)),
                              "\"%s\" was not said, but \"%s\"", text, said);
        while (!streq(said, text));
}

START_TEST(it_is_told_how_many_run_and_how_many_have_failed) {
        world_write_sidecars(world, "'one': {'command': ['sleep', '1000']},"
                                    "'two': {'command': ['sleep', '1000']},"
                                    "'lost': {'command': ['@DIR@/none']}");
        world_run(world);
        await_said("STATUS=0 sidecars running");
        (void) world_start_ready(world, "one");
        await_said("STATUS=1 sidecar running");
        (void) world_start_ready(world, "two");
        await_said("STATUS=2 sidecars running");
        free(world_start_in_vain(world, "lost", WORLD_ERROR "StartFailed"));
        await_said("STATUS=2 sidecars running, 1 failed");
        world_stop(world, "two");
        await_said("STATUS=1 sidecar running, 1 failed");
}
END_TEST

START_TEST(it_is_told_by_the_next_brain_too) {
        _cleanup_close_ int brain = -1;

        world_write_sidecars(world, "'one': {'command': ['sleep', '1000']}");
        world_run(world);
        (void) world_start_ready(world, "one");
        await_said("STATUS=1 sidecar running");
        brain = process_open(world_brain(world));
        process_signal(brain, SIGKILL);
        await_said("STATUS=1 sidecar running");
}
END_TEST

START_TEST(nothing_stands_there_when_it_has_ended) {
        world_write_sidecars(world, "'one': {'command': ['sleep', '1000']}");
        world_run(world);
        (void) world_start_ready(world, "one");
        await_said("STATUS=1 sidecar running");
        world_end(world);
        await_said("STATUS=");
        ck_assert_msg(!hear(0), "Said after it: %s", said);
}
END_TEST

TEST_MAIN("summary",
          setup,
          teardown,
          it_is_told_how_many_run_and_how_many_have_failed,
          it_is_told_by_the_next_brain_too,
          nothing_stands_there_when_it_has_ended)
