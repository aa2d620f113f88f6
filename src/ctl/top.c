/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl top
 *
 * On a terminal each second anew, until q; elsewhere once, what was used over one second. Only what
 * runs is shown. The figures are read from the kernel as they are asked for, and nothing tells when
 * they change.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/json-writer.h"
#include "ctl/keyboard.h"
#include "ctl/listing.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "ctl/usage.h"
#include "ctl/verbs.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/strv.h"

#define INTERVAL_USEC USEC_PER_SEC
#define HOME "\033[H"
#define ERASE_REST_OF_SCREEN "\033[J"

/* What has gone since it was listed has none. */
static uint64_t get_number(sd_bus *bus, const char *path, const char *property) {
        uint64_t number = UINT64_MAX;

        (void) sd_bus_get_property_trivial(bus, BUS_NAME, path, INTERFACE_SIDECAR, property, NULL,
                                           't', &number);
        return number;
}

static int take_usage(Sample *sample, sd_bus *bus, const Listed *item) {
        Usage *grown = reallocarray(sample->items, sample->n_items + 1, sizeof(*grown));
        Usage usage;

        if (!grown)
                return -ENOMEM;
        sample->items = grown;

        usage = (Usage){ .app = strdup(item->app),
                         .name = strdup(item->name),
                         .path = strdup(item->path),
                         .status = strdup(item->status),
                         .pid = item->main_pid,
                         .cpu_nsec = get_number(bus, item->path, "CPUUsageNSec"),
                         .memory_bytes = get_number(bus, item->path, "MemoryCurrent") };
        grown[sample->n_items++] = usage;
        return usage.app && usage.name && usage.path && usage.status ? 0 : -ENOMEM;
}

static bool is_wanted(const Targets *wanted, const Listed *item) {
        for (size_t i = 0; i < wanted->n_items; i++)
                if (streq(wanted->items[i].app, item->app) &&
                    (!wanted->items[i].name || streq(wanted->items[i].name, item->name)))
                        return true;

        return wanted->n_items == 0;
}

/* Replaces sample, which the new one is compared with. */
static int take_sample(Sample *sample, sd_bus *bus, const Targets *wanted) {
        _cleanup_(sample_done) Sample next = { .taken_usec = clock_monotonic_usec() };
        _cleanup_(listing_done) Listing listing = { 0 };
        int r;

        r = listing_read(&listing, bus, NULL);
        for (size_t i = 0; r == 0 && i < listing.n_items; i++)
                if (listing.items[i].main_pid > 0 && is_wanted(wanted, &listing.items[i]))
                        r = take_usage(&next, bus, &listing.items[i]);
        if (r != 0)
                return r;

        sample_compare(&next, sample);
        sample_sort(&next);
        sample_done(sample);
        *sample = TAKE(next, (Sample){ 0 });
        return 0;
}

static int add_row(Table *table, const Usage *usage) {
        char percent[32] = "-", memory[TEXT_TIME_MAX] = "-", time[DURATION_TEXT_MAX] = "-", pid[16];
        _cleanup_free_ char *name = NULL;
        const char *const cells[] = { percent, memory, time, pid };
        int r;

        if (asprintf(&name, "%s/%s", usage->app, usage->name) < 0)
                return -ENOMEM;
        (void) snprintf(pid, sizeof(pid), "%u", usage->pid);
        if (usage->memory_bytes != UINT64_MAX)
                (void) text_of_bytes(memory, usage->memory_bytes);
        if (usage->cpu_nsec != UINT64_MAX) {
                (void) snprintf(percent, sizeof(percent), "%.1f", usage->cpu_percent);
                (void) duration_say(time, usage->cpu_nsec / 1000);
        }

        r = table_add(table, name, COLOR_NONE);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(cells); i++)
                r = table_add(table, cells[i], COLOR_NONE);

        return r < 0 ? r : table_add(table, usage->status, color_of_status(usage->status));
}

