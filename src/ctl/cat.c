/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl cat
 *
 * The files that make the manifest in force, each under its path, as `systemctl cat` has it. The
 * daemon knows which; they are read here, as they are on disk.
 */

#include <stdio.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/show-each.h"
#include "ctl/verbs.h"
#include "util/strv.h"
#include "util/visible.h"

/* The manifest first. None is an empty vector or NULL. */
static int list_files(char ***ret, sd_bus *bus, const Target *app) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *manifest = NULL, *drop_ins = NULL;
        _cleanup_(strv_freep) char **paths = NULL;
        const char *path;
        int r;

        r = client_get(bus, &manifest, app->path, INTERFACE_APP, "ManifestPath");
        if (r == 0)
                r = client_get(bus, &drop_ins, app->path, INTERFACE_APP, "DropInPaths");
        if (r != 0)
                return r;

        r = sd_bus_message_read(manifest, "s", &path);
        if (r >= 0 && *path)
                r = strv_extend(&paths, path);
        if (r >= 0)
                r = sd_bus_message_enter_container(drop_ins, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(drop_ins, "s", &path)) > 0)
                r = strv_extend(&paths, path);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(paths);
        return 0;
}

static int read_file(char **ret, const char *path) {
        FILE *file = fopen(path, "re");
        char *text = NULL;
        size_t size = 0;
        ssize_t n;

        if (!file)
                return complain(EXIT_FAILED, "Cannot read %s: %s", path, strerror(errno));

        /* No manifest holds a NUL. */
        n = getdelim(&text, &size, '\0', file);
        (void) fclose(file);
        if (n < 0) {
                free(text);
                text = strdup("");
        }

        *ret = text;
        return text ? 0 : -ENOMEM;
}

/* A file is lines, and on a terminal nothing but. */
static int print_file(const Screen *screen, const char *path, char *text) {
        (void) printf("%s# %s%s\n", screen_color(screen, COLOR_BOLD), path,
                      screen_color(screen, COLOR_NONE));

        for (char *line = text; line && *line;) {
                char *end = strchr(line, '\n');
                _cleanup_free_ char *visible = NULL;

                if (end)
                        *end = '\0';
                visible = screen->is_terminal ? visible_make(line) : strdup(line);
                if (!visible)
                        return -ENOMEM;
                (void) puts(visible);
                line = end ? end + 1 : NULL;
        }

        return 0;
}

static void write_file(JsonWriter *writer, const char *path, const char *text) {
        json_open(writer, '{');
        json_member(writer, "Path", path);
        json_member(writer, "Text", text);
        json_close(writer, '}');
}

static int show_files(const Arguments *arguments, JsonWriter *writer, char *const *paths) {
        int r = 0;

        STRV_FOREACH (path, paths) {
                _cleanup_free_ char *text = NULL;

                r = read_file(&text, *path);
                if (r != 0)
                        break;
                if (arguments->json) {
                        write_file(writer, *path, text);
                        continue;
                }
                if (path != paths)
                        (void) putchar('\n');
                r = print_file(&arguments->screen, *path, text);
                if (r != 0)
                        break;
        }

        return r;
}

static int
show_app(const Arguments *arguments, JsonWriter *writer, sd_bus *bus, const Target *app) {
        _cleanup_(strv_freep) char **paths = NULL;
        int r;

        if (app->name)
                return complain(EXIT_USAGE, "A manifest is of an app: sidecarctl cat %s", app->app);

        r = list_files(&paths, bus, app);
        if (r == 0 && !paths)
                return complain(EXIT_FAILED, "%s came without a file", app->app);

        return r != 0 ? r : show_files(arguments, writer, paths);
}

int verb_cat(const Arguments *arguments) {
        return show_each(arguments, targets_resolve, show_app);
}
