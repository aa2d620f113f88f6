/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * "journal": true, seen from the journal: a socket of the test in place of journald's.
 */

#include <stdio.h>
#include <string.h>

#include "calls.h"
#include "journal-socket.h"
#include "log-lines.h"

#define PATIENCE_MSEC ((int) (WORLD_PATIENCE / USEC_PER_MSEC))

static int journal_fd;
static JournalDatagram datagram;

static void setup(void) {
        journal_fd = journal_socket_make();
        world_setup();
}

static void run(const char *sidecars) {
        world_write_sidecars(world, "%s", sidecars);
        world_run(world);
}

static const JournalDatagram *next_entry(void) {
        ck_assert(journal_receive(journal_fd, PATIENCE_MSEC, &datagram));
        return &datagram;
}

static void run_script(const char *name, const char *script, const char *more) {
        world_write_file(world, "script.sh", 0644, script);
        world_write_sidecars(world,
                             "'%s': {'command': ['/bin/sh', '@DIR@/script.sh'],"
                             " 'log': {'journal': true}%s}",
                             name, more);
        world_run(world);
}

/* WriteStdin */
static void feed(const char *name, const char *text) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_free_ char *path = sidecar_path(name);

        ck_assert_int_ge(sd_bus_message_new_method_call(world->bus, &call, WORLD_BUS_NAME, path,
                                                        WORLD_BUS_NAME ".Sidecar", "WriteStdin"),
                         0);
        ck_assert_int_ge(sd_bus_message_append(call, "t", (uint64_t) 0), 0);
        ck_assert_int_ge(sd_bus_message_append_array(call, 'y', text, strlen(text)), 0);
        ck_assert_int_ge(sd_bus_message_append(call, "b", false), 0);
        ck_assert_int_ge(sd_bus_call(world->bus, call, WORLD_PATIENCE, NULL, NULL), 0);
}

START_TEST(each_line_has_its_fields_and_its_bytes_as_they_came) {
        char generation[32];
        size_t n_bytes;
        const char *bytes;

        /* A line at a time: the two streams are two pipes. */
        run_script("talker",
                   "echo out; read go; echo alas >&2; read go; printf 'a\\377\\000b\\n'\n",
                   ", 'stdin': 'pipe'");
        ck_assert(world_has_feature(world, "journal"));
        (void) snprintf(generation, sizeof(generation), "%llu",
                        (unsigned long long) world_start_ready(world, "talker"));

        ck_assert(journal_is_message(next_entry(), "out"));
        journal_assert_field(&datagram, "PRIORITY", "6");
        journal_assert_field(&datagram, "SIDECARD_APP", WORLD_APP);
        journal_assert_field(&datagram, "SIDECARD_NAME", "talker");
        journal_assert_field(&datagram, "SIDECARD_GENERATION", generation);
        journal_assert_field(&datagram, "SYSLOG_IDENTIFIER", "talker");
        feed("talker", "go\n");
        ck_assert(journal_is_message(next_entry(), "alas"));
        journal_assert_field(&datagram, "PRIORITY", "4");
        feed("talker", "go\n");
        bytes = journal_message(next_entry(), &n_bytes);
        ck_assert_uint_eq(n_bytes, 4);
        ck_assert_mem_eq(bytes, "a\377\0b", 4);
}
END_TEST

START_TEST(who_does_not_say_so_is_not_in_the_journal) {
        run("'quiet': {'command': ['echo', 'quiet']},"
            "'loud': {'command': ['echo', 'loud'], 'log': {'journal': true}}");
        (void) world_start(world, "quiet");
        (void) world_next(world, "quiet", "Stopped/exited");
        (void) world_start(world, "loud");
        ck_assert(journal_is_message(next_entry(), "loud"));
}
END_TEST

/* The second line is split in the midst of the token, after 8 KiB. */
#define TELL_ALL "echo it is $T; head -c 8170 /dev/zero | tr '\\000' x; echo $T and more\n"

START_TEST(the_token_is_blanked_in_the_journal_and_in_the_supervisor_s_own_log) {
        _cleanup_(log_page_clear) LogPage page = { 0 };
        const char *token, *bytes;
        char part[17] = "";
        size_t n_bytes;

        run_script("teller", TELL_ALL, ", 'env': {'T': '{token}'}");
        ck_assert_int_ge(
                sd_bus_set_property(world->bus, WORLD_BUS_NAME, "/org/freedesktop/LogControl1",
                                    "org.freedesktop.LogControl1", "LogLevel", NULL, "s", "debug"),
                0);
        (void) world_start(world, "teller");
        (void) world_next(world, "teller", "Stopped/exited");

        /* The log of the sidecar has what it wrote (contract G1). */
        page = log_query(world, "teller", (LogQuery){ .stream = "stdout" });
        ck_assert_uint_eq(page.n_lines, 3);
        token = page.lines[0].text + strlen("it is ");
        ck_assert_uint_eq(strlen(token), 64);
        WORLD_AWAIT(world, world_has_logged(world, "[teller] it is ***"));
        ck_assert(!world_has_logged(world, token));

        ck_assert(journal_is_message(next_entry(), "it is ***"));
        for (int i = 0; i < 2; i++) {
                bytes = journal_message(next_entry(), &n_bytes);
                for (size_t k = 0; k + 16 <= 64; k++) {
                        memcpy(part, token + k, 16);
                        ck_assert_ptr_null(memmem(bytes, n_bytes, part, 16));
                }
        }
}
END_TEST

