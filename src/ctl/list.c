/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl list
 *
 * ListSidecars has all of the table. What it cannot have are apps whose manifest is broken: the
 * names of all apps are those of their objects, and each is asked for that one property.
 */

#include <string.h>

#include "ctl/app-problem.h"
#include "ctl/client.h"
#include "ctl/json-writer.h"
#include "ctl/listing.h"
#include "ctl/table.h"
#include "ctl/verbs.h"
#include "util/strv.h"

#define NODE_BEGINS "<node name=\""

static int
print_problem(const AppProblem *problem, sd_bus *bus, const char *app, const char *path) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *text = NULL;
        const char *file;
        int r;

        r = client_get(bus, &reply, path, INTERFACE_APP, "ManifestPath");
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "s", &file);
        if (r < 0)
                return r;

        text = app_problem_text(problem);
        if (!text)
                return -ENOMEM;

        (void) printf("\n%s: its manifest is broken; what was in force stays so\n  %s\n"
                      "  sidecarctl check %s\n",
                      app, text, file);
        return 0;
}

static void write_problem(JsonWriter *writer, const AppProblem *problem, const char *app) {
        json_open(writer, '{');
        json_member(writer, "Id", app);
        json_key(writer, "LoadError");
        json_open(writer, '[');
        json_string(writer, problem->pointer);
        json_string(writer, problem->message);
        json_close(writer, ']');
        json_close(writer, '}');
}

/* writer NULL: for people. */
static int show_app(JsonWriter *writer, sd_bus *bus, const char *path) {
        _cleanup_(app_problem_done) AppProblem problem = { 0 };
        _cleanup_free_ char *app = NULL;
        int r;

        r = sd_bus_path_decode(path, PATH_APPS, &app);
        if (r <= 0)
                return r;

        r = app_problem_read(&problem, bus, path);
        if (r != 0 || !*problem.message)
                return r;
        if (!writer)
                return print_problem(&problem, bus, app, path);

        write_problem(writer, &problem, app);
        return 0;
}

/* The children of PATH_APPS, as introspection tells of them. */
static int read_app_paths(char ***ret, sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(strv_freep) char **paths = NULL;
        const char *xml;
        int n_name, r;

        r = client_call(bus, &reply, PATH_APPS, "org.freedesktop.DBus.Introspectable", "Introspect",
                        NULL);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "s", &xml);
        if (r < 0)
                return r;

        while ((xml = strstr(xml, NODE_BEGINS))) {
                xml += strlen(NODE_BEGINS);
                n_name = (int) strcspn(xml, "\"/");
                if (xml[n_name] == '/')
                        continue; /* one of its sidecars, which are in the same answer */
                r = strv_extendf(&paths, PATH_APPS "/%.*s", n_name, xml);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(paths);
        return 0;
}

static int show_problems(JsonWriter *writer, sd_bus *bus, const Target *app) {
        _cleanup_(strv_freep) char **paths = NULL;
        int r;

        r = app ? strv_extend(&paths, app->path) : read_app_paths(&paths, bus);
        if (r != 0)
                return r;

        STRV_FOREACH (path, paths) {
                r = show_app(writer, bus, *path);
                if (r != 0)
                        return r;
        }

        return 0;
}

static int add_row(Table *table, const Listed *item, const Screen *screen) {
        Color color = color_of_status(item->status);
        _cleanup_free_ char *name = NULL;
        char pid[16] = "";
        int r;

        if (asprintf(&name, "%s %s/%s",
                     screen_glyph(screen, color == COLOR_NONE ? GLYPH_CIRCLE : GLYPH_DOT),
                     item->app, item->name) < 0)
                return -ENOMEM;
        if (item->main_pid > 0)
                (void) snprintf(pid, sizeof(pid), "%u", item->main_pid);

        r = table_add(table, name, COLOR_NONE);
        if (r >= 0)
                r = table_add(table, item->status, color);
        if (r >= 0)
                r = table_add(table, item->sub_state, COLOR_NONE);
        if (r >= 0)
                r = table_add(table, pid, COLOR_NONE);

        return r;
}

static int print_list(const Listing *listing, const Screen *screen) {
        static const char *const headings[] = { "  SIDECAR", "STATUS", "DETAIL", "PID" };
        _cleanup_(table_done) Table table = { .n_columns = ELEMENTSOF(headings) };
        int r = 0;

        if (listing->n_items == 0) {
                (void) puts("There is no sidecar: no manifest declares one (see "
                            "sidecard-manifest(5)).");
                return 0;
        }

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(headings); i++)
                r = table_add(&table, headings[i], COLOR_BOLD);
        for (size_t i = 0; r >= 0 && i < listing->n_items; i++)
                r = add_row(&table, &listing->items[i], screen);
        if (r < 0)
                return r;

        table_print(&table, screen);
        return 0;
}

static void write_item(JsonWriter *writer, const Listed *item) {
        json_open(writer, '{');
        json_member(writer, "AppId", item->app);
        json_member(writer, "Name", item->name);
        json_member(writer, "Status", item->status);
        json_member(writer, "SubState", item->sub_state);
        json_member_unsigned(writer, "MainPID", item->main_pid);
        json_close(writer, '}');
}

static int write_list(const Listing *listing, sd_bus *bus, const Target *app) {
        JsonWriter writer = { .stream = stdout };
        int r;

        json_open(&writer, '{');
        json_key(&writer, "Sidecars");
        json_open(&writer, '[');
        for (size_t i = 0; i < listing->n_items; i++)
                write_item(&writer, &listing->items[i]);
        json_close(&writer, ']');

        json_key(&writer, "Apps");
        json_open(&writer, '[');
        r = show_problems(&writer, bus, app);
        json_close(&writer, ']');
        json_close(&writer, '}');
        json_end(&writer);
        return r;
}

static int show_list(const Arguments *arguments, sd_bus *bus, const Target *app) {
        _cleanup_(listing_done) Listing listing = { 0 };
        int r;

        r = listing_read(&listing, bus, app ? app->app : NULL);
        if (r != 0)
                return r;
        if (arguments->json)
                return write_list(&listing, bus, app);

        r = print_list(&listing, &arguments->screen);
        return r != 0 ? r : show_problems(NULL, bus, app);
}

int verb_list(const Arguments *arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(target_done) Target app = { 0 };
        int r;

        r = client_connect(&bus);
        if (r == 0 && arguments->n_names > 0)
                r = target_resolve(&app, bus, arguments->names[0]);
        if (r != 0)
                return r;
        if (app.name)
                return complain(EXIT_USAGE,
                                "list takes an APP; for one sidecar: sidecarctl status "
                                "%s/%s",
                                app.app, app.name);

        return show_list(arguments, bus, app.app ? &app : NULL);
}
