/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl status
 *
 * One GetAll a sidecar: what is not shown, the effective manifest, is not in it. Then what Explain
 * says of its probe and of what comes next, its processes and its last lines.
 */

#include <inttypes.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/dictionary.h"
#include "ctl/explanation.h"
#include "ctl/json-message.h"
#include "ctl/log-lines.h"
#include "ctl/process-tree.h"
#include "ctl/text.h"
#include "ctl/verbs.h"
#include "util/clock.h"
#include "util/strv.h"

#define LABEL_WIDTH 12
#define N_LAST_LINES 10u

typedef struct State { /* strings are borrowed from the reply */
        const char *description, *status, *sub_state, *reason_code, *reason, *status_text;
        const char *endpoint, *log_path, *cgroup;
        uint64_t generation, changed_at_usec, memory_bytes, cpu_nsec;
        uint32_t main_pid, n_restarts;
        int needs_restart;
} State;

static int read_state(State *ret, sd_bus_message *reply) {
        State state = { "",
                        "",
                        "",
                        "",
                        "",
                        "",
                        "",
                        "",
                        "",
                        .memory_bytes = UINT64_MAX,
                        .cpu_nsec = UINT64_MAX };
        const DictionaryMember members[] = {
                { "Description", "s", &state.description },
                { "Status", "s", &state.status },
                { "SubState", "s", &state.sub_state },
                { "ReasonCode", "s", &state.reason_code },
                { "Reason", "s", &state.reason },
                { "StatusText", "s", &state.status_text },
                { "Endpoint", "s", &state.endpoint },
                { "LogPath", "s", &state.log_path },
                { "ControlGroup", "s", &state.cgroup },
                { "Generation", "t", &state.generation },
                { "StateChangeTimestamp", "t", &state.changed_at_usec },
                { "MemoryCurrent", "t", &state.memory_bytes },
                { "CPUUsageNSec", "t", &state.cpu_nsec },
                { "MainPID", "u", &state.main_pid },
                { "NRestarts", "u", &state.n_restarts },
                { "NeedsRestart", "b", &state.needs_restart },
        };
        int r = dictionary_read(reply, members, ELEMENTSOF(members));

        if (r < 0)
                return r;

        *ret = state;
        return 0;
}

/* All there is to show of one. */
typedef struct Shown {
        sd_bus_message *properties, *why; /* what state and explanation borrow from */
        State state;
        Explanation explanation;
        ProcessTree tree;
        LogLines lines;
} Shown;

static void shown_done(Shown *shown) {
        log_lines_done(&shown->lines);
        process_tree_done(&shown->tree);
        sd_bus_message_unref(shown->why);
        sd_bus_message_unref(shown->properties);
}

static int read_last_lines(LogLines *lines, sd_bus *bus, const Target *sidecar) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t next, n_lost;
        int r;

        r = client_call(bus, &reply, sidecar->path, INTERFACE_SIDECAR, "GetLog", "a{sv}", 1,
                        "lines", "u", N_LAST_LINES);
        return r != 0 ? r : log_lines_take(lines, reply, sidecar, &next, &n_lost);
}

/* "    Reason: text"; nothing where there is no text. */
static void print_field(const Screen *screen, const char *label, const char *text) {
        _cleanup_free_ char *fitting = NULL;
        unsigned used = LABEL_WIDTH + 2;

        if (!*text)
                return;

        fitting = screen_fit(screen, text, screen->n_columns > used ? screen->n_columns - used : 1);
        if (fitting)
                (void) printf("%*s: %s\n", LABEL_WIDTH, label, fitting);
}

