/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The interface, from outside: what is announced is what the contract says, objects and
 * properties follow what is, and errors have the names and texts that clients go by.
 */

#include <string.h>

#include "calls.h"
#include "interface-xml.h"
#include "test.h"

#define TWO_SIDECARS                             \
        "'web': {'command': ['sleep', '1000']}," \
        "'db': {'command': ['sleep', '1000']}"

static void assert_same_interface(const char *path, const char *interface) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(strv_freep) char **live = NULL, **wanted = NULL;
        _cleanup_free_ char *file = NULL, *text = NULL;
        const char *xml;
        size_t size;

        ck_assert_int_ge(sd_bus_call_method(world->bus, WORLD_BUS_NAME, path,
                                            "org.freedesktop.DBus.Introspectable", "Introspect",
                                            NULL, &reply, ""),
                         0);
        ck_assert_int_gt(sd_bus_message_read(reply, "s", &xml), 0);
        live = interface_xml_lines(xml, interface);

        ck_assert_int_ge(asprintf(&file, TEST_SOURCES "/dbus/%s.xml", interface), 0);
        text = calloc(1, 65536);
        {
                FILE *in = fopen(file, "re");

                ck_assert_msg(in, "%s: %s", file, strerror(errno));
                size = fread(text, 1, 65535, in);
                ck_assert_uint_gt(size, 0);
                (void) fclose(in);
        }
        wanted = interface_xml_lines(text, interface);
        ck_assert_uint_gt(strv_length(wanted), 5);

        STRV_FOREACH (line, wanted)
                ck_assert_msg(strv_contains(live, *line), "Missing: %s", *line);
        STRV_FOREACH (line, live)
                ck_assert_msg(strv_contains(wanted, *line), "Not in the contract: %s", *line);
        ck_assert_uint_eq(strv_length(live), strv_length(wanted));
}

START_TEST(what_is_announced_is_what_the_xml_says) {
        _cleanup_free_ char *app = app_path(WORLD_APP), *sidecar = sidecar_path("web");

        world_write_sidecars(world, TWO_SIDECARS);
        world_run(world);
        assert_same_interface(WORLD_PATH, WORLD_BUS_NAME ".Manager");
        assert_same_interface(app, WORLD_BUS_NAME ".App");
        assert_same_interface(sidecar, WORLD_BUS_NAME ".Sidecar");
}
END_TEST

/* Paths and interfaces of all objects, a line "PATH INTERFACE" each. */
static char **managed_objects(void) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *path, *interface;
        char **lines = NULL;

        ck_assert_int_ge(sd_bus_call_method(world->bus, WORLD_BUS_NAME, WORLD_PATH,
                                            "org.freedesktop.DBus.ObjectManager",
                                            "GetManagedObjects", NULL, &reply, ""),
                         0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}"), 0);
        while (sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}") > 0) {
                ck_assert_int_gt(sd_bus_message_read(reply, "o", &path), 0);
                ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "{sa{sv}}"), 0);
                while (sd_bus_message_enter_container(reply, 'e', "sa{sv}") > 0) {
                        ck_assert_int_gt(sd_bus_message_read(reply, "s", &interface), 0);
                        ck_assert_int_eq(strv_extendf(&lines, "%s %s", path, interface), 0);
                        ck_assert_int_gt(sd_bus_message_skip(reply, "a{sv}"), 0);
                        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                }
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }

        return lines;
}

static bool is_managed(const char *path, const char *interface) {
        _cleanup_(strv_freep) char **objects = managed_objects();
        _cleanup_free_ char *line = NULL;

        ck_assert_int_ge(asprintf(&line, "%s " WORLD_BUS_NAME ".%s", path, interface), 0);
        return strv_contains(objects, line);
}

START_TEST(the_object_manager_has_every_app_and_sidecar) {
        _cleanup_free_ char *app = app_path(WORLD_APP);
        _cleanup_free_ char *web = sidecar_path("web"), *db = sidecar_path("db");

        world_write_sidecars(world, TWO_SIDECARS);
        world_run(world);
        ck_assert(is_managed(app, "App"));
        ck_assert(is_managed(web, "Sidecar"));
        ck_assert(is_managed(db, "Sidecar"));
        ck_assert_str_eq(app, WORLD_PATH "/app/org_2eexample_2eApp");
        ck_assert_str_eq(web, WORLD_PATH "/app/org_2eexample_2eApp/web");
}
END_TEST

