/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A brain reads what a sidecar writes, is killed, and another goes on: at random instants, with
 * real pipes, processes and files; and once before every single instruction of the ring's own.
 *
 *     KILLS=10000 SEED=1 test-output-death
 */

#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <time.h>

#include "io/output.h"
#include "log-harness.h"

#define FILE_BYTES_MAX (1u << 20)
#define FILES_MAX 100000u
#define LINE_MAX_BYTES 20000u

/* What writer, brains and test tell each other. */
typedef struct Shared {
        volatile bool is_enough; /* the writer ends its lines and goes */
        volatile bool is_over;   /* it has gone: brains read what is left and end */
        uint64_t n_lines[2];     /* it wrote */
        uint64_t n_bytes;
} Shared;

static unsigned seed;
static Shared *shared;
static int pipes[2] = { -1, -1 };  /* the reading ends of both streams, as the keeper keeps them */
static int keeper[2] = { -1, -1 }; /* what brains give it to keep; our end, theirs */
static int memory_fd = -1;

static size_t below(size_t limit) {
        return (size_t) random() % limit;
}

static void seed_setup(void) {
        const char *given = getenv("SEED");

        seed = given ? (unsigned) strtoul(given, NULL, 10) : (unsigned) time(NULL);
        srandom(seed);
}

/* The lines: a function of stream and number. No byte but the newline is in both streams. */

typedef struct Text {
        unsigned stream;
        uint64_t number;
        char line[LINE_MAX_BYTES + 1]; /* with its newline */
        size_t n_bytes;
        size_t n_done;
} Text;

#define NUMBER_DIGITS 10u

static char zero_of(unsigned stream) {
        return stream == LOG_STDOUT ? '0' : 'A';
}

static size_t length_of(unsigned stream, uint64_t number) {
        uint64_t hash = (number * 2 + stream + seed) * UINT64_C(0x9e3779b97f4a7c15) >> 20;
        uint64_t kind = hash % 400, more = hash / 400;

        if (kind == 0)
                return NUMBER_DIGITS + more % (LINE_MAX_BYTES - NUMBER_DIGITS);
        return NUMBER_DIGITS + more % (kind < 8 ? 3000 : 120);
}

static void text_set(Text *text, uint64_t number) {
        size_t n = length_of(text->stream, number);
        uint64_t rest = number;

        text->number = number;
        for (size_t i = NUMBER_DIGITS; i-- > 0; rest /= 10)
                text->line[i] = (char) (zero_of(text->stream) + (char) (rest % 10));
        for (size_t i = NUMBER_DIGITS; i < n; i++)
                text->line[i] = (char) ((text->stream == LOG_STDOUT ? 'k' : 'K') +
                                        (char) ((number + i) % 16));
        text->line[n] = '\n';
        text->n_bytes = n + 1;
        text->n_done = 0;
}

static bool text_read_number(const Text *text, const char *bytes, size_t n, uint64_t *ret) {
        uint64_t number = 0;

        for (size_t i = 0; i < NUMBER_DIGITS; i++) {
                if (i == n || bytes[i] < zero_of(text->stream) ||
                    bytes[i] > zero_of(text->stream) + 9)
                        return false;
                number = number * 10 + (uint64_t) (bytes[i] - zero_of(text->stream));
        }

        *ret = number;
        return true;
}

/* Processes. None outlives the test. */

static pid_t start(void (*program)(void)) {
        pid_t parent = getpid(), pid = fork();

        /* Without any ck_assert: it writes to libcheck, and who is killed in it leaves half of it.
         */
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() == parent)
                        program();
                _exit(0);
        }

        ck_assert_int_ge(pid, 0);
        return pid;
}

static int writing_ends[2];

static void write_piece(Text *text, size_t n_max) {
        size_t n = text->n_bytes - text->n_done;
        ssize_t written;

        written =
                write(writing_ends[text->stream], text->line + text->n_done, n < n_max ? n : n_max);
        if (written < 0)
                _exit(1);

        shared->n_bytes += (uint64_t) written;
        text->n_done += (size_t) written;
        if (text->n_done == text->n_bytes)
                text_set(text, text->number + 1);
}

