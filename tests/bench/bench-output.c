/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a sidecar's output costs: Output with ring and rotated file on, beside a loop of read(2)
 * and write(2) into the same number of files of the same size and nothing else, in turns and in
 * the same run, since only the ratio means anything on a noisy machine. To take the pages of an
 * old file away costs a fifth of what it costs to fill them, so bare has to do that too.
 * Throughput counts until the last byte is in the file; CPU time is that of the reading process
 * alone, with its thread. Both once more with a reader that follows, as OpenLog has it: bare then
 * waits for that reader, Output never does, and says how much of the log the reader was given.
 *
 *     bench-output [MIB [RUNS [FOLDER [BYTES-A-WRITE]]]]
 *     bench-output write MIB BYTES-A-WRITE        the writer alone, to standard output
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include <systemd/sd-event.h>

#include "io/follower.h"
#include "io/output.h"

#define LINE_BYTES 100u
#define BLOCK_BYTES 65536u
#define N_RUNS_MAX 101u

#define FILE_BYTES (10u << 20)
#define N_FILES 5u

typedef struct Figures {
        double mb_per_s;
        double cpu_s_per_gb;
        double followed; /* percent of the log that the reader was given */
} Figures;

typedef struct Bench {
        size_t n_bytes;
        size_t block;
        char path[256];
} Bench;

#define NAME_BYTES (sizeof(((Bench *) NULL)->path) + 16)

static _Noreturn void fail(const char *what) {
        perror(what);
        exit(EXIT_FAILURE);
}

static double seconds(clockid_t clock) {
        struct timespec now;

        (void) clock_gettime(clock, &now);
        return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static _Noreturn void write_lines(const Bench *bench, int fd) {
        static char text[BLOCK_BYTES];

        memset(text, 'x', sizeof(text));
        for (size_t i = LINE_BYTES - 1; i < sizeof(text); i += LINE_BYTES)
                text[i] = '\n';

        for (size_t n = 0; n < bench->n_bytes;) {
                ssize_t written = write(fd, text, bench->block);

                if (written < 0)
                        _exit(EXIT_FAILURE);
                n += (size_t) written;
        }
        _exit(EXIT_SUCCESS);
}

static pid_t start_writer(const Bench *bench, int fd) {
        pid_t pid = fork();

        if (pid < 0)
                fail("fork");
        if (pid == 0)
                write_lines(bench, fd);

        (void) close(fd);
        return pid;
}

/* Reads to the end, and exits with how many percent of the log that was. */
static _Noreturn void read_log(const Bench *bench, int fd) {
        static char buffer[BLOCK_BYTES];
        size_t n_read = 0;
        ssize_t n;

        while ((n = read(fd, buffer, sizeof(buffer))) > 0)
                n_read += (size_t) n;
        _exit((int) (n_read * 100 / bench->n_bytes));
}

static pid_t start_reader(const Bench *bench, int *ret_fd) {
        int ends[2];
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                fail("pipe2");

        pid = fork();
        if (pid < 0)
                fail("fork");
        if (pid == 0) {
                (void) close(ends[1]);
                read_log(bench, ends[0]);
        }

        (void) close(ends[0]);
        *ret_fd = ends[1];
        return pid;
}

static double end_reader(pid_t pid) {
        int status;

        if (waitpid(pid, &status, 0) < 0)
                fail("waitpid");
        return WEXITSTATUS(status);
}

static const char *file_name(const Bench *bench, unsigned number, char name[static NAME_BYTES]) {
        (void) snprintf(name, NAME_BYTES, number > 0 ? "%s.%u" : "%s", bench->path, number);
        return name;
}

/* Another file each time: of one that was truncated ext4 writes all at once (auto_da_alloc). */
static int open_bare_file(const Bench *bench, unsigned number) {
        char name[NAME_BYTES];
        int fd;

        (void) unlink(file_name(bench, number, name));
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0)
                fail(name);
        return fd;
}

