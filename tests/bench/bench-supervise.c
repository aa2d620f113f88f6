/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bench-supervise [--rows WORD,...] [--runs R] [--n N] [--daemon SIDECARD-INIT]
 *
 * What Sidecard costs to start, restart, stop and keep processes, beside `bare`, the floor of this
 * very machine. Both take turns, since the machine is noisy and its noise comes in waves; a figure
 * is the median of all turns, and what counts is the ratio.
 */

#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "tests/bench/contender.h"
#include "tests/bench/machine.h"

#define N_DEFAULT 100
#define N_MAX 1000u
#define RUNS_DEFAULT 5
#define RUNS_MAX 100u
#define SINGLES_PER_RUN 10 /* starts and kills of one child: they are short */

#define LOOP_MSEC 1000
#define IDLE_MSEC 10000
#define SETTLE_MSEC 2500 /* before idleness is looked at: what lingers for a second is over */
#define PAUSE_MSEC 20

#define NSEC_PER_MSEC 1e6

typedef enum Who {
        BARE,
        SIDECARD,
        _WHO_MAX,
} Who;

typedef enum Row {
        ROW_START,
        ROW_KILL,
        ROW_LOOP,
        ROW_UP,
        ROW_STOP,
        ROW_SHUTDOWN,
        ROW_CPU,
        ROW_CPU_STOP,
        ROW_IDLE,
        ROW_MEMORY,
        ROW_BRAIN,
        ROW_KEEPER,
        _ROW_MAX,
} Row;

typedef enum GoalKind {
        GOAL_NONE,
        GOAL_RATIO_AT_MOST,
        GOAL_RATIO_AT_LEAST,
        GOAL_AT_MOST,
} GoalKind;

static const struct {
        const char *word; /* for --rows */
        const char *title;
        const char *unit;
        GoalKind goal_kind;
        double goal;
} rows[_ROW_MAX] = {
        [ROW_START] = { "start", "start one: request to main()", "ms", GOAL_RATIO_AT_MOST, 1.5 },
        [ROW_KILL] = { "kill", "kill -9 to the new main()", "ms", GOAL_RATIO_AT_MOST, 1.25 },
        [ROW_LOOP] = { "loop", "crash loop, restarts", "/s", GOAL_RATIO_AT_LEAST, 0.75 },
        [ROW_UP] = { "up", "N started: request to the last main()", "ms", GOAL_RATIO_AT_MOST, 1.4 },
        [ROW_STOP] = { "stop", "N stopped: request to the last end", "ms", GOAL_RATIO_AT_MOST,
                       1.4 },
        [ROW_SHUTDOWN] = { "shutdown", "N stopped by one order, likewise", "ms", GOAL_RATIO_AT_MOST,
                           1.4 },
        [ROW_CPU] = { "cpu", "CPU from exec to N up", "ms", GOAL_AT_MOST, 150 },
        [ROW_CPU_STOP] = { "cpu-stop", "CPU to stop N", "ms", GOAL_NONE, 0 },
        [ROW_IDLE] = { "idle", "wakeups in 10 s, N up", "", GOAL_AT_MOST, 0 },
        [ROW_MEMORY] = { "memory", "PSS of all its processes, N up", "KiB", GOAL_AT_MOST, 4096 },
        [ROW_BRAIN] = { "brain", "RSS of the brain, nothing started", "KiB", GOAL_AT_MOST, 3686 },
        [ROW_KEEPER] = { "keeper", "Private_Dirty of the keeper, likewise", "KiB", GOAL_AT_MOST,
                         102 },
};

typedef struct Samples {
        double values[RUNS_MAX * SINGLES_PER_RUN];
        size_t n;
} Samples;

static struct {
        bool wanted[_ROW_MAX];
        unsigned n_runs;
        unsigned n; /* of the rows that say N */
        const char *daemon;
} options = { .n_runs = RUNS_DEFAULT, .n = N_DEFAULT };

static Session session;
static Samples samples[_ROW_MAX][_WHO_MAX];

static void note(Row row, Who who, double value) {
        Samples *s = &samples[row][who];

        s->values[s->n++] = value;
}

