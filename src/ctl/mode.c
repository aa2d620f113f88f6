/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl mode
 *
 * SetMode answers with the plan. What comes of it is told by ModeChanged, and once that is listened
 * for by the property ModeResult, if the switch was over before.
 */

#include "ctl/app-problem.h"
#include "ctl/client.h"
#include "ctl/json-message.h"
#include "ctl/listing.h"
#include "ctl/table.h"
#include "ctl/verbs.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/strv.h"

#define SWITCHING "switching"

static int get_text(char **ret, sd_bus *bus, const char *path, const char *property) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *text;
        int r;

        r = client_get(bus, &reply, path, INTERFACE_APP, property);
        if (r != 0)
                return r;

        r = sd_bus_message_read(reply, "s", &text);
        return r < 0 ? r : free_and_strdup(ret, text);
}

static void print_modes(const Screen *screen, char **modes, const char *mode, const char *result) {
        STRV_FOREACH (name, modes) {
                bool is_current = streq(*name, mode);

                (void) printf("%s%s %s%s%s%s%s\n",
                              screen_color(screen, is_current ? COLOR_GREEN : COLOR_NONE),
                              is_current ? screen_glyph(screen, GLYPH_DOT) : " ", *name,
                              screen_color(screen, COLOR_NONE),
                              is_current && !streq(result, "done") ? " (" : "",
                              is_current && !streq(result, "done") ? result : "",
                              is_current && !streq(result, "done") ? ")" : "");
        }
}

static int write_modes(sd_bus_message *modes, const char *mode, const char *result) {
        JsonWriter writer = { .stream = stdout };
        int r;

        json_open(&writer, '{');
        json_member(&writer, "Mode", mode);
        json_key(&writer, "Modes");
        r = json_message_value(&writer, modes);
        json_member(&writer, "ModeResult", result);
        json_close(&writer, '}');
        json_end(&writer);
        return r < 0 ? r : 0;
}

static int show_modes(const Arguments *arguments, sd_bus *bus, const Target *app) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *mode = NULL, *result = NULL;
        _cleanup_(strv_freep) char **modes = NULL;
        int r;

        r = get_text(&mode, bus, app->path, "Mode");
        if (r == 0 && !*mode)
                r = app_problem_complain(bus, app->app, app->path);
        if (r == 0)
                r = get_text(&result, bus, app->path, "ModeResult");
        if (r == 0)
                r = client_get(bus, &reply, app->path, INTERFACE_APP, "Modes");
        if (r != 0)
                return r;
        if (arguments->json)
                return write_modes(reply, mode, result);

        r = sd_bus_message_read_strv(reply, &modes);
        if (r < 0)
                return r;

        print_modes(&arguments->screen, modes, mode, result);
        return 0;
}

static int print_plan(const Screen *screen, sd_bus_message *reply) {
        static const char *const headings[] = { "SIDECAR", "ACTION", "REASON" };
        _cleanup_(table_done) Table table = { .n_columns = ELEMENTSOF(headings) };
        const char *cells[ELEMENTSOF(headings)];
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(headings); i++)
                r = table_add(&table, headings[i], COLOR_BOLD);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sss)");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_read(reply, "(sss)", &cells[0], &cells[1], &cells[2])) > 0)
                for (size_t i = 0; i < ELEMENTSOF(cells); i++) {
                        r = table_add(&table, cells[i], COLOR_NONE);
                        if (r < 0)
                                return r;
                }
        if (r < 0)
                return r;

        table_print(&table, screen);
        (void) fflush(stdout);
        return 0;
}

static int write_plan(JsonWriter *writer, sd_bus_message *reply) {
        const char *sidecar, *action, *reason;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "(sss)");
        if (r < 0)
                return r;

        json_key(writer, "Plan");
        json_open(writer, '[');
        while ((r = sd_bus_message_read(reply, "(sss)", &sidecar, &action, &reason)) > 0) {
                json_open(writer, '{');
                json_member(writer, "sidecar", sidecar);
                json_member(writer, "action", action);
                json_member(writer, "reason", reason);
                json_close(writer, '}');
        }
        json_close(writer, ']');
        return r;
}