static double run_bare(const Bench *bench, bool is_followed) {
        static char buffer[BLOCK_BYTES];
        unsigned n_files = 0;
        size_t n_in_file = 0;
        int ends[2], file = open_bare_file(bench, n_files), copy = -1;
        pid_t pid, reader = -1;
        ssize_t n;

        /* Before the pipe, whose writing end it would keep open. */
        if (is_followed)
                reader = start_reader(bench, &copy);
        if (pipe2(ends, O_CLOEXEC) < 0)
                fail("pipe2");

        pid = start_writer(bench, ends[1]);
        while ((n = read(ends[0], buffer, sizeof(buffer))) > 0) {
                if (n_in_file > FILE_BYTES) {
                        (void) close(file);
                        file = open_bare_file(bench, ++n_files % N_FILES);
                        n_in_file = 0;
                }
                if (write(file, buffer, (size_t) n) != n ||
                    (is_followed && write(copy, buffer, (size_t) n) != n))
                        fail("write");
                n_in_file += (size_t) n;
        }

        (void) waitpid(pid, NULL, 0);
        (void) close(ends[0]);
        (void) close(file);
        copy = safe_close(copy);
        return is_followed ? end_reader(reader) : 0;
}

typedef struct Reader {
        sd_event *event;
        Output *output;
        Follower *follower; /* NULL: nobody follows, or it was given all */
        bool is_closed;
} Reader;

static void on_lines(uint64_t first_number, void *userdata) {
        Reader *reader = userdata;

        (void) first_number;
        if (reader->follower)
                follower_wake(reader->follower);
}

static void on_memory(int memory_fd, void *userdata) {
        (void) memory_fd, (void) userdata;
}

static void on_room(void *userdata) {
        Reader *reader = userdata;

        output_resume(reader->output);
}

static void on_state(int error, void *userdata) {
        (void) userdata;
        (void) fprintf(stderr, "log file: %s\n", strerror(error));
}

static int on_exit_of_writer(sd_event_source *source, const siginfo_t *info, void *userdata) {
        Reader *reader = userdata;

        (void) source, (void) info;
        output_close(reader->output);
        reader->is_closed = true;
        return reader->follower ? 0 : sd_event_exit(reader->event, 0);
}

static void on_end_of_follower(Follower *follower, void *userdata) {
        Reader *reader = userdata;

        reader->follower = follower_free(follower);
        if (reader->is_closed)
                (void) sd_event_exit(reader->event, 0);
}

/* As write_lines() writes them; what a write leaves without a newline begins the next line. */
static uint64_t count_lines(const Bench *bench) {
        size_t n_writes = (bench->n_bytes + bench->block - 1) / bench->block;

        return n_writes * (bench->block / LINE_BYTES) + (bench->block % LINE_BYTES > 0);
}

static pid_t follow(Reader *reader, const Bench *bench, const LogRing *ring) {
        const FollowerSpec spec = {
                .ring = ring,
                .query = { .n_newest = UINT32_MAX, .stream = _LOG_STREAM_INVALID },
                .format = LOG_FORMAT_RAW,
                .author = { "org.example.App", "api" },
                .end = log_ring_next(ring) + count_lines(bench),
        };
        pid_t pid;
        int fd, r;

        pid = start_reader(bench, &fd);
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                fail("fcntl");

        r = follower_new(&reader->follower, reader->event, fd, &spec, on_end_of_follower, reader);
        if (r < 0)
                fail("follower");
        return pid;
}

static double run_output(const Bench *bench, bool is_followed) {
        const LogFileSpec spec = { bench->path, FILE_BYTES, N_FILES };
        _cleanup_(log_writer_freep) LogWriter *writer = NULL;
        _cleanup_(log_file_freep) LogFile *file = NULL;
        _cleanup_(log_ring_freep) LogRing *ring = NULL;
        _cleanup_(output_freep) Output *output = NULL;
        const LogFileHandlers handlers = { on_room, on_state, NULL };
        Reader reader = { 0 };
        pid_t pid, reader_pid = -1;
        OutputEnds ends;
        sd_event *event;
        size_t room;

        if (sd_event_new(&event) < 0 || log_ring_new(&ring, 0) < 0 ||
            log_writer_new(&writer, event) < 0 ||
            log_file_new(&file, writer, &spec, &handlers, &reader) < 0 ||
            output_new(&output, event, ring, file, on_lines, on_memory, &reader) < 0 ||
            output_open(output, 1, &ends) < 0)
                fail("output");
        reader.event = event;
        reader.output = output;
        if (is_followed)
                reader_pid = follow(&reader, bench, ring);
        room = log_file_room(file, 0);

        pid = start_writer(bench, ends.stdout_fd);
        (void) close(ends.stderr_fd);
        if (sd_event_add_child(event, NULL, pid, WEXITED, on_exit_of_writer, &reader) < 0 ||
            sd_event_loop(event) < 0)
                fail("event loop");
        while (log_file_room(file, 0) < room)
                (void) usleep(100);

        output = output_free(output);
        file = log_file_free(file);
        writer = log_writer_free(writer);
        sd_event_unref(event);
        return is_followed ? end_reader(reader_pid) : 0;
}

