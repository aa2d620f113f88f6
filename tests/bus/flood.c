/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * flood [--seconds N]
 *
 * Eight sidecars write as fast as they are read, and a ninth is killed again and again: how long
 * until it runs once more and its first line can be read, and how long a status call takes, while
 * nothing else happens and then beside the flood, for so many seconds each (contract G4). What
 * the brain has of memory and what the files have of the disk is looked at in between.
 *
 * Times are for people: on a machine that does something else none is wrong. That all of it
 * happens, and within its bounds, is for the test.
 */

#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "calls.h"
#include "log-lines.h"
#include "model/log-store.h"
#include "test.h"

#define N_FLOODS 8
#define CALLS_A_ROUND 20
#define ROUNDS_MIN 5

#define FILE_BYTES_MAX ((1u << 20) + LOG_LINE_BYTES_MAX) /* contract G1, with a last whole line */
#define N_FILES 3

#define FLAT_KIB (4u * 1024u) /* an allocator does not give back all at once */

static unsigned int seconds = 60;

typedef struct Samples {
        uint64_t *usec;
        size_t n;
} Samples;

typedef struct Figures {
        Samples calls, restarts, lines;
        uint64_t took_usec;
} Figures;

static uint64_t ninth_read; /* the last line that was read of it */

static void samples_add(Samples *samples, uint64_t usec) {
        samples->usec = reallocarray(samples->usec, samples->n + 1, sizeof(uint64_t));
        ck_assert_ptr_nonnull(samples->usec);
        samples->usec[samples->n++] = usec;
}

static int compare_usec(const void *a, const void *b) {
        uint64_t first = *(const uint64_t *) a, second = *(const uint64_t *) b;

        return first < second ? -1 : first > second;
}

static void samples_print(const char *what, Samples *samples) {
        qsort(samples->usec, samples->n, sizeof(uint64_t), compare_usec);
        printf("  %-34s median %7.2f ms, p99 %7.2f, most %7.2f (%zu)\n", what,
               (double) samples->usec[samples->n / 2] / USEC_PER_MSEC,
               (double) samples->usec[samples->n * 99 / 100] / USEC_PER_MSEC,
               (double) samples->usec[samples->n - 1] / USEC_PER_MSEC, samples->n);
}

static void figures_free(Figures *figures) {
        free(figures->calls.usec);
        free(figures->restarts.usec);
        free(figures->lines.usec);
}

static void figures_print(const char *when, Figures *figures) {
        printf("%s, %.1f s\n", when, (double) figures->took_usec / USEC_PER_SEC);
        samples_print("a status call", &figures->calls);
        samples_print("from SIGKILL to Running", &figures->restarts);
        samples_print("from SIGKILL to the next one's line", &figures->lines);
        (void) fflush(stdout);
}

static const char *flood_name(unsigned int i) {
        static char name[16];

        (void) snprintf(name, sizeof(name), "flood%u", i);
        return name;
}

static void write_manifest(void) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        fprintf(out,
                "{'manifestVersion': 1, 'id': '" WORLD_APP "',"
                " 'defaults': {'log': {'maxSize': '1M', 'maxFiles': %d}}, 'sidecars': {"
                "'ninth': {'command': ['/bin/sh', '-c', 'echo up; exec sleep 1000'],"
                " 'restart': {'delay': '0s', 'jitter': 0, 'attempts': 'unlimited'}}",
                N_FILES);
        for (unsigned int i = 0; i < N_FLOODS; i++)
                fprintf(out, ", '%s': {'command': ['/usr/bin/yes', '%0100u']}", flood_name(i), i);
        fprintf(out, "}}");
        ck_assert_int_eq(fclose(out), 0);
        world_write_manifest(world, WORLD_APP, text);
}

static void make_status_call(Figures *figures) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t asked_at = clock_monotonic_usec();

        ck_assert_int_ge(
                world_call(world, WORLD_PATH, "Manager", "ListSidecars", NULL, &reply, "a{sv}", 0),
                0);
        samples_add(&figures->calls, clock_monotonic_usec() - asked_at);
}

static void await_line_of(uint64_t generation) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE, last = 0;

        while (last < generation) {
                _cleanup_(log_page_clear) LogPage page =
                        log_query(world, "ninth",
                                  (LogQuery){ .has_after = true,
                                              .after = ninth_read,
                                              .stream = "stdout",
                                              .wait_usec = USEC_PER_SEC });

                ck_assert_msg(clock_monotonic_usec() < deadline, "Its line does not come");
                if (page.n_lines > 0)
                        last = page.lines[page.n_lines - 1].generation;
                ninth_read = page.next;
        }
}

