/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Manifests, from outside: what is wrong with one is shown where a person looks, and nothing
 * that is up is touched by it (contract F3, F4, as far as one sidecar goes).
 */

#include <string.h>
#include <unistd.h>

#include "app-calls.h"
#include "test.h"

#define GOOD "'web': {'command': ['sleep', '1000']}"

static char *load_state(void) {
        _cleanup_free_ char *path = app_path(WORLD_APP);

        return world_get_text_at(world, path, "App", "LoadState");
}

/* Reload, and its problems as one text: "KEY=VALUE" each. */
static char *reload_problems(void) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *key, *type, *text;
        char *problems = NULL;
        uint32_t number;
        size_t size;
        FILE *out = open_memstream(&problems, &size);

        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "Reload", NULL, &reply, ""), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "a{sv}"), 0);
        while (sd_bus_message_enter_container(reply, 'a', "{sv}") > 0) {
                while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                        ck_assert_int_gt(sd_bus_message_read(reply, "s", &key), 0);
                        ck_assert_int_gt(sd_bus_message_peek_type(reply, NULL, &type), 0);
                        if (type[0] == 'u') {
                                ck_assert_int_gt(sd_bus_message_read(reply, "v", "u", &number), 0);
                                fprintf(out, "%s=%u\n", key, number);
                        } else {
                                ck_assert_int_gt(sd_bus_message_read(reply, "v", "s", &text), 0);
                                fprintf(out, "%s=%s\n", key, text);
                        }
                        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                }
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }

        ck_assert_int_eq(fclose(out), 0);
        return problems;
}

static void assert_has(const char *text, const char *words) {
        ck_assert_msg(strstr(text, words), "\"%s\" is not in: %s", words, text);
}

START_TEST(a_good_one_is_loaded_without_a_problem) {
        _cleanup_free_ char *state = NULL, *error = NULL, *problems = NULL;

        world_write_sidecars(world, GOOD);
        world_run(world);
        state = load_state();
        error = app_load_error(world);
        problems = reload_problems();
        ck_assert_str_eq(state, "loaded");
        ck_assert_str_eq(error, ": ");
        ck_assert_str_eq(problems, "");
}
END_TEST

START_TEST(f4_a_broken_one_leaves_the_last_good_one_in_force_and_says_where_it_is_broken) {
        _cleanup_free_ char *state = NULL, *error = NULL, *problems = NULL, *mended = NULL;
        uint64_t generation;

        world_write_sidecars(world, GOOD);
        world_run(world);
        generation = world_start_ready(world, "web");
        world_write_manifest(world, WORLD_APP,
                             "{'manifestVersion': 1, 'id': '" WORLD_APP "',\n"
                             " 'sidecars': {\n"
                             "  'web': {'command': ['sleep', '1000'],\n"
                             "   'startTimeout': 'soon'}}}\n");
        problems = reload_problems();
        state = load_state();
        error = app_load_error(world);

        ck_assert_str_eq(state, "bad-manifest");
        ck_assert_msg(startswith(error, "/sidecars/web/startTimeout: "), "LoadError: %s", error);
        assert_has(problems, "line=4\n");
        assert_has(problems, "pointer=/sidecars/web/startTimeout\n");
        assert_has(problems, "data/sidecard/apps/" WORLD_APP ".json\n");
        ck_assert_int_eq(world_get_number(world, "web", "Generation"), (int64_t) generation);
        ck_assert_str_eq(world_state(world, "web"), "Running/ready");
        world_stop(world, "web");
        (void) world_start_ready(world, "web");

        world_write_sidecars(world, GOOD);
        free(reload_problems());
        mended = load_state();
        ck_assert_str_eq(mended, "loaded");
}
END_TEST

START_TEST(f4_one_that_was_never_good_is_shown_too) {
        _cleanup_free_ char *state = NULL, *error = NULL;

        world_write_manifest(world, WORLD_APP, "{'manifestVersion': 1, 'id': '" WORLD_APP "',");
        world_run(world);
        state = load_state();
        error = app_load_error(world);
        ck_assert_str_eq(state, "bad-manifest");
        ck_assert_uint_gt(strlen(error), strlen(": "));
}
END_TEST

START_TEST(a_key_that_is_not_acted_on_yet_is_refused_and_an_unknown_one_too) {
        _cleanup_free_ char *later = NULL, *unknown = NULL;

        world_write_sidecars(world, GOOD);
        world_run(world);
        world_write_manifest(world, WORLD_APP,
                             "{'manifestVersion': 1, 'id': '" WORLD_APP "', 'permissions': [],"
                             " 'sidecars': {'web': {'command': ['sleep', '1000']}}}");
        later = reload_problems();
        assert_has(later, "pointer=/permissions\n");
        assert_has(later, "not supported yet");

        world_write_sidecars(world, "'web': {'command': ['sleep', '1000'], 'comand': []}");
        unknown = reload_problems();
        assert_has(unknown, "pointer=/sidecars/web/comand\n");
        ck_assert_ptr_null(strstr(unknown, "not supported yet"));
}
END_TEST

START_TEST(f1_a_link_to_dev_null_masks_it_and_what_is_up_stays_up) {
        _cleanup_free_ char *path = NULL, *masked = NULL, *loaded = NULL;

        world_write_sidecars(world, GOOD);
        world_run(world);
        (void) world_start_ready(world, "web");
        ck_assert_int_ge(asprintf(&path, "%s/data/sidecard/apps/%s.json", world->dir, WORLD_APP),
                         0);
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(symlink("/dev/null", path), 0);
        free(reload_problems());
        masked = load_state();
        ck_assert_str_eq(masked, "masked");
        ck_assert_str_eq(world_state(world, "web"), "Running/ready");

        ck_assert_int_eq(unlink(path), 0);
        world_write_sidecars(world, GOOD);
        free(reload_problems());
        loaded = load_state();
        ck_assert_str_eq(loaded, "loaded");
}
END_TEST

START_TEST(f3_what_is_up_outlives_its_manifest) {
        _cleanup_free_ char *file = NULL;
        int pidfd;

        world_write_sidecars(world, GOOD);
        world_run(world);
        (void) world_start_ready(world, "web");
        pidfd = world_open_main(world, "web");
        ck_assert_int_ge(asprintf(&file, "%s/data/sidecard/apps/%s.json", world->dir, WORLD_APP),
                         0);
        ck_assert_int_eq(unlink(file), 0);
        free(reload_problems());

        ck_assert_str_eq(world_state(world, "web"), "Running/ready");
        ck_assert(!process_is_gone(pidfd, 0));

        /* With its last process the sidecar itself is no more. */
        world_ask_to_stop(world, "web", false);
        ck_assert(process_is_gone(pidfd, WORLD_PATIENCE));
}
END_TEST

TEST_MAIN_TIMEOUT("manifest",
                  120,
                  world_setup,
                  world_teardown,
                  a_good_one_is_loaded_without_a_problem,
                  f4_a_broken_one_leaves_the_last_good_one_in_force_and_says_where_it_is_broken,
                  f4_one_that_was_never_good_is_shown_too,
                  a_key_that_is_not_acted_on_yet_is_refused_and_an_unknown_one_too,
                  f1_a_link_to_dev_null_masks_it_and_what_is_up_stays_up,
                  f3_what_is_up_outlives_its_manifest)