static void sleep_msec(unsigned msec) {
        const struct timespec pause = { .tv_sec = msec / 1000, .tv_nsec = msec % 1000 * 1000000L };

        (void) nanosleep(&pause, NULL);
}

static Contender *contender_new(Who who, unsigned n) {
        return who == BARE ? bare_new(&session, n) : sidecard_new(&session, n);
}

static uint64_t sum(const Contender *contender, uint64_t (*of_process)(pid_t pid)) {
        uint64_t total = 0;

        for (size_t i = 0; i < contender->n_pids; i++)
                total += of_process(contender->pids[i]);

        return total;
}

static uint64_t pss_kib(pid_t pid) {
        return process_memory_kib(pid, "Pss");
}

/* One child */

static void measure_start(Contender *contender, Who who, unsigned id) {
        uint64_t before = machine_now_nsec();

        contender->kind->start(contender, id);
        note(ROW_START, who,
             (double) (stamps_next_of(&contender->stamps, id).nsec - before) / NSEC_PER_MSEC);
}

/* Answers the pid of the new one. */
static pid_t measure_kill(Contender *contender, Who who, unsigned id, pid_t pid) {
        uint64_t before = machine_now_nsec();
        Stamp stamp;

        if (kill(pid, SIGKILL) < 0)
                fail("there is no process %d", (int) pid);
        stamp = stamps_next_of(&contender->stamps, id);
        note(ROW_KILL, who, (double) (stamp.nsec - before) / NSEC_PER_MSEC);
        return (pid_t) stamp.pid;
}

static void measure_loop(Contender *contender, Who who) {
        uint64_t before, after;
        size_t n;

        contender->kind->start(contender, contender->n);
        (void) stamps_next_of(&contender->stamps, contender->n);
        sleep_msec(LOOP_MSEC / 4);
        before = machine_now_nsec();
        (void) stamps_skip(&contender->stamps);
        sleep_msec(LOOP_MSEC);
        n = stamps_skip(&contender->stamps);
        after = machine_now_nsec();
        contender->kind->stop(contender, contender->n);
        sleep_msec(LOOP_MSEC / 4);
        (void) stamps_skip(&contender->stamps);
        note(ROW_LOOP, who, (double) n / ((double) (after - before) / 1e9));
}

static void measure_singles(void) {
        unsigned n_singles = options.n_runs * SINGLES_PER_RUN;
        Contender *contenders[_WHO_MAX];
        pid_t pids[_WHO_MAX] = { 0 };

        for (Who who = 0; who < _WHO_MAX; who++)
                contenders[who] = contender_new(who, n_singles + 1);

        for (unsigned i = 0; options.wanted[ROW_START] && i < n_singles; i++)
                for (Who who = 0; who < _WHO_MAX; who++) {
                        sleep_msec(PAUSE_MSEC);
                        measure_start(contenders[who], who, i);
                }

        for (Who who = 0; who < _WHO_MAX; who++) {
                contenders[who]->kind->start(contenders[who], n_singles);
                pids[who] = (pid_t) stamps_next_of(&contenders[who]->stamps, n_singles).pid;
        }
        for (unsigned i = 0; options.wanted[ROW_KILL] && i < n_singles; i++)
                for (Who who = 0; who < _WHO_MAX; who++) {
                        sleep_msec(PAUSE_MSEC);
                        pids[who] = measure_kill(contenders[who], who, n_singles, pids[who]);
                }

        for (unsigned i = 0; options.wanted[ROW_LOOP] && i < options.n_runs; i++)
                for (Who who = 0; who < _WHO_MAX; who++)
                        measure_loop(contenders[who], who);

        for (Who who = 0; who < _WHO_MAX; who++)
                contenders[who]->kind->end(contenders[who]);
}

/* N children */

static uint64_t wait_for_all(Contender *contender, pid_t pids[static N_MAX]) {
        uint64_t last = 0;

        for (unsigned i = 0; i < contender->n; i++) {
                Stamp stamp = stamps_next(&contender->stamps);

                pids[i] = (pid_t) stamp.pid;
                if (stamp.nsec > last)
                        last = stamp.nsec;
        }

        return last;
}