static void write_lines(void) {
        static Text texts[2] = { { .stream = LOG_STDOUT }, { .stream = LOG_STDERR } };

        srandom(seed + 1);
        for (unsigned i = 0; i < 2; i++)
                text_set(&texts[i], 0);

        while (!shared->is_enough) {
                Text *text = &texts[below(2)];

                for (size_t n = 1 + below(8); n > 0; n--)
                        write_piece(text, 1 + below((size_t) 1 << below(16)));
        }

        for (unsigned i = 0; i < 2; i++) {
                while (texts[i].n_done > 0)
                        write_piece(&texts[i], SIZE_MAX);
                shared->n_lines[i] = texts[i].number;
        }
}

static void keep_memory(int fd, void *userdata) {
        char control[CMSG_SPACE(sizeof(fd))] = { 0 }, byte = 'm';
        struct iovec iov = { &byte, 1 };
        struct msghdr message = { .msg_iov = &iov,
                                  .msg_iovlen = 1,
                                  .msg_control = control,
                                  .msg_controllen = sizeof(control) };
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        (void) userdata;
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(header), &fd, sizeof(fd));
        if (sendmsg(keeper[1], &message, 0) < 0)
                _exit(2);
}

static void take_memory(void) {
        char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte;
        struct iovec iov = { &byte, 1 };
        struct msghdr message = { .msg_iov = &iov,
                                  .msg_iovlen = 1,
                                  .msg_control = control,
                                  .msg_controllen = sizeof(control) };

        if (recvmsg(keeper[0], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
                return;

        ck_assert_int_eq(memory_fd, -1);
        memcpy(&memory_fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(memory_fd));
}

/* Answers whether the lines that are in the ring follow each other, up to the last that was told.
 */
static bool ring_is_right(const LogRing *ring, uint64_t next[2]) {
        static Text texts[2] = { { .stream = LOG_STDOUT }, { .stream = LOG_STDERR } };
        bool is_known[2] = { false, false };
        LogLine line;

        for (uint64_t i = 0; log_ring_get(ring, i, &line); i = line.number + 1) {
                Text *text = &texts[line.stream];
                uint64_t number;

                if (!is_known[line.stream]) {
                        /* The rest of a line whose beginning has gone. */
                        if (!text_read_number(text, line.bytes, line.n_bytes, &number))
                                continue;
                        text_set(text, number);
                        is_known[line.stream] = true;
                }

                if (line.n_bytes > text->n_bytes - 1 - text->n_done ||
                    memcmp(line.bytes, text->line + text->n_done, line.n_bytes) != 0)
                        return false;
                text->n_done += line.n_bytes;
                if ((line.ending == LOG_ENDING_SPLIT) != (text->n_done < text->n_bytes - 1))
                        return false;
                if (line.ending != LOG_ENDING_SPLIT)
                        text_set(text, text->number + 1);
                next[line.stream] = text->number;
        }

        return true;
}

static void ignore_lines(uint64_t first_number, void *userdata) {
        (void) first_number, (void) userdata;
}

static void resume(void *userdata) {
        output_resume(*(Output **) userdata);
}

/*
 * Real brains write over what a disk does not take, after a while: here that would be a loss that
 * is nobody's fault, so none is read while there is no room for it.
 */
static void turn_while_there_is_room(LogFile *log_file) {
        int r = 0;

        if (log_file_room(log_file, LAST_WORDS_BYTES) > 0)
                r = sd_event_run(event, TURN_USEC);
        else
                (void) sched_yield();
        if (r < 0)
                _exit(5);
}

static void be_the_brain(void) {
        LogFileSpec spec = { path, FILE_BYTES_MAX, FILES_MAX };
        const LogFileHandlers handlers = { resume, on_state, on_lost };
        uint64_t next[2];
        Output *output;
        LogRing *ring;

        if (sd_event_new(&event) < 0 || log_writer_new(&writer, event) < 0 ||
            log_file_new(&file, writer, &spec, &handlers, &output) < 0 ||
            log_ring_new(&ring, 0) < 0 ||
            output_new(&output, event, ring, file, ignore_lines, keep_memory, NULL) < 0 ||
            output_adopt(output, 1, memory_fd, pipes[0], pipes[1]) < 0)
                _exit(3);
        if (!ring_is_right(ring, next))
                _exit(4);

        while (!shared->is_over)
                turn_while_there_is_room(file);

        output_close(output);
        /* The writer's end waits for the disk for a second and no longer. */
        while (log_file_is_behind(file, log_ring_extent(ring).end))
                turn_while_there_is_room(file);
        output_free(output);
        log_ring_free(ring);
        log_file_free(file);
        log_writer_free(writer);
        sd_event_unref(event);
        _exit(0);
}

static void kill_brain_after(unsigned usec) {
        pid_t pid = start(be_the_brain);
        int status;

        (void) usleep(usec);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status))
                ck_assert_int_eq(WEXITSTATUS(status), 0);
        take_memory();
}

