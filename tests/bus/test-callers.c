/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Callers, from outside: until there are rules for them, whoever is sandboxed, of another user,
 * or not to be identified gets AccessDenied for everything. Each list of calls is also made by
 * somebody who may, along the same way, so that a refusal is the daemon's and nobody else's.
 */

#include <string.h>
#include <sys/wait.h>

#include "calls.h"
#include "test.h"

#define SIDECAR_PATH WORLD_PATH "/app/org_2eexample_2eApp/web"

/* What gdbus(1) is given behind "call" or "introspect". */
static const char *const calls[][8] = {
        { "introspect", "--object-path", WORLD_PATH },
        { "introspect", "--object-path", SIDECAR_PATH },
        { "call", "--object-path", WORLD_PATH, "--method",
          "org.freedesktop.DBus.ObjectManager.GetManagedObjects" },
        { "call", "--object-path", WORLD_PATH, "--method", "org.freedesktop.DBus.Properties.Get",
          WORLD_BUS_NAME ".Manager", "Version" },
        { "call", "--object-path", SIDECAR_PATH, "--method",
          "org.freedesktop.DBus.Properties.GetAll", WORLD_BUS_NAME ".Sidecar" },
        { "call", "--object-path", WORLD_PATH, "--method", WORLD_BUS_NAME ".Manager.ListSidecars",
          "{}" },
        { "call", "--object-path", WORLD_PATH, "--method", WORLD_BUS_NAME ".Manager.GetApp",
          WORLD_APP },
        { "call", "--object-path", WORLD_PATH, "--method", WORLD_BUS_NAME ".Manager.Reload" },
        { "call", "--object-path", "/org/freedesktop/LogControl1", "--method",
          "org.freedesktop.DBus.Properties.Get", "org.freedesktop.LogControl1", "LogLevel" },
        { "call", "--object-path", SIDECAR_PATH, "--method", WORLD_BUS_NAME ".Sidecar.GetLog",
          "{}" },
        { "call", "--object-path", SIDECAR_PATH, "--method", WORLD_BUS_NAME ".Sidecar.Start",
          "{}" },
};

/* Runs gdbus behind the words of prefix; answers the exit code. */
static int run_gdbus(const char *const *prefix, const char *const *call, char **ret_output) {
        const char *argv[32];
        size_t n = 0;
        int status;

        while (*prefix)
                argv[n++] = *prefix++;
        argv[n++] = "gdbus";
        argv[n++] = *call++;
        argv[n++] = "--session";
        argv[n++] = "--dest";
        argv[n++] = WORLD_BUS_NAME;
        while (*call)
                argv[n++] = *call++;
        argv[n] = NULL;

        status = process_run(argv, world->environment, ret_output);
        ck_assert(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void assert_all(const char *const *prefix, bool is_allowed) {
        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                _cleanup_free_ char *output = NULL;
                int code = run_gdbus(prefix, calls[i], &output);

                ck_assert_msg((code == 0) == is_allowed, "Call %zu (%s %s): exit code %d, %s", i,
                              calls[i][0], calls[i][4] ? calls[i][4] : calls[i][2], code, output);
                if (!is_allowed)
                        ck_assert_msg(strstr(output, "org.freedesktop.DBus.Error.AccessDenied"),
                                      "Call %zu: %s", i, output);
        }
}

static void run_one_sidecar(void) {
        world_write_sidecars(world, "'web': {'command': ['sleep', '1000']}");
        world_run(world);
}

START_TEST(a_sandboxed_caller_is_refused_everything) {
        static const char *const sandboxed[] = { TEST_SOURCES "/tests/bus/sandboxed.sh", WORLD_APP,
                                                 WORLD_BUS_NAME, NULL };

        run_one_sidecar();
        assert_all(sandboxed, false);
        ck_assert_str_eq(world_state(world, "web"), "Stopped/inactive");
}
END_TEST

START_TEST(the_same_caller_behind_the_same_proxy_but_without_a_sandbox_may_do_all) {
        static const char *const proxied[] = { TEST_SOURCES "/tests/bus/sandboxed.sh", "-",
                                               WORLD_BUS_NAME, NULL };

        run_one_sidecar();
        assert_all(proxied, true);
        world_wait_ready(world, "web");
}
END_TEST

/* The bus listens once more where another user can reach it. */
START_TEST(another_user_is_refused_everything) {
        static const char *const other[] = { "setpriv", "--reuid=65534", "--regid=65534",
                                             "--clear-groups", NULL };

        if (geteuid() != 0) {
                fprintf(stderr, "Skipped: only root can act as another user\n");
                return;
        }

        run_one_sidecar();
        world_set_environment(world, "DBUS_SESSION_BUS_ADDRESS", world->open_address);
        assert_all(other, false);
        ck_assert_str_eq(world_state(world, "web"), "Stopped/inactive");
        assert_all(other + 4, true);
}
END_TEST

TEST_MAIN_TIMEOUT("callers",
                  120,
                  world_setup,
                  world_teardown,
                  a_sandboxed_caller_is_refused_everything,
                  the_same_caller_behind_the_same_proxy_but_without_a_sandbox_may_do_all,
                  another_user_is_refused_everything)