/* Paths that came or went, "+PATH" and "-PATH". */
static int on_interfaces(sd_bus_message *message, void *userdata, sd_bus_error *error _unused_) {
        bool is_added = sd_bus_message_is_signal(message, NULL, "InterfacesAdded");
        const char *path;

        ck_assert_int_gt(sd_bus_message_read(message, "o", &path), 0);
        ck_assert_int_eq(strv_extendf(userdata, "%s%s", is_added ? "+" : "-", path), 0);
        return 0;
}

static void reload(void) {
        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "Reload", NULL, NULL, ""), 0);
}

START_TEST(reload_announces_apps_that_come_and_go) {
        _cleanup_(strv_freep) char **seen = NULL;
        _cleanup_free_ char *file = NULL;

        world_write_sidecars(world, TWO_SIDECARS);
        world_run(world);
        ck_assert_int_ge(sd_bus_match_signal(world->bus, NULL, WORLD_BUS_NAME, WORLD_PATH,
                                             "org.freedesktop.DBus.ObjectManager", NULL,
                                             on_interfaces, &seen),
                         0);

        world_write_manifest(world, "org.example.New",
                             "{'manifestVersion': 1, 'id': 'org.example.New',"
                             " 'sidecars': {'one': {'command': ['sleep', '1000']}}}");
        reload();
        WORLD_AWAIT(world, strv_contains(seen, "+" WORLD_PATH "/app/org_2eexample_2eNew"));
        WORLD_AWAIT(world, strv_contains(seen, "+" WORLD_PATH "/app/org_2eexample_2eNew/one"));
        ck_assert(is_managed(WORLD_PATH "/app/org_2eexample_2eNew/one", "Sidecar"));

        ck_assert_int_ge(asprintf(&file, "%s/data/sidecard/apps/org.example.New.json", world->dir),
                         0);
        ck_assert_int_eq(unlink(file), 0);
        reload();
        WORLD_AWAIT(world, strv_contains(seen, "-" WORLD_PATH "/app/org_2eexample_2eNew"));
        WORLD_AWAIT(world, strv_contains(seen, "-" WORLD_PATH "/app/org_2eexample_2eNew/one"));
        ck_assert(!is_managed(WORLD_PATH "/app/org_2eexample_2eNew/one", "Sidecar"));
}
END_TEST

typedef struct PropertyNews {
        char **invalidated;
        char **changed;
        char *status; /* the last one told */
} PropertyNews;

