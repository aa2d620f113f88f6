/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Brings
 *
 * What is asked of a sidecar's environment is asked of what it has written, so it is the one that
 * it was born with.
 */

#include <check.h>
#include <string.h>

#include "brings.h"

static void append_env(sd_bus_message *call, const char *env) {
        _cleanup_(strv_freep) char **entries = NULL;

        ck_assert_int_ge(strv_split(&entries, env, ' '), 0);
        ck_assert_int_ge(sd_bus_message_open_container(call, 'e', "sv"), 0);
        ck_assert_int_ge(sd_bus_message_append(call, "s", "env"), 0);
        ck_assert_int_ge(sd_bus_message_open_container(call, 'v', "a{ss}"), 0);
        ck_assert_int_ge(sd_bus_message_open_container(call, 'a', "{ss}"), 0);
        STRV_FOREACH (entry, entries) {
                _cleanup_free_ char *name = strndup(*entry, strcspn(*entry, "="));

                ck_assert_int_ge(
                        sd_bus_message_append(call, "{ss}", name, *entry + strlen(name) + 1), 0);
        }
        for (int depth = 0; depth < 3; depth++)
                ck_assert_int_ge(sd_bus_message_close_container(call), 0);
}

int try_to_bring(sd_bus *bus, Brings brings, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;

        ck_assert_int_ge(sd_bus_message_new_method_call(bus, &call, WORLD_BUS_NAME, WORLD_PATH,
                                                        WORLD_BUS_NAME ".Manager", "Hold"),
                         0);
        ck_assert_int_ge(
                sd_bus_message_append(call, "ss", brings.app ? brings.app : WORLD_APP, "a test"),
                0);
        ck_assert_int_ge(sd_bus_message_open_container(call, 'a', "{sv}"), 0);
        if (brings.env)
                append_env(call, brings.env);
        if (brings.manifest)
                ck_assert_int_ge(
                        sd_bus_message_append(call, "{sv}", "manifest", "s", brings.manifest), 0);
        if (brings.base_dir)
                ck_assert_int_ge(
                        sd_bus_message_append(call, "{sv}", "base-dir", "s", brings.base_dir), 0);
        ck_assert_int_ge(sd_bus_message_close_container(call), 0);
        return sd_bus_call(bus, call, 0, error, NULL);
}

void bring(sd_bus *bus, Brings brings) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = try_to_bring(bus, brings, &error);

        ck_assert_msg(r >= 0, "Hold: %s: %s", error.name, error.message);
}

void bring_in_vain(sd_bus *bus, Brings brings, const char *error_name, const char *says) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = try_to_bring(bus, brings, &error);

        ck_assert_msg(r < 0, "It is held, and should not be");
        ck_assert_msg(streq(error.name, error_name), "%s: %s", error.name, error.message);
        ck_assert_msg(strstr(error.message, says), "%s, and not: %s", error.message, says);
}

char *dump_of(World *w, const char *name, uint64_t generation) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;
        LogQuery query = { .has_after = true,
                           .generation = generation,
                           .wait_usec = 5 * USEC_PER_SEC };
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        bool is_whole = false;

        (void) fputc('\n', out);
        while (!is_whole && clock_monotonic_usec() < deadline) {
                _cleanup_(log_page_clear) LogPage page = log_query(w, name, query);

                for (size_t i = 0; i < page.n_lines; i++) {
                        (void) fprintf(out, "%s\n", page.lines[i].text);
                        is_whole = is_whole || streq(page.lines[i].text, "end");
                }
                query.after = page.next;
        }
        ck_assert_int_eq(fclose(out), 0);
        ck_assert_msg(is_whole, "%s did not say all: %s", name, text);
        return text;
}

bool has_line(const char *dump, const char *line) {
        _cleanup_free_ char *whole = NULL;

        ck_assert_int_ge(asprintf(&whole, "\n%s\n", line), 0);
        return strstr(dump, whole);
}

char *dump_now(World *w, const char *name) {
        return dump_of(w, name, (uint64_t) world_get_number(w, name, "Generation"));
}

bool was_born_with(World *w, const char *name, const char *line) {
        _cleanup_free_ char *dump = dump_now(w, name);

        return has_line(dump, line);
}

bool was_born_without(World *w, const char *name, const char *variable) {
        _cleanup_free_ char *dump = dump_now(w, name), *begins = NULL;

        ck_assert_int_ge(asprintf(&begins, "\nenv %s=", variable), 0);
        return !strstr(dump, begins);
}

void restart_it(World *w, const char *name) {
        _cleanup_free_ char *path = sidecar_path(name);

        ck_assert_int_ge(world_call(w, path, "Sidecar", "Restart", NULL, NULL, "a{sv}", 0), 0);
        world_wait_ready(w, name);
}

void crash_it(World *w, const char *name) {
        _cleanup_close_ int pidfd = world_open_main(w, name);
        int64_t generation = world_get_number(w, name, "Generation");

        process_signal(pidfd, SIGKILL);
        WORLD_AWAIT(w, world_get_number(w, name, "Generation") > generation);
        world_wait_ready(w, name);
}

void kill_the_brain(World *w) {
        _cleanup_free_ char *former = strdup(w->owner);
        _cleanup_close_ int pidfd = process_open(world_brain(w));

        process_signal(pidfd, SIGKILL);
        WORLD_AWAIT(w, w->owner[0] != '\0' && !streq(w->owner, former));
}
