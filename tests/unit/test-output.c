/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "io/output.h"
#include "log-harness.h"
#include "output-programs.h"

static char found[8 * 1024 * 1024];

/* A sidecar with its ring, and what on_lines was told of it. */
typedef struct Sidecar {
        LogRing *ring;
        Output *output;
        uint64_t seen; /* the next line */
        unsigned n_calls;
        size_t n_lines[_LOG_STREAM_MAX];
        bool is_numbered; /* lines are those of numbered_fill(), from the first on in each stream */
        char last[64];
        size_t n_last;
        int memory;    /* what on_memory was told, or -1 */
        int stdout_fd; /* where the newest standard output is read */
} Sidecar;

static Sidecar one, two;
static int cue[2]; /* the standard input of children: what a grandchild waits for */

static void check_number(Sidecar *sidecar, const LogLine *line) {
        char expected[NUMBERED_BYTES];

        numbered_fill(expected, sidecar->n_lines[line->stream] * NUMBERED_BYTES, NUMBERED_BYTES);
        ck_assert_uint_eq(line->n_bytes, NUMBERED_BYTES - 1);
        ck_assert_mem_eq(line->bytes, expected, NUMBERED_BYTES - 1);
}

static void on_lines(uint64_t first_number, void *userdata) {
        Sidecar *sidecar = userdata;
        LogLine line;

        ck_assert_uint_eq(first_number, sidecar->seen);
        sidecar->n_calls++;
        for (; log_ring_get(sidecar->ring, sidecar->seen, &line); sidecar->seen++) {
                ck_assert_uint_eq(line.number, sidecar->seen);
                if (sidecar->is_numbered)
                        check_number(sidecar, &line);
                sidecar->n_lines[line.stream]++;
                sidecar->n_last =
                        line.n_bytes < sizeof(sidecar->last) ? line.n_bytes : sizeof(sidecar->last);
                memcpy(sidecar->last, line.bytes, sidecar->n_last);
        }
}

static void resume_one(void *userdata) {
        (void) userdata;
        output_resume(one.output);
}

static void on_memory(int memory_fd, void *userdata) {
        Sidecar *sidecar = userdata;

        ck_assert_int_eq(sidecar->memory, -1);
        sidecar->memory = fcntl(memory_fd, F_DUPFD_CLOEXEC, 3);
}

static void open_output(Sidecar *sidecar, LogFile *log_file) {
        sidecar->memory = -1;
        ck_assert_int_eq(log_ring_new(&sidecar->ring, 0), 0);
        ck_assert_int_eq(output_new(&sidecar->output, event, sidecar->ring, log_file, on_lines,
                                    on_memory, sidecar),
                         0);
}

static void close_output(Sidecar *sidecar) {
        sidecar->output = output_free(sidecar->output);
        sidecar->ring = log_ring_free(sidecar->ring);
        sidecar->memory = safe_close(sidecar->memory);
}

static void setup(void) {
        harness_setup();
        one.memory = two.memory = -1;
        ck_assert_int_eq(pipe2(cue, O_CLOEXEC), 0);
}

static void teardown(void) {
        close_output(&one);
        close_output(&two);
        safe_close(cue[0]);
        safe_close(cue[1]);
        harness_teardown();
}

static void close_ends(const OutputEnds *ends) {
        safe_close(ends->stdout_fd);
        safe_close(ends->stderr_fd);
}

/* A child whose standard output and error are new pipes of the sidecar. */
static pid_t start(Sidecar *sidecar, uint64_t generation, void (*program)(void)) {
        OutputEnds ends;
        pid_t pid;

        ck_assert_int_eq(output_open(sidecar->output, generation, &ends), 0);
        sidecar->stdout_fd = ends.kept_stdout_fd;
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                (void) dup2(cue[0], STDIN_FILENO);
                (void) dup2(ends.stdout_fd, STDOUT_FILENO);
                (void) dup2(ends.stderr_fd, STDERR_FILENO);
                (void) close_range(3, ~0u, 0);
                program();
                _exit(0);
        }

        close_ends(&ends);
        return pid;
}

