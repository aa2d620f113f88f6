/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * test-edits
 *
 * Random edits of a manifest, of drop-ins and of programs, against a model of its own (contract
 * F3): after each no pid that is up has changed and NeedsRestart is exactly right, and after
 * Restart with only-stale what runs is what a fresh start would run, by /proc/PID. Now and then the
 * brain is killed as well.
 *
 * SIDECARD_TEST_LONG: 200 edits, and both processors have something else to do. SIDECARD_TEST_SEED:
 * the same edits once more.
 */

#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app-calls.h"
#include "files.h"
#include "test.h"

#define APPS "data/sidecard/apps/"
#define MANIFEST APPS WORLD_APP ".json"
#define DROP_INS "config/sidecard/apps/" WORLD_APP ".json.d/"

#define N_SIDECARS 4
#define N_DROP_INS 3
#define N_PLACES 2 /* where a program may be; the first one counts */
#define NONE 0
#define REMOVED 1 /* a null; values proper are above that */
#define VALUES_BEGIN 2

/* What a manifest or a drop-in says of a sidecar. NONE: nothing. */
typedef struct Words {
        unsigned int argument, variable, description, timeout;
} Words;

typedef struct Layer {
        bool is_there, is_masked;
        Words words[N_SIDECARS];
} Layer;

/* What a start takes. */
typedef struct Start {
        unsigned int argument, variable, timeout;
        unsigned int place, version; /* of the program: each that is written has another */
} Start;

typedef struct Model {
        Layer base, drop_ins[N_DROP_INS];
        Words in_force[N_SIDECARS];
        bool is_broken;
        unsigned int programs[N_SIDECARS][N_PLACES]; /* versions; NONE: none there */
        unsigned int kept[N_SIDECARS];               /* put aside, to come back */
        Start running[N_SIDECARS];
        int64_t pids[N_SIDECARS];
        unsigned int last_version;
} Model;

static const char *const names[N_SIDECARS] = { "a", "b", "c", "d" };
static const char *const places[N_PLACES] = { APPS, "bin/" };
static unsigned int n_restarted;

static unsigned int any(unsigned int n) {
        return (unsigned int) random() % n;
}

static unsigned int any_value(void) {
        return VALUES_BEGIN + any(3);
}

static void override(unsigned int *value, unsigned int by) {
        if (by != NONE)
                *value = by == REMOVED ? NONE : by;
}

static void put_in_force(Model *model) {
        if (model->is_broken)
                return;

        memcpy(model->in_force, model->base.words, sizeof(model->in_force));
        for (size_t i = 0; i < N_DROP_INS; i++) {
                const Layer *layer = &model->drop_ins[i];

                for (size_t k = 0; layer->is_there && !layer->is_masked && k < N_SIDECARS; k++) {
                        Words *words = &model->in_force[k];

                        override(&words->argument, layer->words[k].argument);
                        override(&words->variable, layer->words[k].variable);
                        override(&words->description, layer->words[k].description);
                        override(&words->timeout, layer->words[k].timeout);
                }
        }
}

static Start fresh(const Model *model, size_t k) {
        const Words *words = &model->in_force[k];
        Start start = { words->argument, words->variable, words->timeout, 0, NONE };

        while (start.place < N_PLACES && model->programs[k][start.place] == NONE)
                start.place++;
        if (start.place < N_PLACES)
                start.version = model->programs[k][start.place];
        return start;
}

static bool is_stale(const Model *model, size_t k) {
        Start start = fresh(model, k);

        return memcmp(&start, &model->running[k], sizeof(start)) != 0;
}

static void print_words(FILE *out, const Words *words, size_t k) {
        fprintf(out, "%s'%s': {'x-none': 0", k > 0 ? ", " : "", names[k]);
        if (words->argument != NONE)
                fprintf(out, ", 'command': ['prog-%s', '%u']", names[k], words->argument);
        if (words->variable == REMOVED)
                fprintf(out, ", 'env': {'VALUE': null}");
        else if (words->variable != NONE)
                fprintf(out, ", 'env': {'VALUE': '%u'}", words->variable);
        if (words->description == REMOVED)
                fprintf(out, ", 'description': null");
        else if (words->description != NONE)
                fprintf(out, ", 'description': '%u'", words->description);
        if (words->timeout == REMOVED)
                fprintf(out, ", 'stop': {'timeout': null}");
        else if (words->timeout != NONE)
                fprintf(out, ", 'stop': {'timeout': '%us'}", words->timeout);
        fprintf(out, "}");
}