static void kill_the_ninth(Figures *figures) {
        _cleanup_close_ int main_fd = world_open_main(world, "ninth");
        uint64_t killed_at = clock_monotonic_usec();
        const Change *change;

        process_signal(main_fd, SIGKILL);
        change = world_next(world, "ninth", "Running/ready");
        samples_add(&figures->restarts, change->received_usec - killed_at);
        await_line_of(change->generation);
        samples_add(&figures->lines, clock_monotonic_usec() - killed_at);
}

/* -1: there is none. */
static int64_t log_bytes(unsigned int flood, unsigned int number) {
        char path[512], rotation[8] = "";
        struct stat st;

        if (number > 0)
                (void) snprintf(rotation, sizeof(rotation), ".%u", number);
        (void) snprintf(path, sizeof(path), "%s/state/sidecard/log/" WORLD_APP "/%s.log%s",
                        world->dir, flood_name(flood), rotation);
        return stat(path, &st) < 0 ? -1 : st.st_size;
}

static void check_files(void) {
        for (unsigned int i = 0; i < N_FLOODS; i++) {
                for (unsigned int number = 0; number < N_FILES; number++)
                        ck_assert_int_le(log_bytes(i, number), FILE_BYTES_MAX);
                ck_assert_int_eq(log_bytes(i, N_FILES), -1);
        }
}

static bool all_have_rotated(void) {
        for (unsigned int i = 0; i < N_FLOODS; i++)
                if (log_bytes(i, N_FILES - 1) < 0)
                        return false;

        return true;
}

static Figures measure(uint64_t usec, bool is_flood) {
        uint64_t began_at = clock_monotonic_usec(), until = began_at + usec;
        Figures figures = { 0 };

        while (clock_monotonic_usec() < until || figures.restarts.n < ROUNDS_MIN ||
               (is_flood && !all_have_rotated())) {
                ck_assert_msg(clock_monotonic_usec() < until + WORLD_PATIENCE, "No end of it");
                for (int i = 0; i < CALLS_A_ROUND; i++)
                        make_status_call(&figures);
                kill_the_ninth(&figures);
                check_files();
        }

        figures.took_usec = clock_monotonic_usec() - began_at;
        return figures;
}

/* Of the brain: "VmRSS", or "RssShmem", which is what the rings have. */
static unsigned long brain_kib(const char *what) {
        _cleanup_free_ char *path = NULL;
        char line[256];
        unsigned long kib = 0;
        FILE *status;

        ck_assert_int_ge(asprintf(&path, "/proc/%d/status", (int) world_brain(world)), 0);
        status = fopen(path, "re");
        ck_assert_ptr_nonnull(status);
        while (fgets(line, sizeof(line), status))
                if (startswith(line, what))
                        kib = strtoul(line + strlen(what) + 1, NULL, 10);
        (void) fclose(status);
        return kib;
}

/* A sanitizer keeps what was freed. */
static void check_memory(unsigned long kib_before) {
        unsigned long kib = brain_kib("VmRSS"), kib_rings = brain_kib("RssShmem");

        printf("the brain has %lu KiB (%lu when the flood was young), %lu of it in rings\n", kib,
               kib_before, kib_rings);
        (void) fflush(stdout);
        ck_assert_uint_le(kib_rings, (N_FLOODS + 1) * LOG_STORE_BYTES / 1024);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        ck_assert_uint_le(kib, kib_before + FLAT_KIB);
#endif
}

/* Until each has gone around its ring, and nothing new is of use to it. */
static void start_flood(void) {
        Figures unused;

        for (unsigned int i = 0; i < N_FLOODS; i++)
                (void) world_start_ready(world, flood_name(i));
        unused = measure(0, true);
        figures_free(&unused);
}

START_TEST(g4_a_flood_delays_nobody_and_takes_no_memory) {
        Figures idle, flooded;
        unsigned long kib_before;

        write_manifest();
        world_run(world);
        (void) world_start_ready(world, "ninth");
        (void) world_next(world, "ninth", "Running/ready");

        idle = measure(seconds * USEC_PER_SEC, false);
        start_flood();
        kib_before = brain_kib("VmRSS");
        flooded = measure(seconds * USEC_PER_SEC, true);

        figures_print("idle", &idle);
        figures_print("eight sidecars flood", &flooded);
        check_memory(kib_before);
        figures_free(&idle);
        figures_free(&flooded);
}
END_TEST

int main(int argc, char *argv[]) {
        const TTest *const tests[] = { g4_a_flood_delays_nobody_and_takes_no_memory };
        static const struct option options[] = { { "seconds", required_argument, NULL, 's' },
                                                 { 0 } };
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
                if (option == '?')
                        return 2;
                seconds = (unsigned int) strtoul(optarg, NULL, 10);
        }
        if (seconds == 0 || optind < argc) {
                fprintf(stderr, "flood [--seconds N]\n");
                return 2;
        }

        return test_run("flood", 2 * seconds + 180, world_setup, world_teardown, tests, 1);
}
