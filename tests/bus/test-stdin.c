/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * WriteStdin, from outside: what was answered has arrived, whole, once and in its order; what was
 * not, whole or not at all, whenever the brain may die. Fed are sort, wc, sh and python3.
 */

#include <stdio.h>
#include <string.h>

#include "app-calls.h"
#include "log-lines.h"
#include "test.h"
#include "unit/seed.h"

#define LIMIT (64 * 1024)

/* Does not read before there is a file "go". */
#define LATE "while ! [ -e @DIR@/go ]; do sleep 0.02; done; "

/* Reads blocks, each a head of 16 digits and its bytes, and tells their numbers. */
#define CHECKER                                                                     \
        "import sys\n"                                                              \
        "source = sys.stdin.buffer\n"                                               \
        "while head := source.read(16):\n"                                          \
        "    number, size = int(head[:8]), int(head[8:])\n"                         \
        "    body = source.read(size)\n"                                            \
        "    whole = body == bytes([97 + number % 26]) * size\n"                    \
        "    print(f'block {number}' if whole else f'torn {number}', flush=True)\n" \
        "print('end', flush=True)\n"

typedef struct Answer {
        bool is_there;
        char error[128]; /* its name; empty: none */
} Answer;

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_) {
        const sd_bus_error *got = sd_bus_message_get_error(reply);
        Answer *answer = userdata;

        answer->is_there = true;
        (void) snprintf(answer->error, sizeof(answer->error), "%s", got ? got->name : "");
        return 1;
}

static sd_bus_message *new_call(
        sd_bus *bus, const char *name, uint64_t generation, const char *bytes, size_t n, int last) {
        _cleanup_free_ char *path = sidecar_path(name);
        sd_bus_message *call;

        ck_assert_int_ge(sd_bus_message_new_method_call(bus, &call, WORLD_BUS_NAME, path,
                                                        WORLD_BUS_NAME ".Sidecar", "WriteStdin"),
                         0);
        ck_assert_int_ge(sd_bus_message_append(call, "t", generation), 0);
        ck_assert_int_ge(sd_bus_message_append_array(call, 'y', bytes, n), 0);
        ck_assert_int_ge(sd_bus_message_append(call, "b", last), 0);
        return call;
}

/* Sends it and does not wait. */
static void
feed_later(sd_bus *bus, const char *name, const char *bytes, size_t n, int last, Answer *answer) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call =
                new_call(bus, name, 0, bytes, n, last);

        *answer = (Answer){ 0 };
        ck_assert_int_ge(sd_bus_call_async(bus, NULL, call, on_answer, answer, WORLD_PATIENCE), 0);
        ck_assert_int_ge(sd_bus_flush(bus), 0);
}

/* Waits for the answer: the error's name, NULL: it was taken. */
static const char *feed_at(const char *name, uint64_t generation, const char *bytes, size_t n) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call =
                new_call(world->bus, name, generation, bytes, n, false);
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        static char text[128];

        if (sd_bus_call(world->bus, call, WORLD_PATIENCE, &error, NULL) >= 0)
                return NULL;
        (void) snprintf(text, sizeof(text), "%s", error.name);
        return text;
}

static void feed(const char *name, const char *text) {
        ck_assert_ptr_null(feed_at(name, 0, text, strlen(text)));
}

static void feed_last(const char *name, const char *text) {
        Answer answer;

        feed_later(world->bus, name, text, strlen(text), true, &answer);
        WORLD_AWAIT(world, answer.is_there);
        ck_assert_str_eq(answer.error, "");
}

static void run(const char *sidecars) {
        world_write_sidecars(world, "%s", sidecars);
        world_run(world);
}