static int on_properties(sd_bus_message *message, void *userdata, sd_bus_error *error _unused_) {
        PropertyNews *news = userdata;
        const char *interface, *name, *value;

        ck_assert_int_gt(sd_bus_message_read(message, "s", &interface), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(message, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
                ck_assert_int_gt(sd_bus_message_read(message, "s", &name), 0);
                ck_assert_int_eq(strv_extend(&news->changed, name), 0);
                if (streq(name, "Status")) {
                        ck_assert_int_gt(sd_bus_message_read(message, "v", "s", &value), 0);
                        ck_assert_int_eq(free_and_strdup(&news->status, value), 0);
                } else
                        ck_assert_int_gt(sd_bus_message_skip(message, "v"), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(message), 0);
        }
        ck_assert_int_ge(sd_bus_message_exit_container(message), 0);

        ck_assert_int_gt(sd_bus_message_enter_container(message, 'a', "s"), 0);
        while (sd_bus_message_read(message, "s", &name) > 0)
                ck_assert_int_eq(strv_extend(&news->invalidated, name), 0);
        return 0;
}

START_TEST(properties_changed_tells_what_the_xml_promises) {
        static const char *const with_value[] = { "Status", "SubState", "Generation",
                                                  "StateChangeTimestamp" };
        _cleanup_free_ char *path = sidecar_path("web");
        PropertyNews news = { 0 };

        world_write_sidecars(world, TWO_SIDECARS);
        world_run(world);
        ck_assert_int_ge(sd_bus_match_signal(world->bus, NULL, WORLD_BUS_NAME, path,
                                             "org.freedesktop.DBus.Properties", "PropertiesChanged",
                                             on_properties, &news),
                         0);
        (void) world_start(world, "web");
        WORLD_AWAIT(world, news.status && streq(news.status, "Running"));
        WORLD_AWAIT(world, strv_contains(news.invalidated, "MainPID"));
        for (size_t i = 0; i < ELEMENTSOF(with_value); i++)
                ck_assert_msg(strv_contains(news.changed, with_value[i]), "%s", with_value[i]);
        ck_assert(!strv_contains(news.changed, "MainPID"));
        ck_assert(!strv_contains(news.changed, "AppId"));
        ck_assert(!strv_contains(news.changed, "MemoryCurrent"));
        ck_assert(!strv_contains(news.invalidated, "EffectiveManifest"));

        world_stop(world, "web");
        WORLD_AWAIT(world, streq(news.status, "Stopped"));
        strv_free(news.changed);
        strv_free(news.invalidated);
        free(news.status);
}
END_TEST

static void assert_error(int r, const sd_bus_error *error, const char *name, const char *words) {
        ck_assert_msg(r < 0, "%s was to come, and did not", name);
        ck_assert_str_eq(error->name, name);
        ck_assert_msg(strstr(error->message, words), "\"%s\" is not in: %s", words, error->message);
}

START_TEST(unknown_apps_and_sidecars_have_their_own_errors) {
        _cleanup_(sd_bus_error_free) sd_bus_error app = SD_BUS_ERROR_NULL,
                                                  sidecar = SD_BUS_ERROR_NULL;
        int r;

        world_write_sidecars(world, TWO_SIDECARS);
        world_run(world);
        r = world_call(world, WORLD_PATH, "Manager", "GetApp", &app, NULL, "s", "org.example.No");
        assert_error(r, &app, WORLD_ERROR "NoSuchApp", "org.example.No");
        r = world_call(world, WORLD_PATH, "Manager", "GetSidecar", &sidecar, NULL, "ss", WORLD_APP,
                       "nobody");
        assert_error(r, &sidecar, WORLD_ERROR "NoSuchSidecar", "Unknown sidecar: nobody");
}
END_TEST

START_TEST(of_a_set_the_one_that_is_unknown_is_named) {
        static const char *const methods[] = { "Start", "Stop", "Restart" };
        _cleanup_free_ char *path = app_path(WORLD_APP);
        _cleanup_(sd_bus_error_free) sd_bus_error held = SD_BUS_ERROR_NULL;
        int r;

        world_write_sidecars(world, TWO_SIDECARS);
        world_run(world);
        for (size_t i = 0; i < ELEMENTSOF(methods); i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

                r = world_call(world, path, "App", methods[i], &error, NULL, "a{sv}", 1, "sidecars",
                               "as", 2, "web", "nobody");
                assert_error(r, &error, WORLD_ERROR "NoSuchSidecar", "Unknown sidecar: nobody");
        }
        r = world_call(world, WORLD_PATH, "Manager", "Hold", &held, NULL, "ssa{sv}", WORLD_APP, "",
                       1, "sidecars", "as", 2, "web", "nobody");
        assert_error(r, &held, WORLD_ERROR "NoSuchSidecar", "Unknown sidecar: nobody");
}
END_TEST

START_TEST(unknown_objects_and_methods_keep_their_standard_errors) {
        _cleanup_(sd_bus_error_free) sd_bus_error object = SD_BUS_ERROR_NULL,
                                                  method = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *unknown = sidecar_path("nobody"), *known = sidecar_path("web");
        int r;

        world_write_sidecars(world, TWO_SIDECARS);
        world_run(world);
        r = world_call(world, unknown, "Sidecar", "Start", &object, NULL, "a{sv}", 0);
        assert_error(r, &object, "org.freedesktop.DBus.Error.UnknownObject", "");
        r = world_call(world, known, "Sidecar", "Launch", &method, NULL, "");
        assert_error(r, &method, "org.freedesktop.DBus.Error.UnknownMethod", "");
}
END_TEST

START_TEST(options_that_are_unknown_or_of_the_wrong_type_are_invalid) {
        _cleanup_(sd_bus_error_free) sd_bus_error start = SD_BUS_ERROR_NULL,
                                                  stop = SD_BUS_ERROR_NULL,
                                                  list = SD_BUS_ERROR_NULL,
                                                  wait = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *path = sidecar_path("web");
        const char *invalid = "org.freedesktop.DBus.Error.InvalidArgs";
        int r;

        world_write_sidecars(world, TWO_SIDECARS);
        world_run(world);
        r = world_call(world, path, "Sidecar", "Start", &start, NULL, "a{sv}", 1, "bogus", "b", 1);
        assert_error(r, &start, invalid, "bogus");
        r = world_call(world, path, "Sidecar", "Stop", &stop, NULL, "a{sv}", 1, "kill", "s", "yes");
        assert_error(r, &stop, invalid, "kill");
        r = world_call(world, WORLD_PATH, "Manager", "ListSidecars", &list, NULL, "a{sv}", 1,
                       "colour", "s", "red");
        assert_error(r, &list, invalid, "colour");
        r = world_call(world, path, "Sidecar", "Wait", &wait, NULL, "stt", "bored", UINT64_C(0),
                       UINT64_C(0));
        assert_error(r, &wait, invalid, "bored");
        ck_assert_str_eq(world_state(world, "web"), "Stopped/inactive");
}
END_TEST

START_TEST(wait_says_at_once_what_can_no_longer_come_true_and_runs_out_without_an_error) {
        _cleanup_(sd_bus_error_free) sd_bus_error unwanted = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *status = NULL, *none = NULL;
        int r;

        world_write_sidecars(world, "'web': {'command': ['sleep', '1000'], 'port': 'auto'}");
        world_run(world);
        r = world_wait_once(world, "web", "ready", 0, 0, &none, &unwanted);
        assert_error(r, &unwanted, WORLD_ERROR "NotRunning", "");

        (void) world_start(world, "web");
        r = world_wait_once(world, "web", "ready", 0, 100 * USEC_PER_MSEC, &status, NULL);
        ck_assert_int_eq(r, 0);
        ck_assert_str_eq(status, "Starting");
        free(TAKE_PTR(status));

        world_stop(world, "web");
        r = world_wait_once(world, "web", "stopped", 0, 0, &status, NULL);
        ck_assert_int_eq(r, 0);
        ck_assert_str_eq(status, "Stopped");
}
END_TEST

static int note_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_) {
        const sd_bus_error *answer = sd_bus_message_get_error(reply);

        ck_assert_int_eq(free_and_strdup(userdata, answer ? answer->name : "no error"), 0);
        return 0;
}

