/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Files
 *
 * What is written goes through world_write_file(), which writes as an editor without a backup
 * does: it cuts the file and writes it again.
 */

#include <check.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#include "app-calls.h"
#include "files.h"

static char *make_json(const char *format, va_list arguments) _printf_(1, 0);
static char *make_json(const char *format, va_list arguments) {
        char *text;

        ck_assert_int_ge(vasprintf(&text, format, arguments), 0);
        for (char *quote = text; (quote = strchr(quote, '\'')); quote++)
                *quote = '"';
        return text;
}

void file_write_json(const World *w, const char *name, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list arguments;

        va_start(arguments, format);
        text = make_json(format, arguments);
        va_end(arguments);
        world_write_file(w, name, 0644, text);
}

void file_rename(const World *w, const char *from, const char *to) {
        _cleanup_free_ char *old = NULL, *new = NULL;

        ck_assert_int_ge(asprintf(&old, "%s/%s", w->dir, from), 0);
        ck_assert_int_ge(asprintf(&new, "%s/%s", w->dir, to), 0);
        ck_assert_msg(rename(old, new) == 0, "%s to %s: %s", from, to, strerror(errno));
}

void file_replace_json(const World *w, const char *name, const char *format, ...) {
        _cleanup_free_ char *text = NULL, *beside = NULL;
        va_list arguments;

        va_start(arguments, format);
        text = make_json(format, arguments);
        va_end(arguments);
        ck_assert_int_ge(asprintf(&beside, "%s.new", name), 0);
        world_write_file(w, beside, 0644, text);
        file_rename(w, beside, name);
}

void file_replace_program(const World *w, const char *name, unsigned int version) {
        _cleanup_free_ char *text = NULL, *beside = NULL;

        ck_assert_int_ge(asprintf(&text, "#!" TEST_CHILDREN "/idler %u\n", version), 0);
        ck_assert_int_ge(asprintf(&beside, "%s.new", name), 0);
        world_write_file(w, beside, 0755, text);
        file_rename(w, beside, name);
}

void file_remove(const World *w, const char *name) {
        _cleanup_free_ char *path = NULL;

        ck_assert_int_ge(asprintf(&path, "%s/%s", w->dir, name), 0);
        ck_assert_msg(unlink(path) == 0, "%s: %s", path, strerror(errno));
}

void file_mask(const World *w, const char *name) {
        _cleanup_free_ char *path = NULL;

        ck_assert_int_ge(asprintf(&path, "%s/%s", w->dir, name), 0);
        ck_assert_int_eq(symlink("/dev/null", path), 0);
}

static int ignore(sd_bus_message *m _unused_, void *userdata _unused_, sd_bus_error *e _unused_) {
        return 0;
}

void files_listen(World *w) {
        ck_assert_int_ge(sd_bus_add_match(w->bus, NULL,
                                          "type='signal',path_namespace='" WORLD_PATH "'", ignore,
                                          NULL),
                         0);
}

bool needs_restart(World *w, const char *name) {
        return world_get_number(w, name, "NeedsRestart") != 0;
}

const char *load_state(World *w) {
        static char state[32];
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *text = NULL;

        if (sd_bus_get_property_string(w->bus, WORLD_BUS_NAME, WORLD_APP_PATH,
                                       WORLD_BUS_NAME ".App", "LoadState", &error, &text) < 0)
                ck_assert_str_eq(error.name, SD_BUS_ERROR_UNKNOWN_OBJECT);
        (void) snprintf(state, sizeof(state), "%s", text ? text : "");
        return state;
}

/* What is separated by NULs in there, with `separator` instead. */
static char *read_of_main(World *w, const char *name, const char *file, char separator) {
        _cleanup_free_ char *path = NULL;
        char *text = calloc(1, 65536);
        int64_t pid = world_get_number(w, name, "MainPID");
        int fd;
        ssize_t n;

        ck_assert_int_gt(pid, 0);
        ck_assert_int_ge(asprintf(&path, "/proc/%lld/%s", (long long) pid, file), 0);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
        n = read(fd, text, 65535);
        (void) close(fd);
        ck_assert_int_gt(n, 0);
        for (ssize_t i = 0; i + 1 < n; i++)
                if (text[i] == '\0')
                        text[i] = separator;

        return text;
}

char *arguments_of(World *w, const char *name) {
        return read_of_main(w, name, "cmdline", ' ');
}

char *variable_of(World *w, const char *name, const char *variable) {
        _cleanup_free_ char *environment = read_of_main(w, name, "environ", '\n');
        _cleanup_(strv_freep) char **lines = NULL;
        const char *value;

        ck_assert_int_ge(strv_split(&lines, environment, '\n'), 0);
        value = strv_env_get(lines, variable);
        return value ? strdup(value) : NULL;
}

size_t count_events(World *w, const char *type) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        size_t n = 0;

        ck_assert_int_ge(world_call(w, WORLD_PATH, "Manager", "GetEvents", NULL, &reply, "ta{sv}",
                                    UINT64_C(0), 2, "app", "s", WORLD_APP, "types", "as", 1, type),
                         0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "a{sv}"), 0);
        while (sd_bus_message_skip(reply, "a{sv}") > 0)
                n++;
        return n;
}

void call_reload(World *w) {
        ck_assert_int_ge(world_call(w, WORLD_PATH, "Manager", "Reload", NULL, NULL, ""), 0);
}

void restart_stale(World *w) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        ck_assert_msg(app_call(w, "Restart", &error, NULL, "a{sv}", 1, "only-stale", "b", 1) >= 0,
                      "%s", error.message);
}