static void measure_up(Contender *contender, Who who, pid_t pids[static N_MAX]) {
        uint64_t before = machine_now_nsec();

        contender->kind->start_all(contender);
        note(ROW_UP, who, (double) (wait_for_all(contender, pids) - before) / NSEC_PER_MSEC);
}

/* A pidfd is readable when its process has ended: pidfd_open(2). */
static int watch_ends(const pid_t *pids, unsigned n) {
        int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

        for (unsigned i = 0; i < n; i++) {
                int fd = (int) syscall(SYS_pidfd_open, pids[i], 0);
                struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

                if (fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
                        fail("process %d has gone", (int) pids[i]);
        }

        return epoll_fd;
}

static void wait_for_ends(int epoll_fd, unsigned n) {
        struct epoll_event events[64];

        while (n > 0) {
                int n_events = epoll_wait(epoll_fd, events, ELEMENTSOF(events), 20000);

                if (n_events <= 0)
                        fail("%u of the processes do not end", n);
                for (int i = 0; i < n_events; i++)
                        (void) close(events[i].data.fd);
                n -= (unsigned) n_events;
        }
        (void) close(epoll_fd);
}

static void measure_stop(Contender *contender,
                         Who who,
                         Row row,
                         void (*stop)(Contender *contender),
                         const pid_t pids[static N_MAX]) {
        int epoll_fd = watch_ends(pids, contender->n);
        uint64_t before = machine_now_nsec();

        stop(contender);
        wait_for_ends(epoll_fd, contender->n);
        note(row, who, (double) (machine_now_nsec() - before) / NSEC_PER_MSEC);
}

static void measure_idle(const Contender *contender, Who who) {
        uint64_t before;

        sleep_msec(SETTLE_MSEC);
        before = sum(contender, process_n_wakeups);
        sleep_msec(IDLE_MSEC);
        note(ROW_IDLE, who, (double) (sum(contender, process_n_wakeups) - before));
}

static void measure_bulk(Who who, bool with_idle) {
        Contender *contender = contender_new(who, options.n);
        pid_t pids[N_MAX];
        uint64_t cpu;

        measure_up(contender, who, pids);
        sleep_msec(LOOP_MSEC / 4); /* what follows a start is a cost of it */
        cpu = sum(contender, process_cpu_nsec);
        note(ROW_CPU, who, (double) cpu / NSEC_PER_MSEC);
        note(ROW_MEMORY, who, (double) sum(contender, pss_kib));
        if (with_idle)
                measure_idle(contender, who);

        cpu = sum(contender, process_cpu_nsec);
        measure_stop(contender, who, ROW_STOP, contender->kind->stop_all, pids);
        sleep_msec(LOOP_MSEC / 4);
        note(ROW_CPU_STOP, who, (double) (sum(contender, process_cpu_nsec) - cpu) / NSEC_PER_MSEC);

        contender->kind->start_all(contender);
        (void) wait_for_all(contender, pids);
        sleep_msec(LOOP_MSEC / 4);
        measure_stop(contender, who, ROW_SHUTDOWN, contender->kind->stop_for_good, pids);
        contender->kind->end(contender);
}

static void measure_bulks(void) {
        for (unsigned i = 0; i < options.n_runs; i++)
                for (Who who = 0; who < _WHO_MAX; who++)
                        measure_bulk(who, i == 0 && options.wanted[ROW_IDLE]);
}

static void measure_base(void) {
        Contender *contender = sidecard_new(&session, 1);

        note(ROW_KEEPER, SIDECARD,
             (double) process_memory_kib(contender->pids[0], "Private_Dirty"));
        note(ROW_BRAIN, SIDECARD, (double) process_memory_kib(contender->pids[1], "Rss"));
        contender->kind->end(contender);
}

/* Figures */

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return x < y ? -1 : x > y;
}

static double median(Samples *s) {
        qsort(s->values, s->n, sizeof(double), compare);
        return s->n % 2 != 0 ? s->values[s->n / 2]
                             : (s->values[s->n / 2 - 1] + s->values[s->n / 2]) / 2;
}