static int
set_mode(const Arguments *arguments, sd_bus *bus, const char *path, sd_bus_message **ret) {
        return arguments->dry_run ? client_call(bus, ret, path, INTERFACE_APP, "SetMode", "sa{sv}",
                                                arguments->names[1], 1, "dry-run", "b", true)
                                  : client_call(bus, ret, path, INTERFACE_APP, "SetMode", "sa{sv}",
                                                arguments->names[1], 0);
}

/* userdata: the result, which is ours to replace. */
static int
on_mode_changed(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error _unused_) {
        const char *old_mode, *new_mode, *result;

        if (sd_bus_message_read(signal, "sss", &old_mode, &new_mode, &result) >= 0)
                (void) free_and_strdup(userdata, result);

        return 0;
}

/* The bus takes the match before it hands on our question, so that one of the two tells. */
static int
wait_for_result(char **result, const Arguments *arguments, sd_bus *bus, const char *path) {
        uint64_t deadline = arguments->timeout_usec > 0
                                    ? clock_monotonic_usec() + arguments->timeout_usec
                                    : USEC_INFINITY;
        _cleanup_free_ char *property = NULL;
        int r;

        r = get_text(&property, bus, path, "ModeResult");
        if (r != 0)
                return r;
        if (!streq(property, SWITCHING)) {
                *result = TAKE_PTR(property);
                return 0;
        }

        while (!*result) {
                uint64_t now = clock_monotonic_usec();

                if (now >= deadline)
                        return complain(EXIT_TIMED_OUT, "The switch to %s is still under way",
                                        arguments->names[1]);
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus,
                                        deadline == USEC_INFINITY ? UINT64_MAX : deadline - now);
                if (r == -ENOTCONN || r == -ECONNRESET)
                        return complain(EXIT_NO_DAEMON, "The session bus went away");
                if (r < 0 && r != -EINTR)
                        return r;
        }

        return 0;
}

static int judge(const char *mode, const char *result) {
        if (streq(result, "done"))
                return 0;

        return complain(EXIT_FAILED, "The switch to %s ended as \"%s\"%s", mode, result,
                        streq(result, "rolled-back")
                                ? ": what was up before is up again (sidecarctl events tells more)"
                                : " (sidecarctl list shows what is up)");
}

static int
show_switch(const Arguments *arguments, sd_bus *bus, const char *path, sd_bus_message *plan) {
        JsonWriter writer = { .stream = stdout };
        _cleanup_free_ char *result = NULL;
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        int r = 0;

        if (arguments->json) {
                json_open(&writer, '{');
                json_member(&writer, "Mode", arguments->names[1]);
                r = write_plan(&writer, plan);
        } else
                r = print_plan(&arguments->screen, plan);
        if (r < 0)
                return r;

        if (!arguments->dry_run && !arguments->no_wait) {
                r = sd_bus_match_signal_async(bus, &slot, BUS_NAME, path, INTERFACE_APP,
                                              "ModeChanged", on_mode_changed, NULL, &result);
                r = r < 0 ? r : wait_for_result(&result, arguments, bus, path);
        }

        if (arguments->json) {
                if (result)
                        json_member(&writer, "ModeResult", result);
                json_close(&writer, '}');
                json_end(&writer);
        }
        if (r != 0 || !result)
                return r;
        if (!arguments->json)
                (void) printf("%s: %s\n", arguments->names[1], result);

        return judge(arguments->names[1], result);
}

int verb_mode(const Arguments *arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *plan = NULL;
        _cleanup_(target_done) Target app = { 0 };
        int r;

        if (arguments->dry_run && arguments->n_names < 2)
                return complain(EXIT_USAGE, "--dry-run needs a mode: sidecarctl %s",
                                arguments->verb->synopsis);

        r = client_connect(&bus);
        if (r == 0)
                r = target_resolve(&app, bus, arguments->names[0]);
        if (r != 0)
                return r;
        if (app.name)
                return complain(EXIT_USAGE, "Modes are of an app: sidecarctl mode %s", app.app);
        if (arguments->n_names == 1)
                return show_modes(arguments, bus, &app);

        r = set_mode(arguments, bus, app.path, &plan);
        return r != 0 ? r : show_switch(arguments, bus, app.path, plan);
}