START_TEST(a_wait_that_is_under_way_is_told_of_a_stop) {
        _cleanup_free_ char *path = sidecar_path("web"), *answer = NULL;

        world_write_sidecars(world, "'web': {'command': ['sleep', '1000'], 'port': 'auto'}");
        world_run(world);
        (void) world_start(world, "web");
        ck_assert_int_ge(sd_bus_call_method_async(world->bus, NULL, WORLD_BUS_NAME, path,
                                                  WORLD_BUS_NAME ".Sidecar", "Wait", note_reply,
                                                  &answer, "stt", "ready", UINT64_C(0),
                                                  UINT64_C(0)),
                         0);
        world_ask_to_stop(world, "web", false);
        WORLD_AWAIT(world, answer);
        ck_assert_str_eq(answer, WORLD_ERROR "NotRunning");
}
END_TEST

/* A line "app name status sub-state has-pid path" for each. */
static char **list_sidecars(const char *option, const char *value) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *app, *name, *status, *sub_state, *path;
        char **lines = NULL;
        uint32_t pid;
        int r;

        if (option)
                r = world_call(world, WORLD_PATH, "Manager", "ListSidecars", NULL, &reply, "a{sv}",
                               1, option, "s", value);
        else
                r = world_call(world, WORLD_PATH, "Manager", "ListSidecars", NULL, &reply, "a{sv}",
                               0);
        ck_assert_int_ge(r, 0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "(ssssuo)"), 0);
        while (sd_bus_message_read(reply, "(ssssuo)", &app, &name, &status, &sub_state, &pid,
                                   &path) > 0)
                ck_assert_int_eq(strv_extendf(&lines, "%s %s %s %s %s %s", app, name, status,
                                              sub_state, pid > 0 ? "pid" : "none", path),
                                 0);
        return lines;
}