static void clean(const Bench *bench) {
        char name[NAME_BYTES];

        for (unsigned i = 0; i < N_FILES; i++)
                (void) unlink(file_name(bench, i, name));
}

typedef struct Contender {
        const char *name;
        double (*run)(const Bench *bench, bool is_followed);
        bool is_followed;
} Contender;

static const Contender contenders[] = {
        { "bare", run_bare, false },
        { "output", run_output, false },
        { "bare+reader", run_bare, true },
        { "output+reader", run_output, true },
};

static Figures measure(const Bench *bench, const Contender *contender) {
        double wall, cpu, followed;

        clean(bench);
        wall = seconds(CLOCK_MONOTONIC);
        cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
        followed = contender->run(bench, contender->is_followed);
        wall = seconds(CLOCK_MONOTONIC) - wall;
        cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        clean(bench);

        return (Figures){ (double) bench->n_bytes / 1e6 / wall,
                          cpu / ((double) bench->n_bytes / 1e9), followed };
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static double median(double *values, size_t n) {
        qsort(values, n, sizeof(*values), compare);
        return values[n / 2];
}

static void compare_runs(const Bench *bench, size_t n_runs) {
        static double mb[ELEMENTSOF(contenders)][N_RUNS_MAX],
                cpu[ELEMENTSOF(contenders)][N_RUNS_MAX], ratio[ELEMENTSOF(contenders)][N_RUNS_MAX],
                followed[ELEMENTSOF(contenders)][N_RUNS_MAX];

        (void) measure(bench, &contenders[0]); /* whoever is first finds cold caches */

        for (size_t i = 0; i < n_runs; i++)
                for (size_t k = 0; k < ELEMENTSOF(contenders); k++) {
                        Figures figures = measure(bench, &contenders[k]);

                        mb[k][i] = figures.mb_per_s;
                        cpu[k][i] = figures.cpu_s_per_gb;
                        followed[k][i] = figures.followed;
                        ratio[k][i] = mb[k][i] / mb[0][i];
                }

        printf("writes of %zu bytes\n", bench->block);
        for (size_t k = 0; k < ELEMENTSOF(contenders); k++) {
                printf("  %-14s %7.1f MB/s %6.3f s CPU/GB  %5.2f of bare", contenders[k].name,
                       median(mb[k], n_runs), median(cpu[k], n_runs), median(ratio[k], n_runs));
                if (contenders[k].is_followed)
                        printf(", %3.0f %% followed", median(followed[k], n_runs));
                printf("\n");
        }
}

int main(int argc, char *argv[]) {
        size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 256;
        size_t n_runs = argc > 2 ? strtoul(argv[2], NULL, 10) : 9;
        size_t only = argc > 4 ? strtoul(argv[4], NULL, 10) : 0;
        const size_t blocks[] = { BLOCK_BYTES, LINE_BYTES };
        Bench bench = { .n_bytes = mib << 20 };
        sigset_t mask;

        if (argc == 4 && strcmp(argv[1], "write") == 0)
                write_lines(&(Bench){ .n_bytes = strtoul(argv[2], NULL, 10) << 20,
                                      .block = strtoul(argv[3], NULL, 10) },
                            STDOUT_FILENO);
        if (n_runs == 0 || n_runs > N_RUNS_MAX)
                return 2;
        (void) snprintf(bench.path, sizeof(bench.path), "%s/bench-output.log",
                        argc > 3 ? argv[3] : "/tmp");
        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGCHLD);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);

        for (size_t i = 0; i < ELEMENTSOF(blocks); i++) {
                bench.block = blocks[i];
                if (!only || bench.block == only)
                        compare_runs(&bench, n_runs);
        }
        return EXIT_SUCCESS;
}