static void reap(pid_t pid) {
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void assert_last(const Sidecar *sidecar, const char *text) {
        ck_assert_uint_eq(sidecar->n_last, strlen(text));
        ck_assert_mem_eq(sidecar->last, text, strlen(text));
}

START_TEST(all_lines_arrive_in_order_on_both_streams) {
        pid_t pid;

        one.is_numbered = true;
        open_output(&one, NULL);
        pid = start(&one, 1, numbers_on_both_streams);
        while (one.n_lines[LOG_STDOUT] < N_NUMBERED || one.n_lines[LOG_STDERR] < N_NUMBERED)
                turn();

        reap(pid);
        ck_assert_uint_eq(log_ring_next(one.ring), 2 * N_NUMBERED);
        /* One call a read, however many lines it brought. */
        ck_assert_uint_lt(one.n_calls, N_NUMBERED);
}
END_TEST

START_TEST(the_file_has_the_same_bytes) {
        size_t n = 0;
        pid_t pid;

        one.is_numbered = true;
        open_file(1 << 30, 5, resume_one, NULL);
        open_output(&one, file);
        pid = start(&one, 1, numbers);
        while (one.n_lines[LOG_STDOUT] < N_NUMBERED)
                turn();
        reap(pid);
        while (reckon(found, n, numbered_byte, N_NUMBERED * NUMBERED_BYTES) < 0) {
                turn();
                n = read_file(path, found, sizeof(found));
        }
}
END_TEST

START_TEST(last_words_are_there_at_the_exit_though_a_grandchild_keeps_the_pipe) {
        pid_t pid;

        open_output(&one, NULL);
        pid = start(&one, 1, leaves_a_grandchild);
        reap(pid);
        output_drain(one.output);
        ck_assert_uint_eq(one.n_lines[LOG_STDOUT], 1);
        assert_last(&one, "last words");

        /* The next generation has pipes of its own. */
        pid = start(&one, 2, one_line);
        while (one.n_lines[LOG_STDOUT] < 2)
                turn();
        assert_last(&one, "here");
        reap(pid);

        ck_assert_int_eq(write(cue[1], "x", 1), 1);
        while (one.n_lines[LOG_STDOUT] < 3)
                turn();
        assert_last(&one, "half a line");

        /* Its end is the end of its last line. */
        ck_assert_int_eq(write(cue[1], "x", 1), 1);
        while (one.n_lines[LOG_STDOUT] < 4)
                turn();
        assert_last(&one, "not ended");
}
END_TEST

START_TEST(what_waits_is_a_line_when_the_tree_is_empty) {
        LogLine line;
        pid_t pid;

        open_output(&one, NULL);
        pid = start(&one, 7, leaves_a_grandchild);
        reap(pid);
        output_close(one.output);

        ck_assert_uint_eq(one.n_calls, 1);
        assert_last(&one, "half ");
        ck_assert(log_ring_get(one.ring, 1, &line));
        ck_assert_uint_eq(line.generation, 7);
}
END_TEST

START_TEST(a_line_without_end_comes_in_pieces) {
        LogLine line;
        pid_t pid;

        open_output(&one, NULL);
        pid = start(&one, 1, line_without_end);
        while (one.n_lines[LOG_STDERR] < 13)
                turn();

        reap(pid);
        for (uint64_t number = 0; number < 13; number++) {
                ck_assert(log_ring_get(one.ring, number, &line));
                ck_assert_int_eq(line.ending == LOG_ENDING_SPLIT, number < 12);
                ck_assert_uint_eq(line.n_bytes, number < 12 ? 8192 : 100000 - 12 * 8192);
        }
}
END_TEST

START_TEST(strange_bytes_are_kept) {
        LogLine line;
        pid_t pid;

        open_output(&one, NULL);
        pid = start(&one, 1, strange_bytes);
        while (one.n_lines[LOG_STDOUT] < 1)
                turn();

        reap(pid);
        ck_assert(log_ring_get(one.ring, 0, &line));
        ck_assert_uint_eq(line.n_bytes, 13);
        ck_assert_mem_eq(line.bytes, "a\0b\xff\xc0\xaf\xed\xa0\x80\x1b[2J", 13);
}
END_TEST

static int endless_pipe = -1;

/* The pipe is never empty when the loop looks, and has so much that the loop does not rest. */
static void refill(uint64_t first_number, void *userdata) {
        static char text[8192];
        unsigned *n_reads = userdata;

        (void) first_number;
        (*n_reads)++;
        memset(text, '\n', sizeof(text));
        ck_assert_int_eq(write(endless_pipe, text, sizeof(text)), sizeof(text));
}

static void ignore_memory(int memory_fd, void *userdata) {
        (void) memory_fd, (void) userdata;
}

static int count_turn(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        unsigned *n_turns = userdata;

        (void) source, (void) fd, (void) revents;
        (*n_turns)++;
        return 0;
}

START_TEST(a_pipe_that_is_never_empty_leaves_turns_to_all_others) {
        _cleanup_close_ int always = eventfd(1, EFD_CLOEXEC);
        unsigned n_reads = 0, n_turns = 0;
        sd_event_source *source = NULL;
        OutputEnds ends;

        ck_assert_int_eq(log_ring_new(&one.ring, 0), 0);
        ck_assert_int_eq(
                output_new(&one.output, event, one.ring, NULL, refill, ignore_memory, &n_reads), 0);
        ck_assert_int_eq(output_open(one.output, 1, &ends), 0);
        endless_pipe = ends.stdout_fd;
        ck_assert_int_ge(sd_event_add_io(event, &source, always, EPOLLIN, count_turn, &n_turns), 0);
        (void) sd_event_source_set_priority(source, 10);

        refill(0, &n_reads);
        for (unsigned i = 0; i < 600; i++)
                turn();
        ck_assert_uint_ge(n_turns, 90);
        ck_assert_uint_ge(n_reads, 400);

        sd_event_source_unref(source);
        endless_pipe = safe_close(endless_pipe);
        safe_close(ends.stderr_fd);
}
END_TEST

START_TEST(floods_hold_up_nobody) {
        pid_t floods[3], pid;

        open_output(&one, NULL);
        open_output(&two, NULL);
        for (unsigned i = 0; i < ELEMENTSOF(floods); i++)
                floods[i] = start(&one, i, flood);
        while (one.n_lines[LOG_STDOUT] < 200000)
                turn();

        pid = start(&two, 1, one_line);
        while (two.n_lines[LOG_STDOUT] == 0)
                turn();
        reap(pid);

        for (unsigned i = 0; i < ELEMENTSOF(floods); i++) {
                ck_assert_int_eq(kill(floods[i], SIGKILL), 0);
                reap(floods[i]);
        }
}
END_TEST

START_TEST(a_stalled_file_loses_bytes_and_counts_them_and_the_ring_loses_none) {
        _cleanup_close_ int reader = -1;
        size_t n = 0;
        int64_t n_lost;
        pid_t pid;

        make_stalled_path();
        one.is_numbered = true;
        open_file(1 << 20, 5, resume_one, NULL);
        open_output(&one, file);
        pid = start(&one, 1, numbers);
        while (one.n_lines[LOG_STDOUT] < N_NUMBERED)
                turn();
        reap(pid);

        reader = unstall();
        while ((n_lost = reckon(found, n, numbered_byte, N_NUMBERED * NUMBERED_BYTES)) < 0) {
                ssize_t got = read(reader, found + n, sizeof(found) - n);

                n += got > 0 ? (size_t) got : 0;
                turn();
        }
        ck_assert_int_ge(n_lost, (int64_t) N_NUMBERED * NUMBERED_BYTES - 1024 * 1024);
        ck_assert_uint_eq(n_states, 0);
}
END_TEST

START_TEST(a_file_that_is_behind_slows_the_writer_and_loses_nothing) {
        _cleanup_close_ int reader = -1;
        size_t n = 0;
        int64_t n_lost;
        pid_t pid;

        make_stalled_path();
        one.is_numbered = true;
        open_file(1 << 20, 5, resume_one, NULL);
        open_output(&one, file);
        pid = start(&one, 1, numbers);
        while (log_file_room(file, LAST_WORDS_BYTES) > 0)
                turn();
        ck_assert_uint_lt(one.n_lines[LOG_STDOUT], N_NUMBERED);

        /* The loop never gets to see that the disk stands still: whatever the clock does. */
        reader = unstall();
        while ((n_lost = reckon(found, n, numbered_byte, N_NUMBERED * NUMBERED_BYTES)) < 0) {
                ssize_t got = read(reader, found + n, sizeof(found) - n);

                n += got > 0 ? (size_t) got : 0;
                if (log_file_room(file, LAST_WORDS_BYTES) > 0)
                        turn();
        }
        ck_assert_int_eq(n_lost, 0);
        reap(pid);
}
END_TEST

/* Who writes has yet to get its turn, perhaps. */
static void wait_for_unread(const Sidecar *sidecar, int n_bytes) {
        int n_unread = 0;

        while (n_unread < n_bytes) {
                (void) sched_yield();
                ck_assert_int_eq(ioctl(sidecar->stdout_fd, FIONREAD, &n_unread), 0);
        }
}

START_TEST(last_words_fit_into_a_file_that_is_behind) {
        _cleanup_close_ int reader = -1;
        size_t n = 0, n_before;
        int64_t n_lost;
        pid_t pid;

        make_stalled_path();
        one.is_numbered = true;
        open_file(1 << 20, 5, resume_one, NULL);
        open_output(&one, file);
        pid = start(&one, 1, numbers);
        while (log_file_room(file, LAST_WORDS_BYTES) > 0)
                turn();
        wait_for_unread(&one, 4 * NUMBERED_BYTES);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        reap(pid);
        n_before = one.n_lines[LOG_STDOUT];
        output_drain(one.output);
        ck_assert_uint_gt(one.n_lines[LOG_STDOUT], n_before);

        reader = unstall();
        while ((n_lost = reckon(found, n, numbered_byte,
                                one.n_lines[LOG_STDOUT] * NUMBERED_BYTES)) < 0) {
                ssize_t got = read(reader, found + n, sizeof(found) - n);

                n += got > 0 ? (size_t) got : 0;
        }
        ck_assert_int_eq(n_lost, 0);
}
END_TEST

START_TEST(pipes_are_small_until_they_are_full_and_survive_no_exec) {
        static char text[16384];
        OutputEnds ends;
        int n_bytes, out, err;

        open_output(&one, NULL);
        ck_assert_int_eq(output_open(one.output, 1, &ends), 0);
        out = ends.stdout_fd;
        err = ends.stderr_fd;
        ck_assert_int_eq(fcntl(ends.kept_stdout_fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        ck_assert_int_eq(fcntl(out, F_GETPIPE_SZ), 16384);
        ck_assert_int_eq(fcntl(out, F_GETFD), FD_CLOEXEC);
        ck_assert_int_eq(fcntl(out, F_GETFL) & O_NONBLOCK, 0);

        memset(text, 'x', sizeof(text));
        ck_assert_int_eq(write(out, text, sizeof(text)), sizeof(text));
        turn();
        ck_assert_int_eq(ioctl(out, FIONREAD, &n_bytes), 0);
        ck_assert_int_eq(n_bytes, 0);
        ck_assert_int_ge(fcntl(out, F_GETPIPE_SZ), 65536);
        ck_assert_int_eq(fcntl(err, F_GETPIPE_SZ), 16384);
        close_ends(&ends);
}
END_TEST

/* Until the first byte there is nothing to keep, and nothing to pay for. */
static size_t memory_bytes(const Sidecar *sidecar) {
        struct stat st;

        ck_assert_int_eq(fstat(sidecar->memory, &st), 0);
        return (size_t) st.st_blocks * 512;
}

START_TEST(g4_what_a_flood_takes_of_memory_is_given_back) {
        const size_t n_beside = 256u * 1024u; /* more than index and header */
        pid_t pid;

        open_file(1 << 20, 5, resume_one, NULL);
        open_output(&one, file);
        pid = start(&one, 1, flood);
        while (one.n_lines[LOG_STDOUT] < 200000)
                turn();
        ck_assert_uint_le(memory_bytes(&one), LOG_STORE_RING_BYTES + n_beside);

        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        reap(pid);
        while (memory_bytes(&one) > LOG_RING_BYTES + n_beside)
                turn();

        /* It is not the newest that went. */
        output_close(one.output);
        for (uint64_t i = log_ring_first(one.ring); i < log_ring_next(one.ring) - 1; i++) {
                LogLine line;

                ck_assert(log_ring_get(one.ring, i, &line));
                for (size_t at = 0; at < line.n_bytes; at++)
                        ck_assert(line.bytes[at] == 'y');
        }
        ck_assert_uint_gt(log_ring_next(one.ring) - log_ring_first(one.ring), 2000);
}
END_TEST

START_TEST(memory_is_made_for_the_first_byte_and_told_once) {
        OutputEnds ends;

        open_output(&one, NULL);
        ck_assert_int_eq(output_open(one.output, 1, &ends), 0);
        turn();
        ck_assert_int_eq(one.memory, -1);

        write_all(ends.stdout_fd, "first\n", 6);
        turn();
        ck_assert_int_ge(one.memory, 0);
        ck_assert_int_eq(fcntl(one.memory, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
        assert_last(&one, "first");
        write_all(ends.stdout_fd, "second\n", 7);
        turn();
        assert_last(&one, "second");

        close_ends(&ends);
}
END_TEST

/* Kills the brain, as far as its output goes: what it had in its head is gone. */
static int die_and_adopt(Sidecar *sidecar, uint64_t generation, const OutputEnds *ends) {
        int out = fcntl(ends->kept_stdout_fd, F_DUPFD_CLOEXEC, 3);
        int err = fcntl(ends->kept_stderr_fd, F_DUPFD_CLOEXEC, 3), kept = TAKE_FD(sidecar->memory);
        int r;

        close_output(sidecar);
        open_output(sidecar, NULL);
        r = output_adopt(sidecar->output, generation, kept, out, err);
        sidecar->seen = log_ring_next(sidecar->ring);
        return r;
}

START_TEST(what_waits_of_pipes_that_died_with_a_brain_is_a_line) {
        OutputEnds old, new;
        LogLine line;

        open_output(&one, NULL);
        ck_assert_int_eq(output_open(one.output, 1, &old), 0);
        ck_assert_int_eq(output_open(one.output, 2, &new), 0);
        write_all(old.stdout_fd, "of a grandchild", 15);
        turn();
        write_all(new.stderr_fd, "goes ", 5);
        turn();

        ck_assert_int_eq(die_and_adopt(&one, 2, &new), 0);
        write_all(new.stderr_fd, "on\n", 3);
        turn();
        ck_assert(log_ring_get(one.ring, 0, &line));
        ck_assert_uint_eq(line.generation, 1);
        ck_assert_uint_eq(line.n_bytes, 15);
        ck_assert(log_ring_get(one.ring, 1, &line));
        ck_assert_uint_eq(line.n_bytes, 7);
        ck_assert_mem_eq(line.bytes, "goes on", 7);
        ck_assert_int_eq(one.memory, -1); /* the keeper has it already */

        close_ends(&old);
        close_ends(&new);
}
END_TEST

START_TEST(a_memory_of_another_version_is_left_and_the_pipes_are_read_into_a_new_one) {
        OutputEnds ends;

        open_output(&one, NULL);
        ck_assert_int_eq(output_open(one.output, 1, &ends), 0);
        write_all(ends.stdout_fd, "before\n", 7);
        turn();
        ck_assert_int_eq(pwrite(one.memory, "other", 5, 0), 5);

        ck_assert_int_eq(die_and_adopt(&one, 1, &ends), -EBADMSG);
        write_all(ends.stdout_fd, "after\n", 6);
        turn();
        assert_last(&one, "after");
        ck_assert_int_ge(one.memory, 0);

        close_ends(&ends);
}
END_TEST

TEST_MAIN("output",
          setup,
          teardown,
          all_lines_arrive_in_order_on_both_streams,
          the_file_has_the_same_bytes,
          last_words_are_there_at_the_exit_though_a_grandchild_keeps_the_pipe,
          what_waits_is_a_line_when_the_tree_is_empty,
          a_line_without_end_comes_in_pieces,
          strange_bytes_are_kept,
          a_pipe_that_is_never_empty_leaves_turns_to_all_others,
          floods_hold_up_nobody,
          a_stalled_file_loses_bytes_and_counts_them_and_the_ring_loses_none,
          a_file_that_is_behind_slows_the_writer_and_loses_nothing,
          last_words_fit_into_a_file_that_is_behind,
          pipes_are_small_until_they_are_full_and_survive_no_exec,
          g4_what_a_flood_takes_of_memory_is_given_back,
          memory_is_made_for_the_first_byte_and_told_once,
          what_waits_of_pipes_that_died_with_a_brain_is_a_line,
          a_memory_of_another_version_is_left_and_the_pipes_are_read_into_a_new_one)
