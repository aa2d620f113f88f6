/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a sidecar's output costs: Output with ring and rotated file on, beside a loop of read(2)
 * and write(2) into the same number of files of the same size and nothing else, in turns and in
 * the same run, since only the ratio means anything on a noisy machine. To take the pages of an
 * old file away costs a fifth of what it costs to fill them, so bare has to do that too.
 * Throughput counts until the last byte is in the file; CPU time is that of the reading process
 * alone, with its thread.
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

#include "io/output.h"

#define LINE_BYTES 100u
#define BLOCK_BYTES 65536u
#define N_RUNS_MAX 101u

#define FILE_BYTES (10u << 20)
#define N_FILES 5u

typedef struct Figures {
        double mb_per_s;
        double cpu_s_per_gb;
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

static const char *file_name(const Bench *bench, unsigned number, char name[static NAME_BYTES]) {
        (void) snprintf(name, NAME_BYTES, number > 0 ? "%s.%u" : "%s", bench->path, number);
        return name;
}

static int open_bare_file(const Bench *bench, unsigned number) {
        char name[NAME_BYTES];
        int fd = open(file_name(bench, number, name),
                      O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

        if (fd < 0)
                fail(name);
        return fd;
}

static void run_bare(const Bench *bench) {
        static char buffer[BLOCK_BYTES];
        unsigned n_files = 0;
        size_t n_in_file = 0;
        int ends[2], file = open_bare_file(bench, n_files);
        ssize_t n;
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                fail("pipe2");

        pid = start_writer(bench, ends[1]);
        while ((n = read(ends[0], buffer, sizeof(buffer))) > 0) {
                if (n_in_file > FILE_BYTES) {
                        (void) close(file);
                        file = open_bare_file(bench, ++n_files % N_FILES);
                        n_in_file = 0;
                }
                if (write(file, buffer, (size_t) n) != n)
                        fail("write");
                n_in_file += (size_t) n;
        }

        (void) waitpid(pid, NULL, 0);
        (void) close(ends[0]);
        (void) close(file);
}

typedef struct Reader {
        Output *output;
        LogFile *file;
        uint64_t next;
        size_t n_calls;
} Reader;

static void on_lines(uint64_t first_number, void *userdata) {
        Reader *reader = userdata;

        reader->next = first_number;
        reader->n_calls++;
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

        (void) info;
        output_close(reader->output);
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

static void run_output(const Bench *bench) {
        const LogFileSpec spec = { bench->path, FILE_BYTES, N_FILES };
        _cleanup_(log_writer_freep) LogWriter *writer = NULL;
        _cleanup_(log_file_freep) LogFile *file = NULL;
        _cleanup_(log_ring_freep) LogRing *ring = NULL;
        _cleanup_(output_freep) Output *output = NULL;
        const LogFileHandlers handlers = { on_room, on_state, NULL };
        Reader reader = { 0 };
        OutputEnds ends;
        sd_event *event;
        size_t room;
        pid_t pid;

        if (sd_event_new(&event) < 0 || log_ring_new(&ring, 0) < 0 ||
            log_writer_new(&writer, event) < 0 ||
            log_file_new(&file, writer, &spec, &handlers, &reader) < 0 ||
            output_new(&output, event, ring, file, on_lines, on_memory, &reader) < 0 ||
            output_open(output, 1, &ends) < 0)
                fail("output");
        reader.output = output;
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
}

static void clean(const Bench *bench) {
        char name[NAME_BYTES];

        for (unsigned i = 0; i < N_FILES; i++)
                (void) unlink(file_name(bench, i, name));
}

static Figures measure(const Bench *bench, void (*run)(const Bench *bench)) {
        double wall, cpu;

        clean(bench);
        wall = seconds(CLOCK_MONOTONIC);
        cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
        run(bench);
        wall = seconds(CLOCK_MONOTONIC) - wall;
        cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        clean(bench);

        return (Figures){ (double) bench->n_bytes / 1e6 / wall,
                          cpu / ((double) bench->n_bytes / 1e9) };
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
        static double bare_mb[N_RUNS_MAX], bare_cpu[N_RUNS_MAX], mb[N_RUNS_MAX], cpu[N_RUNS_MAX],
                ratio[N_RUNS_MAX];

        for (size_t i = 0; i < n_runs; i++) {
                Figures bare = measure(bench, run_bare), output = measure(bench, run_output);

                bare_mb[i] = bare.mb_per_s;
                bare_cpu[i] = bare.cpu_s_per_gb;
                mb[i] = output.mb_per_s;
                cpu[i] = output.cpu_s_per_gb;
                ratio[i] = output.mb_per_s / bare.mb_per_s;
        }

        printf("writes of %5zu bytes: bare %5.0f MB/s %.2f s CPU/GB, output %5.0f MB/s %.2f s "
               "CPU/GB, ratio %.2f\n",
               bench->block, median(bare_mb, n_runs), median(bare_cpu, n_runs), median(mb, n_runs),
               median(cpu, n_runs), median(ratio, n_runs));
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