/* Answers when the daemon has read all that this client has sent. */
static void ping(sd_bus *bus) {
        ck_assert_int_ge(sd_bus_call_method(bus, WORLD_BUS_NAME, WORLD_PATH,
                                            "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, ""),
                         0);
}

static char *make_bytes(char byte, size_t n) {
        char *bytes = malloc(n);

        ck_assert_ptr_nonnull(bytes);
        memset(bytes, byte, n);
        return bytes;
}

START_TEST(what_is_written_arrives_and_close_is_its_end) {
        _cleanup_(log_page_clear) LogPage page = { 0 };

        run("'sort': {'command': ['sort'], 'stdin': 'pipe', 'restart': {'policy': 'no'}}");
        (void) world_start_ready(world, "sort");
        feed("sort", "pear\nfig\n");
        feed_last("sort", "apple\n");
        (void) world_next(world, "sort", "Stopped/exited");
        page = log_query(world, "sort", (LogQuery){ .stream = "stdout" });
        ck_assert_uint_eq(page.n_lines, 3);
        ck_assert_str_eq(page.lines[0].text, "apple");
        ck_assert_str_eq(page.lines[1].text, "fig");
        ck_assert_str_eq(page.lines[2].text, "pear");
}
END_TEST

START_TEST(a_hundred_calls_arrive_in_the_order_of_the_calls) {
        _cleanup_(log_page_clear) LogPage page = { 0 };
        Answer answers[100];

        run("'echo': {'command': ['/bin/sh', '-c', 'while read -r line; do echo $line; done'],"
            " 'stdin': 'pipe', 'restart': {'policy': 'no'}}");
        (void) world_start_ready(world, "echo");
        /* 64 at a time may wait. */
        for (int i = 0; i < 100; i++) {
                char line[32];
                int n = snprintf(line, sizeof(line), "line %d\n", i);

                feed_later(world->bus, "echo", line, (size_t) n, i == 99, &answers[i]);
                if (i == 49)
                        WORLD_AWAIT(world, answers[49].is_there);
        }
        WORLD_AWAIT(world, answers[99].is_there);
        (void) world_next(world, "echo", "Stopped/exited");
        page = log_query(world, "echo", (LogQuery){ .stream = "stdout", .lines = 200 });
        ck_assert_uint_eq(page.n_lines, 100);
        for (int i = 0; i < 100; i++) {
                ck_assert(answers[i].is_there && answers[i].error[0] == '\0');
                ck_assert_int_eq(atoi(page.lines[i].text + strlen("line ")), i);
        }
}
END_TEST

START_TEST(sixty_four_kibibytes_are_taken_and_a_byte_more_is_not) {
        _cleanup_free_ char *bytes = make_bytes('x', LIMIT + 1);

        run("'count': {'command': ['wc', '-c'], 'stdin': 'pipe', 'restart': {'policy': 'no'}}");
        (void) world_start_ready(world, "count");
        ck_assert_str_eq(feed_at("count", 0, bytes, LIMIT + 1), WORLD_ERROR "LimitsExceeded");
        ck_assert_ptr_null(feed_at("count", 0, bytes, LIMIT));
        feed_last("count", "");
        log_await(world, "count", "65536");
        (void) world_next(world, "count", "Stopped/exited");
}
END_TEST

START_TEST(a_full_pipe_holds_up_its_writer_alone) {
        _cleanup_free_ char *bytes = make_bytes('x', LIMIT);
        Answer second, third;

        run("'late': {'command': ['/bin/sh', '-c', '" LATE "wc -c'], 'stdin': 'pipe'},"
            "'other': {'command': ['/bin/sh', '-c', 'read -r line; echo got $line; sleep 1000'],"
            " 'stdin': 'pipe'}");
        (void) world_start_ready(world, "late");
        (void) world_start_ready(world, "other");
        ck_assert_ptr_null(feed_at("late", 0, bytes, LIMIT));
        feed_later(world->bus, "late", bytes, LIMIT, false, &second);
        /* As small as it is: it waits for its turn. */
        feed_later(world->bus, "late", "x", 1, true, &third);
        ping(world->bus);
        feed("other", "hello\n");
        log_await(world, "other", "got hello");
        ck_assert(!second.is_there && !third.is_there);

        world_write_file(world, "go", 0644, "");
        WORLD_AWAIT(world, third.is_there);
        ck_assert(second.is_there);
        ck_assert_str_eq(second.error, "");
        ck_assert_str_eq(third.error, "");
        log_await(world, "late", "131073");
}
END_TEST

static int ignore(sd_bus_message *m _unused_, void *userdata _unused_, sd_bus_error *e _unused_) {
        return 0;
}

static bool is_on_the_bus(const char *name) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int is_there;

        ck_assert_int_ge(sd_bus_call_method(world->bus, "org.freedesktop.DBus",
                                            "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                            "NameHasOwner", NULL, &reply, "s", name),
                         0);
        ck_assert_int_gt(sd_bus_message_read(reply, "b", &is_there), 0);
        return is_there;
}

/* Until the bus has noticed: what is sent from now on comes after the news of it. */
static void leave(sd_bus *bus) {
        _cleanup_free_ char *name = NULL, *rule = NULL;
        const char *unique;

        ck_assert_int_ge(sd_bus_get_unique_name(bus, &unique), 0);
        name = strdup(unique);
        ck_assert_int_gt(asprintf(&rule, "type='signal',member='NameOwnerChanged',arg0='%s'", name),
                         0);
        ck_assert_int_ge(sd_bus_add_match(world->bus, NULL, rule, ignore, NULL), 0);
        sd_bus_close_unref(bus);
        WORLD_AWAIT(world, !is_on_the_bus(name));
}

START_TEST(a_caller_that_leaves_writes_no_more) {
        _cleanup_free_ char *bytes = make_bytes('a', LIMIT), *others = make_bytes('b', LIMIT);
        sd_bus *leaver = client_open(world);
        Answer first, second, third;

        run("'late': {'command': ['/bin/sh', '-c', '" LATE "tr -s a-z | cat'], 'stdin': 'pipe',"
            " 'restart': {'policy': 'no'}}");
        (void) world_start_ready(world, "late");
        feed_later(leaver, "late", bytes, LIMIT, false, &first);
        feed_later(leaver, "late", others, LIMIT, false, &second);
        ping(leaver);
        leave(leaver);

        feed_later(world->bus, "late", "c\n", 2, true, &third);
        ping(world->bus);
        world_write_file(world, "go", 0644, "");
        WORLD_AWAIT(world, third.is_there);
        ck_assert_str_eq(third.error, "");
        (void) world_next(world, "late", "Stopped/exited");
        log_await(world, "late", "ac");
}
END_TEST

START_TEST(sixty_four_calls_of_a_connection_may_wait) {
        _cleanup_free_ char *bytes = make_bytes('x', LIMIT);
        Answer answers[66];

        run("'late': {'command': ['sleep', '1000'], 'stdin': 'pipe'}");
        (void) world_start_ready(world, "late");
        for (size_t i = 0; i < ELEMENTSOF(answers); i++)
                feed_later(world->bus, "late", bytes, i == 0 ? LIMIT : 1, false, &answers[i]);
        WORLD_AWAIT(world, answers[65].is_there);
        ck_assert_str_eq(answers[0].error, "");
        ck_assert_str_eq(answers[65].error, WORLD_ERROR "LimitsExceeded");
        for (size_t i = 1; i < 65; i++)
                ck_assert(!answers[i].is_there);
        ck_assert_str_eq(world_state(world, "late"), "Running/ready");
}
END_TEST

START_TEST(a_stop_answers_what_waits_and_another_generation_has_another_pipe) {
        _cleanup_free_ char *bytes = make_bytes('x', LIMIT);
        uint64_t generation;
        Answer waiting;

        run("'late': {'command': ['sleep', '1000'], 'stdin': 'pipe'}");
        ck_assert_str_eq(feed_at("late", 0, "x", 1), WORLD_ERROR "NotRunning");
        generation = world_start_ready(world, "late");
        ck_assert_ptr_null(feed_at("late", generation, bytes, LIMIT));
        feed_later(world->bus, "late", bytes, LIMIT, false, &waiting);
        ping(world->bus);
        ck_assert(!waiting.is_there);
        world_stop(world, "late");
        WORLD_AWAIT(world, waiting.is_there);
        ck_assert_str_eq(waiting.error, WORLD_ERROR "NotRunning");

        ck_assert_uint_gt(world_start_ready(world, "late"), generation);
        ck_assert_str_eq(feed_at("late", generation, "x", 1), WORLD_ERROR "NotRunning");
        ck_assert_ptr_null(feed_at("late", 0, bytes, LIMIT));
}
END_TEST

START_TEST(who_reads_no_more_is_told_of) {
        run("'deaf': {'command': ['/bin/sh', '-c', 'exec <&-; echo deaf; exec sleep 1000'],"
            " 'stdin': 'pipe'}");
        (void) world_start_ready(world, "deaf");
        log_await(world, "deaf", "deaf");
        ck_assert_str_eq(feed_at("deaf", 0, "x", 1), WORLD_ERROR "NotRunning");
        ck_assert_str_eq(world_state(world, "deaf"), "Running/ready");
}
END_TEST

/* What it has left unread hides from a longer one that nobody will read that. */
START_TEST(who_reads_no_more_is_told_of_while_he_waits_for_room) {
        _cleanup_free_ char *bytes = make_bytes('x', LIMIT);
        Answer waiting, behind;

        run("'deaf': {'command': ['/bin/sh', '-c', '" LATE "exec <&-; exec sleep 1000'],"
            " 'stdin': 'pipe'}");
        (void) world_start_ready(world, "deaf");
        ck_assert_ptr_null(feed_at("deaf", 0, "x", 1));
        feed_later(world->bus, "deaf", bytes, LIMIT, false, &waiting);
        feed_later(world->bus, "deaf", "x", 1, false, &behind);
        ping(world->bus);
        ck_assert(!waiting.is_there);
        world_write_file(world, "go", 0644, "");
        WORLD_AWAIT(world, behind.is_there);
        ck_assert_str_eq(waiting.error, WORLD_ERROR "NotRunning");
        ck_assert_str_eq(behind.error, WORLD_ERROR "NotRunning");
        ck_assert_str_eq(world_state(world, "deaf"), "Running/ready");
}
END_TEST

START_TEST(without_a_pipe_there_is_the_null_device) {
        run("'none': {'command': ['/bin/sh', '-c', 'readlink /proc/self/fd/0; exec sleep 1000']}");
        (void) world_start_ready(world, "none");
        log_await(world, "none", "/dev/null");
        ck_assert_str_eq(feed_at("none", 0, "x", 1), WORLD_ERROR "NotSupported");
}
END_TEST

START_TEST(d2_the_death_of_a_brain_is_no_end_of_stdin) {
        run("'cat': {'command': ['cat'], 'stdin': 'pipe', 'restart': {'policy': 'no'}}");
        (void) world_start_ready(world, "cat");
        for (int i = 0; i < 3; i++) {
                char line[32];

                (void) snprintf(line, sizeof(line), "line %d\n", i);
                feed("cat", line);
                world_kill_brain(world);
                ck_assert_str_eq(world_state(world, "cat"), "Running/ready");
        }
        log_await(world, "cat", "line 2");
        feed_last("cat", "last\n");
        log_await(world, "cat", "last");
        (void) world_next(world, "cat", "Stopped/exited");
}
END_TEST

START_TEST(d2_what_was_closed_stays_closed_over_a_death_of_the_brain) {
        run("'cat': {'command': ['/bin/sh', '-c', 'cat; echo seen; exec sleep 1000'],"
            " 'stdin': 'pipe'}");
        (void) world_start_ready(world, "cat");
        feed_last("cat", "last\n");
        log_await(world, "cat", "seen");
        ck_assert_str_eq(feed_at("cat", 0, "x", 1), WORLD_ERROR "NotRunning");
        world_kill_brain(world);
        ck_assert_str_eq(feed_at("cat", 0, "x", 1), WORLD_ERROR "NotRunning");
        ck_assert_str_eq(world_state(world, "cat"), "Running/ready");
}
END_TEST

#define ROUNDS 12
#define BLOCKS_A_ROUND 24
#define BLOCKS (ROUNDS * BLOCKS_A_ROUND)

/* Sizes around what a pipe takes at once, and at random. */
static size_t pick_size(Random *random) {
        static const size_t sizes[] = { 1, 4079, 4080, 4081, 8192, LIMIT - 16 };
        size_t i = random_below(random, 2 * ELEMENTSOF(sizes));

        return i < ELEMENTSOF(sizes) ? sizes[i] : 1 + random_below(random, LIMIT - 16);
}

static void feed_block(Random *random, int number, Answer *answer) {
        size_t n = pick_size(random);
        _cleanup_free_ char *block = make_bytes((char) ('a' + number % 26), 16 + n + 1);
        char head[32];

        (void) snprintf(head, sizeof(head), "%08d%08zu", number, n);
        memcpy(block, head, 16);
        feed_later(world->bus, "checker", block, 16 + n, false, answer);
}

/* What has arrived is in order, and so is once there, and has all that was answered. */
static void assert_arrived(const LogPage *page, const Answer *answers) {
        bool has[BLOCKS] = { false };
        int last = -1, n_answered = 0;

        for (size_t i = 0; i < page->n_lines; i++) {
                int number;

                if (sscanf(page->lines[i].text, "block %d", &number) != 1) {
                        ck_assert_str_eq(page->lines[i].text, "end");
                        continue;
                }
                ck_assert_int_gt(number, last);
                last = number;
                has[number] = true;
        }
        for (int i = 0; i < BLOCKS; i++)
                if (answers[i].is_there && answers[i].error[0] == '\0') {
                        ck_assert_msg(has[i], "block %d was answered, and is not there", i);
                        n_answered++;
                }
        printf("%d of %d blocks answered, %zu arrived\n", n_answered, BLOCKS, page->n_lines - 1);
        ck_assert_int_gt(n_answered, 0);
}

START_TEST(d2_whenever_the_brain_is_killed_each_block_is_whole_or_not_there) {
        static Answer answers[BLOCKS];
        _cleanup_(log_page_clear) LogPage page = { 0 };
        Random random = seed_take();
        int number = 0;

        world_write_file(world, "checker.py", 0644, CHECKER);
        run("'checker': {'command': ['python3', '@DIR@/checker.py'], 'stdin': 'pipe',"
            " 'restart': {'policy': 'no'}}");
        (void) world_start_ready(world, "checker");
        for (int round = 0; round < ROUNDS; round++) {
                _cleanup_free_ char *former = strdup(world->owner);
                _cleanup_close_ int pidfd = process_open(world_brain(world));
                int answered_before_kill = number + (int) random_below(&random, BLOCKS_A_ROUND - 1);

                ping(world->bus); /* it knows us: more than a few calls are heard */
                for (int i = 0; i < BLOCKS_A_ROUND; i++, number++)
                        feed_block(&random, number, &answers[number]);
                WORLD_AWAIT(world, answers[answered_before_kill].is_there);
                process_signal(pidfd, SIGKILL);
                WORLD_AWAIT(world, world->owner[0] != '\0' && !streq(world->owner, former));
        }
        feed_last("checker", "");
        (void) world_next(world, "checker", "Stopped/exited");
        page = log_query(world, "checker", (LogQuery){ .stream = "stdout", .lines = 1000 });
        assert_arrived(&page, answers);
}
END_TEST

TEST_MAIN_TIMEOUT("stdin",
                  120,
                  world_setup,
                  world_teardown,
                  what_is_written_arrives_and_close_is_its_end,
                  a_hundred_calls_arrive_in_the_order_of_the_calls,
                  sixty_four_kibibytes_are_taken_and_a_byte_more_is_not,
                  a_full_pipe_holds_up_its_writer_alone,
                  a_caller_that_leaves_writes_no_more,
                  sixty_four_calls_of_a_connection_may_wait,
                  a_stop_answers_what_waits_and_another_generation_has_another_pipe,
                  who_reads_no_more_is_told_of,
                  who_reads_no_more_is_told_of_while_he_waits_for_room,
                  without_a_pipe_there_is_the_null_device,
                  d2_the_death_of_a_brain_is_no_end_of_stdin,
                  d2_what_was_closed_stays_closed_over_a_death_of_the_brain,
                  d2_whenever_the_brain_is_killed_each_block_is_whole_or_not_there)