static void write_layer(const Layer *layer, const char *name, const char *head) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(out);
        fprintf(out, "{%s'sidecars': {", head);
        for (size_t k = 0; k < N_SIDECARS; k++)
                print_words(out, &layer->words[k], k);
        fprintf(out, "}}");
        ck_assert_int_eq(fclose(out), 0);
        if (any(2))
                file_write_json(world, name, "%s", text);
        else
                file_replace_json(world, name, "%s", text);
}

static void write_base(const Model *model) {
        write_layer(&model->base, MANIFEST, "'manifestVersion': 1, 'id': '" WORLD_APP "', ");
}

static void change_words(Words *words, bool may_remove) {
        unsigned int value = may_remove && any(4) == 0 ? any(2) : any_value();

        switch (any(4)) {

        case 0:
                /* A command is never removed, only not spoken of. */
                words->argument = value == REMOVED ? NONE : value;
                break;

        case 1:
                words->variable = value;
                break;

        case 2:
                words->description = value;
                break;

        default:
                words->timeout = value;
        }
}

static void edit_base(Model *model) {
        change_words(&model->base.words[any(N_SIDECARS)], false);
        write_base(model);
}

static void edit_drop_in(Model *model) {
        size_t i = any(N_DROP_INS);
        Layer *layer = &model->drop_ins[i];
        _cleanup_free_ char *name = NULL;

        ck_assert_int_ge(asprintf(&name, DROP_INS "%zu.json", i), 0);
        if (layer->is_there && (layer->is_masked || any(4) == 0)) {
                file_remove(world, name);
                *layer = (Layer){ 0 };
        } else if (!layer->is_there && any(5) == 0) {
                world_write_file(world, DROP_INS "folder.txt", 0644, "");
                file_mask(world, name);
                layer->is_there = layer->is_masked = true;
        } else {
                layer->is_there = true;
                change_words(&layer->words[any(N_SIDECARS)], true);
                write_layer(layer, name, "");
        }
}

/* A drop-in after all others that nobody can read, and that goes again. */
static void edit_broken(Model *model) {
        static const char *const texts[] = { "{'sidecars': {'a': {'command': 3}}}", "{", "[]",
                                             "{'unknown': 1}",
                                             "{'sidecars': {'b': {'command': null}}}" };

        if (model->is_broken)
                file_remove(world, DROP_INS "zz.json");
        else
                file_write_json(world, DROP_INS "zz.json", "%s", texts[any(ELEMENTSOF(texts))]);
        model->is_broken = !model->is_broken;
}

static void edit_program(Model *model) {
        size_t k = any(N_SIDECARS), place = any(N_PLACES);
        unsigned int *version = &model->programs[k][place];
        _cleanup_free_ char *name = NULL, *kept = NULL;

        ck_assert_int_ge(asprintf(&name, "%sprog-%s", places[place], names[k]), 0);
        ck_assert_int_ge(asprintf(&kept, "kept-%s", names[k]), 0);
        if (model->kept[k] != NONE && any(2)) {
                file_rename(world, kept, name);
                *version = TAKE(model->kept[k], NONE);
        } else if (*version != NONE && model->kept[k] == NONE && any(3) == 0) {
                file_rename(world, name, kept);
                model->kept[k] = TAKE(*version, NONE);
        } else if (*version != NONE && place == 0 && any(2)) {
                file_remove(world, name);
                *version = NONE;
        } else {
                *version = ++model->last_version;
                file_replace_program(world, name, *version);
        }
}

static bool all_right(const Model *model) {
        for (size_t k = 0; k < N_SIDECARS; k++)
                if (needs_restart(world, names[k]) != is_stale(model, k))
                        return false;

        return streq(load_state(world), model->is_broken ? "bad-manifest" : "loaded");
}

/* One that runs from a program that is there no more could not come up again. */
static void install_missing(Model *model) {
        for (size_t k = 0; k < N_SIDECARS; k++) {
                _cleanup_free_ char *name = NULL;

                if (fresh(model, k).version != NONE)
                        continue;
                ck_assert_int_ge(asprintf(&name, "%sprog-%s", places[1], names[k]), 0);
                model->programs[k][1] = ++model->last_version;
                file_replace_program(world, name, model->last_version);
        }
}