static void print_goal(Row row, double value, double ratio) {
        GoalKind kind = rows[row].goal_kind;
        double goal = rows[row].goal;
        bool met = kind == GOAL_RATIO_AT_MOST    ? ratio <= goal
                   : kind == GOAL_RATIO_AT_LEAST ? ratio >= goal
                                                 : value <= goal;

        if (kind == GOAL_NONE)
                (void) printf("%14s\n", "-");
        else
                (void) printf("  %s %s %7.*f  %s\n", kind == GOAL_AT_MOST ? "figure" : " ratio",
                              kind == GOAL_RATIO_AT_LEAST ? ">=" : "<=",
                              kind == GOAL_AT_MOST ? 0 : 2, goal, met ? "met" : "MISSED");
}

static void print_row(Row row) {
        Samples *bare = &samples[row][BARE], *sidecard = &samples[row][SIDECARD];
        double value = median(sidecard), ratio = 0;
        int digits = strcmp(rows[row].unit, "ms") == 0 ? 2 : 0;

        (void) printf("%-38s %-4s", rows[row].title, rows[row].unit);
        if (bare->n > 0 && median(bare) > 0) {
                ratio = value / median(bare);
                (void) printf("%9.*f %9.*f %6.2f", digits, median(bare), digits, value, ratio);
        } else
                (void) printf("%9s %9.*f %6s", bare->n > 0 ? "0" : "-", digits, value, "-");
        print_goal(row, value, ratio);
}

static void print_figures(void) {
        (void) printf("N = %u, medians of %u runs, the short ones of %u\n", options.n,
                      options.n_runs, options.n_runs * SINGLES_PER_RUN);
        (void) printf("%-43s%9s %9s %6s  %s\n", "", "bare", "sidecard", "ratio", "goal");
        for (Row row = 0; row < _ROW_MAX; row++)
                if (options.wanted[row] && samples[row][SIDECARD].n > 0)
                        print_row(row);
}

/* The command line */

static bool want_rows(char *words) {
        memset(options.wanted, 0, sizeof(options.wanted));
        for (char *word; (word = strsep(&words, ","));) {
                bool found = false;

                for (Row row = 0; row < _ROW_MAX; row++)
                        if (strcmp(rows[row].word, word) == 0)
                                options.wanted[row] = found = true;
                if (!found)
                        return false;
        }

        return true;
}

static bool any_wanted(Row first, Row last) {
        for (Row row = first; row <= last; row++)
                if (options.wanted[row])
                        return true;

        return false;
}

static bool parse_argv(int argc, char *argv[]) {
        static const struct option words[] = {
                { "rows", required_argument, NULL, 'r' },
                { "runs", required_argument, NULL, 'R' },
                { "n", required_argument, NULL, 'n' },
                { "daemon", required_argument, NULL, 'd' },
                { NULL, 0, NULL, 0 },
        };
        int option;

        memset(options.wanted, true, sizeof(options.wanted));
        while ((option = getopt_long(argc, argv, "", words, NULL)) >= 0)
                if (option == 'R')
                        options.n_runs = (unsigned) atoi(optarg);
                else if (option == 'n')
                        options.n = (unsigned) atoi(optarg);
                else if (option == 'd')
                        options.daemon = optarg;
                else if (option != 'r' || !want_rows(optarg))
                        return false;

        return optind == argc && options.n_runs > 0 && options.n_runs <= RUNS_MAX &&
               options.n > 0 && options.n <= N_MAX;
}

int main(int argc, char *argv[]) {
        struct rlimit files;

        if (!parse_argv(argc, argv)) {
                (void) fputs("bench-supervise [--rows "
                             "start,kill,loop,up,stop,shutdown,cpu,cpu-stop,idle,"
                             "memory,brain,keeper] [--runs 1..100] [--n 1..1000] "
                             "[--daemon SIDECARD-INIT]\n",
                             stderr);
                return 2;
        }

        /* A descriptor for each process whose end is waited for. */
        (void) getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &files);

        session_open(&session, options.daemon);
        if (any_wanted(ROW_START, ROW_LOOP))
                measure_singles();
        if (any_wanted(ROW_UP, ROW_MEMORY))
                measure_bulks();
        if (any_wanted(ROW_BRAIN, ROW_KEEPER))
                measure_base();
        session_close(&session);
        print_figures();
        return EXIT_SUCCESS;
}