static int print_sample(const Sample *sample, const Screen *screen, size_t n_rows) {
        static const char *const headings[] = {
                "SIDECAR", "CPU%", "MEMORY", "TIME", "PID", "STATUS"
        };
        _cleanup_(table_done) Table table = { .n_columns = ELEMENTSOF(headings) };
        int r = 0;

        if (sample->n_items == 0) {
                (void) puts("No sidecar runs.");
                return 0;
        }

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(headings); i++)
                r = table_add(&table, headings[i], COLOR_BOLD);
        for (size_t i = 0; r >= 0 && i < sample->n_items && i < n_rows; i++)
                r = add_row(&table, &sample->items[i]);
        if (r < 0)
                return r;

        table_print(&table, screen);
        return 0;
}

static void write_sample(const Sample *sample, size_t n_rows) {
        JsonWriter writer = { .stream = stdout };

        json_open(&writer, '[');
        for (size_t i = 0; i < sample->n_items && i < n_rows; i++) {
                const Usage *usage = &sample->items[i];

                json_open(&writer, '{');
                json_member(&writer, "AppId", usage->app);
                json_member(&writer, "Name", usage->name);
                json_member(&writer, "Status", usage->status);
                json_member_unsigned(&writer, "MainPID", usage->pid);
                json_member_unsigned(&writer, "CPUUsageNSec", usage->cpu_nsec);
                json_member_unsigned(&writer, "MemoryCurrent", usage->memory_bytes);
                json_key(&writer, "cpu-percent");
                json_double(&writer, usage->cpu_nsec == UINT64_MAX ? NAN : usage->cpu_percent);
                json_close(&writer, '}');
        }
        json_close(&writer, ']');
        json_end(&writer);
}

static int show_once(const Arguments *arguments, sd_bus *bus, const Targets *wanted) {
        const struct timespec interval = { .tv_sec = INTERVAL_USEC / USEC_PER_SEC };
        _cleanup_(sample_done) Sample sample = { 0 };
        int r;

        r = take_sample(&sample, bus, wanted);
        if (r != 0)
                return r;

        (void) nanosleep(&interval, NULL);
        r = take_sample(&sample, bus, wanted);
        if (r == 0 && arguments->json)
                write_sample(&sample, arguments->n_lines);
        else if (r == 0)
                r = print_sample(&sample, &arguments->screen, arguments->n_lines);

        return r;
}

/* Room for the headings, and for where the cursor rests. */
static size_t rows_that_fit(const Arguments *arguments, const Screen *screen) {
        size_t n_rows = screen->n_rows > 3 ? screen->n_rows - 2 : 1;

        return arguments->n_lines < n_rows ? arguments->n_lines : n_rows;
}

static int redraw(const Arguments *arguments, const Sample *sample, Screen *screen) {
        int r;

        screen_measure(screen);
        (void) fputs(HOME ERASE_REST_OF_SCREEN, stdout);
        r = print_sample(sample, screen, rows_that_fit(arguments, screen));
        (void) fflush(stdout);
        return r;
}

/* Until the key; a positive answer is an exit status, of what was told on a screen that is gone. */
static int
run_screen(const Arguments *arguments, sd_bus *bus, const Targets *wanted, Sample *sample) {
        _cleanup_(keyboard_done) Keyboard keyboard = { .signal_fd = -1 };
        Screen screen = arguments->screen;
        int r;

        r = keyboard_init(&keyboard);
        while (r == 0) {
                r = redraw(arguments, sample, &screen);
                if (r == 0)
                        r = keyboard_wait_for_quit(&keyboard, INTERVAL_USEC);
                if (r > 0)
                        return 0;
                if (r == 0)
                        r = take_sample(sample, bus, wanted);
        }

        return r;
}

static int show_until_quit(const Arguments *arguments, sd_bus *bus, const Targets *wanted) {
        _cleanup_(sample_done) Sample sample = { 0 };
        int r;

        r = take_sample(&sample, bus, wanted);
        if (r != 0)
                return r;

        r = run_screen(arguments, bus, wanted, &sample);
        return r > 0 ? complain((ExitStatus) r, "sidecard has gone, or no longer answers") : r;
}

int verb_top(const Arguments *arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(targets_done) Targets wanted = { 0 };
        int r;

        r = client_connect(&bus);
        if (r == 0)
                r = targets_resolve(&wanted, bus, arguments->names);
        if (r != 0)
                return r;

        return arguments->screen.is_terminal && !arguments->json
                       ? show_until_quit(arguments, bus, &wanted)
                       : show_once(arguments, bus, &wanted);
}