START_TEST(listsidecars_is_sorted_and_can_be_narrowed) {
        _cleanup_(strv_freep) char **all = NULL, **running = NULL, **other = NULL;

        world_write_sidecars(world, TWO_SIDECARS);
        world_write_manifest(world, "org.example.Aaa",
                             "{'manifestVersion': 1, 'id': 'org.example.Aaa',"
                             " 'sidecars': {'zed': {'command': ['sleep', '1000']}}}");
        world_run(world);
        (void) world_start_ready(world, "web");

        all = list_sidecars(NULL, NULL);
        ck_assert_uint_eq(strv_length(all), 3);
        ck_assert_str_eq(all[0], "org.example.Aaa zed Stopped inactive none " WORLD_PATH
                                 "/app/org_2eexample_2eAaa/zed");
        ck_assert(startswith(all[1], WORLD_APP " db Stopped inactive none "));
        ck_assert(startswith(all[2], WORLD_APP " web Running ready pid "));

        running = list_sidecars("status", "Running");
        ck_assert_uint_eq(strv_length(running), 1);
        ck_assert_str_eq(running[0], all[2]);
        other = list_sidecars("app", "org.example.Aaa");
        ck_assert_uint_eq(strv_length(other), 1);
        ck_assert_str_eq(other[0], all[0]);
}
END_TEST

START_TEST(logcontrol1_is_as_systemctl_wants_it) {
        static const char path[] = "/org/freedesktop/LogControl1";
        static const char interface[] = "org.freedesktop.LogControl1";
        _cleanup_free_ char *level = NULL, *identifier = NULL, *target = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        world_write_sidecars(world, TWO_SIDECARS);
        world_run(world);
        ck_assert_int_ge(sd_bus_set_property(world->bus, WORLD_BUS_NAME, path, interface,
                                             "LogLevel", NULL, "s", "warning"),
                         0);
        ck_assert_int_ge(sd_bus_get_property_string(world->bus, WORLD_BUS_NAME, path, interface,
                                                    "LogLevel", NULL, &level),
                         0);
        ck_assert_str_eq(level, "warning");
        ck_assert_int_ge(sd_bus_get_property_string(world->bus, WORLD_BUS_NAME, path, interface,
                                                    "SyslogIdentifier", NULL, &identifier),
                         0);
        ck_assert_str_eq(identifier, "sidecard");
        ck_assert_int_ge(sd_bus_get_property_string(world->bus, WORLD_BUS_NAME, path, interface,
                                                    "LogTarget", NULL, &target),
                         0);
        r = sd_bus_set_property(world->bus, WORLD_BUS_NAME, path, interface, "LogLevel", &error,
                                "s", "whispering");
        assert_error(r, &error, "org.freedesktop.DBus.Error.InvalidArgs", "");
}
END_TEST

TEST_MAIN_TIMEOUT("interface",
                  120,
                  world_setup,
                  world_teardown,
                  what_is_announced_is_what_the_xml_says,
                  the_object_manager_has_every_app_and_sidecar,
                  reload_announces_apps_that_come_and_go,
                  properties_changed_tells_what_the_xml_promises,
                  unknown_apps_and_sidecars_have_their_own_errors,
                  of_a_set_the_one_that_is_unknown_is_named,
                  unknown_objects_and_methods_keep_their_standard_errors,
                  options_that_are_unknown_or_of_the_wrong_type_are_invalid,
                  wait_says_at_once_what_can_no_longer_come_true_and_runs_out_without_an_error,
                  a_wait_that_is_under_way_is_told_of_a_stop,
                  listsidecars_is_sorted_and_can_be_narrowed,
                  logcontrol1_is_as_systemctl_wants_it)