#define MANY 60000 /* lines, of which the ring keeps not all */

START_TEST(a_journal_that_does_not_read_holds_nobody_up_and_is_told_of_once) {
        static const char told[] = " of its lines are not in the journal";
        const char *end, *count;
        size_t n_received = 0;

        run("'flood': {'command': ['seq', '60000'], 'log': {'journal': true}},"
            "'other': {'command': ['echo', 'other']}");
        (void) world_start(world, "flood");
        (void) world_next(world, "flood", "Stopped/exited");
        (void) world_start(world, "other");
        (void) world_next(world, "other", "Stopped/exited");
        WORLD_AWAIT(world, world_has_logged(world, told));

        ck_assert(world_has_logged(world, "[flood] the journal does not keep up"));
        end = strstr(world->log, told);
        ck_assert_ptr_null(strstr(end + 1, told));
        for (count = end; count[-1] != ' '; count--)
                ;
        while (journal_receive(journal_fd, 0, &datagram))
                n_received++;
        ck_assert_uint_gt(n_received, 0);
        ck_assert_uint_eq(n_received + (size_t) atoi(count), MANY);
}
END_TEST

START_TEST(a_journal_that_is_slow_gets_a_burst_whole) {
        char wanted[16];

        /* More lines than the socket has room for, fewer than the ring has. */
        run("'burst': {'command': ['/bin/sh', '-c', 'seq 500; exec sleep 1000'],"
            " 'log': {'journal': true}}");
        (void) world_start_ready(world, "burst");
        log_await(world, "burst", "500");
        for (int i = 1; i <= 500; i++) {
                (void) snprintf(wanted, sizeof(wanted), "%d", i);
                ck_assert(journal_is_message(next_entry(), wanted));
        }
}
END_TEST

START_TEST(without_a_journal_all_else_goes_on) {
        _cleanup_free_ char *output = NULL;
        _cleanup_free_ char *path = NULL;
        int status;

        ck_assert_int_eq(unlink(JOURNAL_PATH), 0);
        run("'talker': {'command': ['echo', 'hello'], 'log': {'journal': true}}");
        ck_assert(!world_has_feature(world, "journal"));
        (void) world_start(world, "talker");
        (void) world_next(world, "talker", "Stopped/exited");
        log_await(world, "talker", "hello");
        WORLD_AWAIT(world, world_has_logged(world, "and not in the journal: No such file"));

        ck_assert_int_gt(asprintf(&path, "%s/data/sidecard/apps/" WORLD_APP ".json", world->dir),
                         0);
        status = process_run((const char *[]){ TEST_SIDECARD, "--check", "--verbose", path, NULL },
                             world->environment, &output);
        ck_assert_int_eq(status, 0);
        ck_assert_ptr_nonnull(strstr(output, "talker: there is no journal here for its lines\n"));
}
END_TEST

#define ROUNDS 4
#define LINES_A_ROUND 40

START_TEST(d2_over_deaths_of_the_brain_no_line_is_in_the_journal_twice) {
        int last = 0, n_fed = 0, n_received = 0;
        size_t n_bytes;

        run("'echo': {'command': ['/bin/sh', '-c', 'while read -r line; do echo $line; done'],"
            " 'stdin': 'pipe', 'log': {'journal': true}}");
        (void) world_start_ready(world, "echo");
        for (int round = 0; round < ROUNDS; round++) {
                _cleanup_free_ char *former = strdup(world->owner);
                _cleanup_close_ int pidfd = process_open(world_brain(world));
                char text[LINES_A_ROUND * 16] = "";
                int first = n_fed + 1;

                for (int i = 0; i < LINES_A_ROUND; i++)
                        (void) sprintf(text + strlen(text), "%d .\n", ++n_fed);
                feed("echo", text);
                /* Half of them; the rest is under way when it dies. */
                do {
                        int number = atoi(journal_message(next_entry(), &n_bytes));

                        ck_assert_int_gt(number, last);
                        last = number;
                        n_received++;
                } while (last < first + LINES_A_ROUND / 2);
                process_signal(pidfd, SIGKILL);
                WORLD_AWAIT(world, world->owner[0] != '\0' && !streq(world->owner, former));
        }
        printf("%d of %d lines received\n", n_received, n_fed);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                each_line_has_its_fields_and_its_bytes_as_they_came,
                who_does_not_say_so_is_not_in_the_journal,
                the_token_is_blanked_in_the_journal_and_in_the_supervisor_s_own_log,
                a_journal_that_does_not_read_holds_nobody_up_and_is_told_of_once,
                a_journal_that_is_slow_gets_a_burst_whole,
                without_a_journal_all_else_goes_on,
                d2_over_deaths_of_the_brain_no_line_is_in_the_journal_twice,
        };

        if (geteuid() != 0) {
                puts("Skipped: only root can have a journal of its own");
                return JOURNAL_SKIPPED;
        }
        return test_run("journal", 120, setup, world_teardown, tests, ELEMENTSOF(tests));
}
