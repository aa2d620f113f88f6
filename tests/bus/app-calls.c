/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * App calls
 *
 * Each client has a connection of its own, because a hold is bound to one: what is told to one
 * client is told to none of the others.
 */

#include <check.h>
#include <fcntl.h>
#include <string.h>

#include "app-calls.h"

sd_bus *client_open(const World *w) {
        sd_bus *bus;

        ck_assert_int_eq(sd_bus_new(&bus), 0);
        ck_assert_int_ge(sd_bus_set_address(bus, w->bus_address), 0);
        ck_assert_int_ge(sd_bus_set_bus_client(bus, 1), 0);
        ck_assert_int_ge(sd_bus_start(bus), 0);
        return bus;
}

sd_bus_message *
client_new_hold(sd_bus *bus, const char *app, const char *sidecars, uint64_t linger_usec) {
        _cleanup_(strv_freep) char **names = NULL;
        sd_bus_message *call;

        ck_assert_int_ge(strv_split(&names, sidecars ? sidecars : "", ','), 0);
        ck_assert_int_ge(sd_bus_message_new_method_call(bus, &call, WORLD_BUS_NAME, WORLD_PATH,
                                                        WORLD_BUS_NAME ".Manager", "Hold"),
                         0);
        ck_assert_int_ge(sd_bus_message_append(call, "ss", app, "a test"), 0);
        ck_assert_int_ge(sd_bus_message_open_container(call, 'a', "{sv}"), 0);
        if (sidecars) {
                ck_assert_int_ge(sd_bus_message_open_container(call, 'e', "sv"), 0);
                ck_assert_int_ge(sd_bus_message_append(call, "s", "sidecars"), 0);
                ck_assert_int_ge(sd_bus_message_open_container(call, 'v', "as"), 0);
                ck_assert_int_ge(sd_bus_message_append_strv(call, names), 0);
                ck_assert_int_ge(sd_bus_message_close_container(call), 0);
                ck_assert_int_ge(sd_bus_message_close_container(call), 0);
        }
        if (linger_usec > 0)
                ck_assert_int_ge(
                        sd_bus_message_append(call, "{sv}", "linger-usec", "t", linger_usec), 0);
        ck_assert_int_ge(sd_bus_message_close_container(call), 0);
        return call;
}

int client_try_hold(sd_bus *bus, const char *app, const char *sidecars, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call =
                client_new_hold(bus, app, sidecars, 0);

        return sd_bus_call(bus, call, 0, error, NULL);
}

void client_hold(sd_bus *bus, const char *sidecars) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = client_try_hold(bus, WORLD_APP, sidecars, &error);

        ck_assert_msg(r >= 0, "Hold: %s: %s", error.name, error.message);
}

char *client_hold_in_vain(sd_bus *bus, const char *app, const char *error_name) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = client_try_hold(bus, app, NULL, &error);

        ck_assert_msg(r < 0, "%s is held, and should not be", app);
        ck_assert_str_eq(error.name, error_name);
        return strdup(error.message);
}

void client_release(sd_bus *bus) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call_method(bus, WORLD_BUS_NAME, WORLD_PATH, WORLD_BUS_NAME ".Manager",
                                   "Release", &error, NULL, "s", WORLD_APP);

        ck_assert_msg(r >= 0, "Release: %s: %s", error.name, error.message);
}

static void append_names(char ***argv, const char *sidecars) {
        _cleanup_(strv_freep) char **names = NULL;

        ck_assert_int_ge(strv_split(&names, sidecars, ','), 0);
        STRV_FOREACH (name, names)
                ck_assert_int_ge(strv_extend(argv, *name), 0);
}

Holder holder_spawn(const World *w, const HolderSpec *spec) {
        _cleanup_(strv_freep) char **argv = NULL;
        ProcessSpec process = { 0 };
        Holder holder;
        int ends[2];

        ck_assert_int_ge(strv_extend(&argv, TEST_HOLDER), 0);
        ck_assert_int_ge(strv_extend(&argv, w->bus_address), 0);
        ck_assert_int_ge(strv_extend(&argv, spec->app ? spec->app : WORLD_APP), 0);
        ck_assert_int_ge(strv_extendf(&argv, "%" PRIu64, spec->linger_usec), 0);
        ck_assert_int_ge(strv_extend(&argv, spec->leaves_socket ? "leaves-socket" : "alone"), 0);
        ck_assert_int_ge(strv_extend(&argv, spec->sidecars ? "set" : "default"), 0);
        append_names(&argv, spec->sidecars ? spec->sidecars : "");

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        process.argv = (const char *const *) argv;
        process.output_fd = ends[1];
        holder = (Holder){ process_spawn(&process), ends[0] };
        (void) close(ends[1]);
        return holder;
}