static void print_headline(const Screen *screen, const Target *sidecar, const State *state) {
        Color color = color_of_status(state->status);
        _cleanup_free_ char *text = NULL, *fitting = NULL;

        if (asprintf(&text, "%s/%s%s%s", sidecar->app, sidecar->name,
                     *state->description ? " - " : "", state->description) < 0) {
                text = NULL;
                return;
        }
        fitting = screen_fit(screen, text, screen->n_columns > 2 ? screen->n_columns - 2 : 1);
        if (fitting)
                (void) printf("%s%s%s %s\n", screen_color(screen, color),
                              screen_glyph(screen, color == COLOR_NONE ? GLYPH_CIRCLE : GLYPH_DOT),
                              screen_color(screen, COLOR_NONE), fitting);
}

/* A clock may have been set in between. */
static char *say_distance(char buffer[static DURATION_TEXT_MAX], uint64_t from, uint64_t to) {
        return duration_say(buffer, to > from ? to - from : 0);
}

static void print_status_line(const Screen *screen, const State *state) {
        unsigned used = LABEL_WIDTH + 2 + text_width(state->status);
        char text[256], time[TEXT_TIME_MAX], ago[DURATION_TEXT_MAX];
        _cleanup_free_ char *fitting = NULL;
        uint64_t since = state->changed_at_usec;

        if (since == 0)
                (void) snprintf(text, sizeof(text), " (%s)", state->sub_state);
        else
                (void) snprintf(text, sizeof(text), " (%s) since %s; %s ago", state->sub_state,
                                text_of_time(time, since),
                                say_distance(ago, since, clock_realtime_usec()));

        fitting = screen_fit(screen, text, screen->n_columns > used ? screen->n_columns - used : 1);
        if (fitting)
                (void) printf("%*s: %s%s%s%s\n", LABEL_WIDTH, "Status",
                              screen_color(screen, color_of_status(state->status)), state->status,
                              screen_color(screen, COLOR_NONE), fitting);
}

static void print_restarts(const Screen *screen, const State *state) {
        char text[64];

        if (state->n_restarts > 0) {
                (void) snprintf(text, sizeof(text), "%u by itself", state->n_restarts);
                print_field(screen, "Restarts", text);
        }
        if (state->needs_restart)
                print_field(screen, "Note",
                            "its manifest or program has changed; a restart takes it up");
}

static int print_explanation(const Screen *screen, const Explanation *explanation) {
        _cleanup_free_ char *next = explanation_next(explanation),
                            *probe = explanation_last_probe(explanation);

        if (!next || !probe)
                return -ENOMEM;

        print_field(screen, "Next", next);
        print_field(screen, "Last probe", probe);
        return 0;
}

static void print_usage(const Screen *screen, const State *state) {
        char text[TEXT_TIME_MAX], time[DURATION_TEXT_MAX];

        if (state->main_pid == 0)
                return;
        if (state->memory_bytes != UINT64_MAX)
                print_field(screen, "Memory", text_of_bytes(text, state->memory_bytes));
        if (state->cpu_nsec != UINT64_MAX)
                print_field(screen, "CPU", duration_say(time, state->cpu_nsec / 1000));
}

static int print_processes(const Screen *screen, const ProcessTree *tree) {
        if (tree->n_processes == 0)
                return 0;

        (void) printf("%*s: ", LABEL_WIDTH, "Processes");
        return process_tree_print(tree, screen, LABEL_WIDTH + 2);
}

static int print_state(const Screen *screen, const Target *sidecar, const Shown *shown) {
        const State *state = &shown->state;
        const LogLines *lines = &shown->lines;
        char generation[32] = "";
        int r;

        if (state->generation > 0)
                (void) snprintf(generation, sizeof(generation), "%" PRIu64, state->generation);

        print_headline(screen, sidecar, state);
        print_status_line(screen, state);
        print_field(screen, "Says", state->status_text);
        if (!streq(state->reason_code, "none"))
                print_field(screen, "Reason", state->reason);
        print_restarts(screen, state);
        r = print_explanation(screen, &shown->explanation);
        if (r < 0)
                return r;
        print_field(screen, "Endpoint", state->endpoint);
        print_usage(screen, state);
        print_field(screen, "Generation", generation);
        print_field(screen, "Cgroup", state->cgroup);
        print_field(screen, "Log file", state->log_path);
        r = print_processes(screen, &shown->tree);
        if (r < 0)
                return r;

        if (lines->n_lines > 0)
                (void) putchar('\n');
        for (size_t i = 0; r == 0 && i < lines->n_lines; i++)
                r = log_line_print_cut(&lines->lines[i], screen);

        return r;
}