/* The file: which stream a byte is of is seen by the byte, but for a newline that fits both. */

typedef struct Reckoning {
        Text texts[2];
        bool is_owed; /* a newline was seen that ends either line */
        uint64_t n_bytes;
} Reckoning;

static char expected(const Reckoning *reckoning, unsigned stream) {
        return reckoning->texts[stream].line[reckoning->texts[stream].n_done];
}

static void advance(Reckoning *reckoning, unsigned stream) {
        Text *text = &reckoning->texts[stream];

        if (++text->n_done == text->n_bytes)
                text_set(text, text->number + 1);
}

static void reckon_newline(Reckoning *reckoning) {
        bool fits[2] = { expected(reckoning, 0) == '\n', expected(reckoning, 1) == '\n' };

        ck_assert(fits[0] || fits[1]);
        if (fits[0] && fits[1] && !reckoning->is_owed) {
                reckoning->is_owed = true;
                return;
        }

        reckoning->is_owed = false;
        for (unsigned i = 0; i < 2; i++)
                if (fits[i])
                        advance(reckoning, i);
}

static void reckon_byte(Reckoning *reckoning, char byte) {
        unsigned stream = byte >= 'A' && byte <= 'Z' ? LOG_STDERR : LOG_STDOUT;

        reckoning->n_bytes++;
        if (byte == '\n') {
                reckon_newline(reckoning);
                return;
        }

        if (TAKE(reckoning->is_owed, false))
                advance(reckoning, stream);
        if (byte != expected(reckoning, stream))
                ck_abort_msg("byte %llu of the file is not the next of its stream, SEED=%u",
                             (unsigned long long) reckoning->n_bytes, seed);
        advance(reckoning, stream);
}

static void reckon_files(Reckoning *reckoning) {
        static char text[4 * FILE_BYTES_MAX];
        char name[160];
        unsigned i = 0;

        do
                (void) snprintf(name, sizeof(name), "%s.%u", path, ++i);
        while (access(name, F_OK) >= 0);

        while (i-- > 0) {
                size_t n;

                (void) snprintf(name, sizeof(name), i > 0 ? "%s.%u" : "%s", path, i);
                n = read_file(name, text, sizeof(text));
                ck_assert_uint_le(n, FILE_BYTES_MAX + LOG_LINE_BYTES_MAX);
                for (size_t k = 0; k < n; k++)
                        reckon_byte(reckoning, text[k]);
        }

        if (TAKE(reckoning->is_owed, false))
                for (unsigned stream = 0; stream < 2; stream++)
                        advance(reckoning, stream);
}