void holder_await_line(const Holder *holder, const char *line) {
        char said[256] = "";
        size_t n = 0;

        while (n < sizeof(said) - 1 && read(holder->output_fd, said + n, 1) == 1 && said[n] != '\n')
                n++;
        said[n] = '\0';
        ck_assert_str_eq(said, line);
}

Holder holder_start(const World *w, const HolderSpec *spec) {
        Holder holder = holder_spawn(w, spec);

        holder_await_line(&holder, "held");
        return holder;
}

void holder_kill(Holder *holder) {
        process_signal(holder->process.pidfd, SIGKILL);
        (void) process_reap(&holder->process);
        holder->output_fd = safe_close(holder->output_fd);
}

size_t app_count_holds(World *w) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        size_t n = 0;

        ck_assert_int_ge(sd_bus_get_property(w->bus, WORLD_BUS_NAME, WORLD_PATH,
                                             WORLD_BUS_NAME ".Manager", "Holds", NULL, &reply,
                                             "aa{sv}"),
                         0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "a{sv}"), 0);
        for (; sd_bus_message_at_end(reply, false) == 0; n++)
                ck_assert_int_ge(sd_bus_message_skip(reply, "a{sv}"), 0);
        return n;
}

static int on_properties_changed(sd_bus_message *message _unused_,
                                 void *userdata _unused_,
                                 sd_bus_error *error _unused_) {
        return 0;
}

/* The property says when it changes: each time is a turn of the world. */
void app_await_holds(World *w, size_t n) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;

        ck_assert_int_ge(sd_bus_match_signal(w->bus, &slot, WORLD_BUS_NAME, WORLD_PATH,
                                             "org.freedesktop.DBus.Properties", "PropertiesChanged",
                                             on_properties_changed, NULL),
                         0);
        WORLD_AWAIT(w, app_count_holds(w) == n);
}

char *app_text(World *w, const char *property) {
        return world_get_text_at(w, WORLD_APP_PATH, "App", property);
}

char *app_load_error(World *w) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *pointer, *message;
        char *text;

        ck_assert_int_ge(sd_bus_get_property(w->bus, WORLD_BUS_NAME, WORLD_APP_PATH,
                                             WORLD_BUS_NAME ".App", "LoadError", NULL, &reply,
                                             "(ss)"),
                         0);
        ck_assert_int_gt(sd_bus_message_read(reply, "(ss)", &pointer, &message), 0);
        ck_assert_int_ge(asprintf(&text, "%s: %s", pointer, message), 0);
        return text;
}

int app_wait(World *w, const char *condition, sd_bus_error *error) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;

        while (clock_monotonic_usec() < deadline) {
                uint64_t asked_at = clock_monotonic_usec();
                int r = app_call(w, "Wait", error, NULL, "st", condition, 10 * USEC_PER_SEC);

                /* An answer before its time is one that says that it holds. */
                if (r < 0 || clock_monotonic_usec() < asked_at + 10 * USEC_PER_SEC)
                        return r;
        }

        ck_abort_msg("The app does not come to be %s", condition);
}

void app_wait_ready(World *w) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = app_wait(w, "ready", &error);

        ck_assert_msg(r >= 0, "The app does not get ready: %s: %s", error.name, error.message);
}

void app_set_mode(World *w, const char *mode) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = app_call(w, "SetMode", &error, NULL, "sa{sv}", mode, 0);

        ck_assert_msg(r >= 0, "SetMode %s: %s: %s", mode, error.name, error.message);
}

void app_stop(World *w) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = app_call(w, "Stop", &error, NULL, "a{sv}", 0);

        ck_assert_msg(r >= 0, "Stop: %s: %s", error.name, error.message);
}

/* One process tells one story: the changes of mode in it, oldest first. */
static char **mode_changes;
static size_t n_modes_taken;

static int
on_mode_changed(sd_bus_message *message, void *userdata _unused_, sd_bus_error *error _unused_) {
        const char *former, *present, *result;

        ck_assert_int_gt(sd_bus_message_read(message, "sss", &former, &present, &result), 0);
        ck_assert_int_ge(strv_extendf(&mode_changes, "%s %s %s", former, present, result), 0);
        return 0;
}

void mode_listen(World *w) {
        ck_assert_int_ge(sd_bus_add_match(w->bus, NULL,
                                          "type='signal',member='ModeChanged',"
                                          "interface='org.sidecard.Sidecars1.App'",
                                          on_mode_changed, NULL),
                         0);
}

char *mode_next(World *w) {
        WORLD_AWAIT(w, strv_length(mode_changes) > n_modes_taken);
        return strdup(mode_changes[n_modes_taken++]);
}