static void assert_runs(const Model *model, size_t k) {
        const Start *start = &model->running[k];
        _cleanup_free_ char *arguments = arguments_of(world, names[k]), *wanted = NULL,
                            *value = variable_of(world, names[k], "VALUE"), *expected = NULL;

        ck_assert_int_ge(asprintf(&wanted, TEST_CHILDREN "/idler %u %s/%sprog-%s %u",
                                  start->version, world->dir, places[start->place], names[k],
                                  start->argument),
                         0);
        ck_assert_str_eq(arguments, wanted);
        ck_assert_int_ge(asprintf(&expected, "%u", start->variable), 0);
        ck_assert_str_eq(value ? value : "0", expected);
}

static void restart_and_compare(Model *model) {
        install_missing(model);
        call_reload(world);
        restart_stale(world);
        app_wait_ready(world);
        for (size_t k = 0; k < N_SIDECARS; k++) {
                int64_t pid = world_get_number(world, names[k], "MainPID");

                ck_assert_int_eq(pid == model->pids[k], !is_stale(model, k));
                n_restarted += pid != model->pids[k];
                model->pids[k] = pid;
                model->running[k] = fresh(model, k);
                assert_runs(model, k);
        }
}

static void edit(Model *model) {
        static void (*const edits[])(Model *) = { edit_base, edit_drop_in, edit_program,
                                                  edit_program, edit_broken };

        edits[any(ELEMENTSOF(edits))](model);
        put_in_force(model);
}

static void check(const Model *model, unsigned int i) {
        /* Seen by itself, at once when asked for, or by another brain. */
        if (i % 20 == 19)
                world_kill_brain(world);
        else if (any(4) > 0)
                call_reload(world);
        WORLD_AWAIT(world, all_right(model));
        for (size_t k = 0; k < N_SIDECARS; k++)
                ck_assert_int_eq(world_get_number(world, names[k], "MainPID"), model->pids[k]);

        /* What it was right by must not have been luck. */
        call_reload(world);
        ck_assert(all_right(model));
}

static void begin(Model *model) {
        for (size_t k = 0; k < N_SIDECARS; k++) {
                _cleanup_free_ char *name = NULL;

                ck_assert_int_ge(asprintf(&name, "%sprog-%s", places[1], names[k]), 0);
                model->programs[k][1] = ++model->last_version;
                file_replace_program(world, name, model->last_version);
                model->base.words[k].argument = VALUES_BEGIN;
        }
        write_base(model);
        put_in_force(model);
        world_run(world);
        for (size_t k = 0; k < N_SIDECARS; k++) {
                (void) world_start_ready(world, names[k]);
                model->running[k] = fresh(model, k);
                model->pids[k] = world_get_number(world, names[k], "MainPID");
                assert_runs(model, k);
        }
}

/* Ends with us, whatever becomes of us. */
static Process burn(void) {
        static const char *const argv[] = { "setpriv", "--pdeathsig",         "KILL", "sh",
                                            "-c",      "while :; do :; done", NULL };

        return process_spawn(&(ProcessSpec){ .argv = argv, .envp = environ });
}

START_TEST(f3_random_edits_touch_nothing_that_is_up_and_needs_restart_is_exactly_right) {
        const char *seed_text = getenv("SIDECARD_TEST_SEED");
        bool is_long = getenv("SIDECARD_TEST_LONG") != NULL;
        unsigned int seed = seed_text ? (unsigned int) strtoul(seed_text, NULL, 10)
                                      : (unsigned int) clock_realtime_usec();
        unsigned int n_edits = is_long ? 200 : 40, n_compared = 0;
        Process burners[2] = { PROCESS_NONE, PROCESS_NONE };
        Model model = { 0 };

        fprintf(stderr, "edits: seed %u\n", seed);
        srandom(seed);
        for (size_t i = 0; is_long && i < ELEMENTSOF(burners); i++)
                burners[i] = burn();

        begin(&model);
        for (unsigned int i = 0; i < n_edits; i++) {
                edit(&model);
                check(&model, i);
                if (any(2)) {
                        restart_and_compare(&model);
                        n_compared++;
                }
        }

        for (size_t i = 0; is_long && i < ELEMENTSOF(burners); i++) {
                process_signal(burners[i].pidfd, SIGKILL);
                (void) process_reap(&burners[i]);
        }
        fprintf(stderr, "edits: %u, compared %u times, %u restarted, seed %u\n", n_edits,
                n_compared, n_restarted, seed);
}
END_TEST

static void setup(void) {
        world_setup();
        files_listen(world);
}

TEST_MAIN_TIMEOUT("edits",
                  280,
                  setup,
                  world_teardown,
                  f3_random_edits_touch_nothing_that_is_up_and_needs_restart_is_exactly_right)