static int write_state(JsonWriter *writer, const Shown *shown) {
        int r;

        r = sd_bus_message_rewind(shown->properties, true);
        if (r >= 0)
                r = sd_bus_message_rewind(shown->why, true);
        if (r < 0)
                return r;

        json_open(writer, '{');
        r = json_message_members(writer, shown->properties);
        json_key(writer, "Explain");
        json_open(writer, '{');
        if (r >= 0)
                r = json_message_members(writer, shown->why);
        json_close(writer, '}');
        json_key(writer, "Processes");
        process_tree_write(&shown->tree, writer);
        json_key(writer, "Log");
        json_open(writer, '[');
        for (size_t i = 0; i < shown->lines.n_lines; i++)
                log_line_write(&shown->lines.lines[i], writer);
        json_close(writer, ']');
        json_close(writer, '}');
        return r < 0 ? r : 0;
}

static int read_sidecar(Shown *shown, sd_bus *bus, const Target *sidecar) {
        int r;

        r = client_call(bus, &shown->properties, sidecar->path, "org.freedesktop.DBus.Properties",
                        "GetAll", "s", INTERFACE_SIDECAR);
        if (r == 0)
                r = read_state(&shown->state, shown->properties);
        if (r == 0)
                r = client_call(bus, &shown->why, sidecar->path, INTERFACE_SIDECAR, "Explain",
                                NULL);
        if (r == 0)
                r = explanation_read(&shown->explanation, shown->why);
        if (r == 0)
                r = process_tree_read(&shown->tree, bus, sidecar->path);

        return r == 0 ? read_last_lines(&shown->lines, bus, sidecar) : r;
}

/* writer NULL: for people. */
static int show_sidecar(const Screen *screen,
                        JsonWriter *writer,
                        sd_bus *bus,
                        const Target *sidecar,
                        bool *ret_is_up) {
        _cleanup_(shown_done) Shown shown = { 0 };
        int r;

        r = read_sidecar(&shown, bus, sidecar);
        if (r != 0)
                return r;

        *ret_is_up = streq(shown.state.status, "Running") || streq(shown.state.status, "Starting");
        return writer ? write_state(writer, &shown) : print_state(screen, sidecar, &shown);
}

static int show_all(const Arguments *arguments, sd_bus *bus, const Targets *sidecars) {
        JsonWriter writer = { .stream = stdout };
        bool all_up = true;
        int r = 0;

        if (arguments->json)
                json_open(&writer, '[');
        for (size_t i = 0; r == 0 && i < sidecars->n_items; i++) {
                bool is_up = false;

                if (!arguments->json && i > 0)
                        (void) putchar('\n');
                r = show_sidecar(&arguments->screen, arguments->json ? &writer : NULL, bus,
                                 &sidecars->items[i], &is_up);
                all_up = all_up && is_up;
        }
        if (arguments->json) {
                json_close(&writer, ']');
                json_end(&writer);
        }
        if (r != 0)
                return r;

        /* Whoever asks for all wants to look; whoever names one asks whether it is up. */
        return all_up || arguments->n_names == 0 ? 0 : EXIT_NOT_RUNNING;
}

int verb_status(const Arguments *arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(targets_done) Targets sidecars = { 0 };
        int r;

        r = client_connect(&bus);
        if (r == 0)
                r = targets_resolve_sidecars(&sidecars, bus, arguments->names);
        if (r == 0)
                r = show_all(arguments, bus, &sidecars);
        return r != 0 ? r : sidecars.told;
}
