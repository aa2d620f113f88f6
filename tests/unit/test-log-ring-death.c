/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A brain that reads real pipes into a ring is stopped before every single instruction. Whatever
 * is in the memory just then is what another one would find if it were a SIGKILL: from a copy of
 * it the rest is done, and must come to the same as if nobody had died.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "io/log-memory.h"
#include "model/log-ring.h"
#include "test.h"

/* Old lines fill the ring, so that every new byte is in the place of one of theirs. */
#define OLD_BYTES 8000u
#define N_OLD 60u

typedef struct Step {
        LogOrigin origin;
        const char *text; /* NULL: the stream ends */
        size_t n_bytes;
} Step;

static char long_text[20000];

#define TEXT(stream, generation, text) \
        { { stream, generation, 0 }, text, sizeof(text) - 1 }
#define END(stream, generation) \
        { { stream, generation, 0 }, NULL, 0 }

static const Step steps[] = {
        TEXT(LOG_STDOUT, 1, "one\ntwo\nthr"),
        TEXT(LOG_STDERR, 1, "err"),
        TEXT(LOG_STDOUT, 1, "ee\r\nfour\npar"),
        TEXT(LOG_STDOUT, 1, "t"),
        TEXT(LOG_STDERR, 1, "or"),
        TEXT(LOG_STDERR, 1, "\n"),
        TEXT(LOG_STDOUT, 1, "ial\n"),
        TEXT(LOG_STDOUT, 1, "in one"),
        TEXT(LOG_STDOUT, 1, " piece\nnext"),
        { { LOG_STDERR, 1, 0 }, long_text, sizeof(long_text) },
        END(LOG_STDERR, 1),
        TEXT(LOG_STDERR, 2, "a"),
        TEXT(LOG_STDOUT, 3, "b"),
        TEXT(LOG_STDERR, 3, "c"),
        END(LOG_STDOUT, 1),
        TEXT(LOG_STDOUT, 4, "d"),
        TEXT(LOG_STDERR, 2, "\n"),
        END(LOG_STDERR, 3),
};

static int pipes[ELEMENTSOF(steps)]; /* what each step reads */
static LogMemory *memory, *copy;
static char expected[LOG_RING_BYTES], found[LOG_RING_BYTES];
static uint64_t old_raw;

static LogOrigin origin_of(size_t i) {
        LogOrigin origin = steps[i].origin;

        origin.realtime_usec = i; /* done again it has the same time */
        return origin;
}

static uint64_t nonce_of(size_t i) {
        uint64_t nonce = UINT64_C(0x0123456789abcdef) * (i + 1);
        char *bytes = (char *) &nonce;

        if (steps[i].text)
                bytes[sizeof(nonce) - 1] = (char) ~steps[i].text[steps[i].n_bytes - 1];
        return nonce;
}

/* fd: what is read; -1: the bytes come from nowhere. */
static void do_step(LogRing *ring, size_t i, int fd) {
        const LogOrigin origin = origin_of(i);
        char *bytes;

        if (!steps[i].text) {
                log_ring_flush(ring, &origin);
                return;
        }

        bytes = log_ring_prepare(ring, &origin, steps[i].n_bytes, nonce_of(i));
        if (fd < 0)
                memcpy(bytes, steps[i].text, steps[i].n_bytes);
        else if (read(fd, bytes, steps[i].n_bytes) != (ssize_t) steps[i].n_bytes)
                _exit(1);
        log_ring_take(ring, steps[i].n_bytes);
}

static LogRing *fill(const LogStore *store) {
        const LogOrigin origin = { LOG_STDOUT, 1, 0 };
        LogExtent extent;
        LogRing *ring;

        ck_assert_int_eq(log_ring_new(&ring, 0), 0);
        log_ring_begin(ring, store);
        for (unsigned i = 0; i < N_OLD; i++) {
                char *bytes = log_ring_prepare(ring, &origin, OLD_BYTES, i + 1);

                memset(bytes, 'a' + (char) (i % 26), OLD_BYTES - 1);
                bytes[OLD_BYTES - 1] = '\n';
                log_ring_take(ring, OLD_BYTES);
        }

        extent = log_ring_extent(ring);
        old_raw = log_extent_raw(&extent);
        return ring;
}

/* All that is to be seen of a ring after the last step, and that what is left of the old is right.
 */