static uint64_t count_ring_lines(void) {
        uint64_t n = 0;

        for (unsigned stream = 0; stream < 2; stream++)
                for (uint64_t i = 0; i < shared->n_lines[stream]; i++)
                        n += (length_of(stream, i) + LOG_LINE_BYTES_MAX - 1) / LOG_LINE_BYTES_MAX;

        return n;
}

static void check_ring(void) {
        LogMemory *memory;
        uint64_t next[2];
        LogRing *ring;

        ck_assert_int_eq(log_memory_open(&memory, memory_fd), 0);
        ck_assert_int_eq(log_ring_new(&ring, 0), 0);
        ck_assert_int_eq(log_ring_resume(ring, log_memory_store(memory)), 0);
        ck_assert(ring_is_right(ring, next));
        ck_assert_uint_eq(next[0], shared->n_lines[0]);
        ck_assert_uint_eq(next[1], shared->n_lines[1]);
        ck_assert_uint_eq(log_ring_next(ring), count_ring_lines());
        log_ring_free(ring);
        log_memory_unref(memory);
}

static void setup(void) {
        harness_setup();
        seed_setup();
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                      0);
        ck_assert_ptr_ne(shared, MAP_FAILED);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, keeper), 0);
        for (unsigned i = 0; i < 2; i++) {
                int ends[2];

                ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
                ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
                pipes[i] = ends[0];
                writing_ends[i] = ends[1];
        }
}

static void teardown(void) {
        for (unsigned i = 0; i < 2; i++) {
                safe_close(pipes[i]);
                safe_close(writing_ends[i]);
                safe_close(keeper[i]);
        }
        memory_fd = safe_close(memory_fd);
        (void) munmap(shared, sizeof(*shared));
        harness_teardown();
}

START_TEST(not_a_byte_is_lost_or_doubled_however_often_the_brain_is_killed) {
        const char *given = getenv("KILLS");
        unsigned n_wanted = given ? (unsigned) strtoul(given, NULL, 10) : 400, n_kills = 0;
        static Reckoning reckoning = { .texts = { { .stream = 0 }, { .stream = 1 } } };
        pid_t sidecar = start(write_lines);
        int status;

        for (unsigned i = 0; i < 2; i++) {
                text_set(&reckoning.texts[i], 0);
                writing_ends[i] = safe_close(writing_ends[i]);
        }

        /* Most live for less than a millisecond. In the end each lives longer than the last one: on
         * the slowest machine there is one that reads what the sidecar still has to say. */
        for (; waitpid(sidecar, &status, WNOHANG) == 0; n_kills++) {
                unsigned n_beyond = n_kills > n_wanted ? n_kills - n_wanted : 0;

                kill_brain_after(1000 * n_beyond + (unsigned) below((size_t) 1 << (7 + below(8))));
                shared->is_enough = n_kills >= n_wanted;
        }
        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), 0);

        shared->is_over = true;
        for (unsigned i = 0; i < 20; i++, n_kills++)
                kill_brain_after((unsigned) below(2000));
        ck_assert_int_eq(waitpid(start(be_the_brain), &status, 0) > 0, true);
        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), 0);
        take_memory();

        printf("SEED=%u: %u kills, %.1f MB, %llu and %llu lines\n", seed, n_kills,
               (double) shared->n_bytes / 1e6, (unsigned long long) shared->n_lines[0],
               (unsigned long long) shared->n_lines[1]);
        (void) fflush(stdout);
        reckon_files(&reckoning);
        ck_assert_uint_eq(reckoning.n_bytes, shared->n_bytes);
        for (unsigned i = 0; i < 2; i++) {
                ck_assert_uint_eq(reckoning.texts[i].number, shared->n_lines[i]);
                ck_assert_uint_eq(reckoning.texts[i].n_done, 0);
        }
        check_ring();
}
END_TEST

TEST_MAIN_TIMEOUT("output-death",
                  280,
                  setup,
                  teardown,
                  not_a_byte_is_lost_or_doubled_however_often_the_brain_is_killed)