static size_t
describe(const LogRing *ring, const LogStore *store, char text[static LOG_RING_BYTES]) {
        LogExtent extent = log_ring_extent(ring);
        size_t n = 0;
        LogLine line;

        for (uint64_t i = 0; log_ring_get(ring, i, &line); i = line.number + 1) {
                if (line.number < N_OLD) {
                        ck_assert_uint_eq(line.n_bytes, OLD_BYTES - 1);
                        for (size_t k = 0; k < line.n_bytes; k += 7)
                                if (line.bytes[k] != 'a' + (char) (line.number % 26))
                                        ck_abort_msg("line %u is damaged", (unsigned) line.number);
                        continue;
                }
                n += (size_t) sprintf(text + n, "\n%u %u %u %d %d:", (unsigned) line.number,
                                      (unsigned) line.realtime_usec, (unsigned) line.generation,
                                      (int) line.stream, line.ending == LOG_ENDING_SPLIT);
                memcpy(text + n, line.bytes, line.n_bytes);
                n += line.n_bytes;
        }

        return n + log_store_copy(store, &extent, old_raw, text + n, LOG_RING_BYTES - n);
}

/* The next brain: on a copy, since the other one lives on. */
static size_t go_on(size_t i_next) {
        const LogStore *from = log_memory_store(memory), *store = log_memory_store(copy);
        _cleanup_(log_ring_freep) LogRing *ring = NULL;
        LogOrigin waiting;

        memcpy(store->header, from->header, LOG_STORE_BYTES);
        ck_assert_int_eq(log_ring_new(&ring, 0), 0);
        ck_assert_int_eq(log_ring_resume(ring, store), 0);
        (void) describe(ring, store, found);
        for (size_t i = i_next; i < ELEMENTSOF(steps); i++)
                do_step(ring, i, -1);
        for (size_t i = 0; i < LOG_STORE_OPEN_LINES; i++)
                if (log_ring_get_waiting(ring, i, &waiting))
                        log_ring_flush(ring, &waiting);

        return describe(ring, store, found);
}

/* Most instructions change nothing that another brain would see. */
static bool has_changed(size_t i_next) {
        static char last[LOG_STORE_BYTES];
        static size_t i_last = SIZE_MAX;
        const LogStore *store = log_memory_store(memory);

        if (i_next == i_last && memcmp(last, store->header, sizeof(last)) == 0)
                return false;

        memcpy(last, store->header, sizeof(last));
        i_last = i_next;
        return true;
}

static void be_the_brain(void) {
        _cleanup_(log_ring_freep) LogRing *ring = NULL;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || log_ring_new(&ring, 0) < 0 ||
            log_ring_resume(ring, log_memory_store(memory)) < 0 || raise(SIGSTOP) != 0)
                _exit(1);

        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                do_step(ring, i, pipes[i]);
        _exit(0);
}

/* The first step that has not taken what is there for it, or could be due: ends are done twice. */
static size_t find_next(size_t i) {
        size_t i_next = i;
        int n_there;

        for (; i < ELEMENTSOF(steps); i++) {
                if (!steps[i].text)
                        continue;
                ck_assert_int_eq(ioctl(pipes[i], FIONREAD, &n_there), 0);
                if (n_there > 0)
                        break;
                i_next = i + 1;
        }

        return i_next;
}

static void setup(void) {
        int fd;

        memset(long_text, 'x', sizeof(long_text));
        ck_assert_int_eq(log_memory_new(&memory, &fd), 0);
        safe_close(fd);
        ck_assert_int_eq(log_memory_new(&copy, &fd), 0);
        safe_close(fd);
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                int ends[2];

                ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
                pipes[i] = ends[0];
                if (steps[i].text)
                        ck_assert_int_eq(write(ends[1], steps[i].text, steps[i].n_bytes),
                                         (ssize_t) steps[i].n_bytes);
                safe_close(ends[1]);
        }
}

static void teardown(void) {
        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                safe_close(pipes[i]);
        copy = log_memory_unref(copy);
        memory = log_memory_unref(memory);
}

START_TEST(whatever_instruction_is_its_last_the_next_brain_ends_what_it_began) {
        size_t n_expected, n_instructions = 0, n_states = 0, i_next = 0;
        int status;
        pid_t pid;

        log_ring_free(fill(log_memory_store(memory)));
        n_expected = go_on(0);
        memcpy(expected, found, n_expected);

        pid = fork();
        if (pid == 0)
                be_the_brain();
        ck_assert_int_gt(pid, 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);

        for (; WIFSTOPPED(status); n_instructions++) {
                i_next = find_next(i_next);
                if (has_changed(i_next)) {
                        ck_assert_uint_eq(go_on(i_next), n_expected);
                        ck_assert_mem_eq(found, expected, n_expected);
                        n_states++;
                }

                ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
                ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        }
        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), 0);
        ck_assert_uint_eq(i_next, ELEMENTSOF(steps) - 1);
        printf("stopped before each of %zu instructions: %zu states\n", n_instructions, n_states);
        (void) fflush(stdout);
}
END_TEST

TEST_MAIN_TIMEOUT("log-ring-death",
                  280,
                  setup,
                  teardown,
                  whatever_instruction_is_its_last_the_next_brain_ends_what_it_began)
