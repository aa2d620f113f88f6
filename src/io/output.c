/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Output
 *
 * Pipes have one reader, and bytes go from there into the ring at once, by a read(2) of exactly
 * what FIONREAD says is there: so whoever goes on after a kill can tell whether the last one took
 * place (log-ring.h). Output comes before everything else on the loop, since it is older than the
 * exit that follows it, but a pipe that is always full must not be all the loop does: every few
 * reads its turn comes after everybody else's.
 *
 * The memory is made for the first byte. While there is none to be had, pipes are left unread.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <time.h>

#include "io/log-memory.h"
#include "io/output.h"
#include "io/read-nonce.h"
#include "util/crashpoint.h"
#include "util/duration.h"

#define READ_BYTES (64u * 1024u)
#define PIPE_SMALL_BYTES (16u * 1024u)
#define PIPE_LARGE_BYTES (64u * 1024u)
/* A write that would not fit a page begins another one: a full pipe is seldom full of bytes. */
#define PIPE_FULL_BYTES (PIPE_SMALL_BYTES / 4u * 3u)

#define PATIENCE_USEC (200 * USEC_PER_MSEC)
#define PATIENCE_ACCURACY_USEC (10 * USEC_PER_MSEC)

#define TRIM_USEC USEC_PER_SEC
#define TRIM_ACCURACY_USEC (USEC_PER_SEC / 2)
#define TRIM_BYTES (64u * 1024u) /* for less of it nobody looks */

/*
 * Who is woken for each of the lines that a sidecar writes one by one costs the two of them more
 * than the lines do. So who has come for little, often and at once, comes back after a while.
 */
#define LITTLE_BYTES (4u * 1024u)
#define AT_ONCE_USEC 50u
#define OFTEN 8u
#define REST_USEC 100u
#define REST_BYTES (PIPE_LARGE_BYTES / 4u * 3u) /* so near to full it would hold the sidecar up */

#define PRIORITY_FIRST (-10)
#define PRIORITY_LAST 10 /* with the flush of what changed, which must not starve either */
#define READS_FIRST 4u   /* in a row */

typedef struct OutputPipe {
        TAILQ_ENTRY(OutputPipe) link; /* Output::pipes */
        Output *output;
        LogStream stream;
        uint64_t generation;
        int fd;
        sd_event_source *source;
        unsigned n_reads;
        bool is_large;
        sd_event_source *rest; /* left unread until this timer; NULL: it never was */
        bool is_rested;        /* it was, before the last read */
        unsigned n_often;      /* reads in a row */
        uint64_t read_at_usec; /* CLOCK_REALTIME: when the last one was */
} OutputPipe;

struct Output {
        sd_event *event;
        LogRing *ring;
        LogFile *file;
        LogMemory *memory; /* NULL until the first byte */
        output_lines_handler_t on_lines;
        output_memory_handler_t on_memory;
        void *userdata;
        TAILQ_HEAD(, OutputPipe) pipes; /* of all generations, the oldest first */
        sd_event_source *patience;      /* the pipes are left unread until this timer */
        bool is_losing;                 /* it has run out: what does not fit the file is lost */
        sd_event_source *trim;          /* what a flood has taken is given back at this timer */
        uint64_t trimmed;               /* position: of what is before nothing is left */
};

static uint64_t now_realtime_usec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t) now.tv_sec * USEC_PER_SEC + (uint64_t) now.tv_nsec / 1000;
}

static OutputPipe *output_pipe_free(OutputPipe *pipe) {
        if (!pipe)
                return NULL;

        TAILQ_REMOVE(&pipe->output->pipes, pipe, link);
        sd_event_source_disable_unref(pipe->source);
        sd_event_source_disable_unref(pipe->rest);
        safe_close(pipe->fd);
        free(pipe);
        return NULL;
}

DEFINE_CLEANUP(OutputPipe, output_pipe_free);

int output_new(Output **ret,
               sd_event *event,
               LogRing *ring,
               LogFile *file,
               output_lines_handler_t on_lines,
               output_memory_handler_t on_memory,
               void *userdata) {
        Output *output = calloc(1, sizeof(*output));

        if (!output)
                return -ENOMEM;

        output->event = sd_event_ref(event);
        output->ring = ring;
        output->file = file;
        output->on_lines = on_lines;
        output->on_memory = on_memory;
        output->userdata = userdata;
        TAILQ_INIT(&output->pipes);
        *ret = output;
        return 0;
}

Output *output_free(Output *output) {
        if (!output)
                return NULL;

        while (!TAILQ_EMPTY(&output->pipes))
                output_pipe_free(TAILQ_FIRST(&output->pipes));

        log_ring_end(output->ring);
        log_memory_unref(output->memory);
        sd_event_source_disable_unref(output->patience);
        sd_event_source_disable_unref(output->trim);
        sd_event_unref(output->event);
        free(output);
        return NULL;
}

/* The last thing that a caller does: the handler may free the Output. */
static void output_say_lines(Output *output, uint64_t first_number) {
        if (log_ring_next(output->ring) > first_number)
                output->on_lines(first_number, output->userdata);
}

static void output_enable(Output *output, int enabled) {
        OutputPipe *pipe;

        TAILQ_FOREACH(pipe, &output->pipes, link)
        (void) sd_event_source_set_enabled(pipe->source, enabled);
}

void output_resume(Output *output) {
        output->is_losing = false;
        if (!output->patience)
                return;

        output->patience = sd_event_source_disable_unref(output->patience);
        output_enable(output, SD_EVENT_ON);
}

/* The last words of a sidecar cannot wait for room: what its pipes hold always fits besides. */
static size_t output_file_room(Output *output) {
        size_t n_besides = 0;
        OutputPipe *pipe;

        TAILQ_FOREACH(pipe, &output->pipes, link)
        n_besides += pipe->is_large ? PIPE_LARGE_BYTES : PIPE_SMALL_BYTES;

        return log_file_room(output->file, n_besides);
}

static int output_on_patience(sd_event_source *source, uint64_t usec, void *userdata) {
        Output *output = userdata;

        (void) source, (void) usec;
        output_resume(output);
        output->is_losing = output->file && output_file_room(output) == 0;
        return 0;
}

/* Leaves the pipes unread until the file has room, or patience ends. */
static void output_hold(Output *output) {
        int r;

        r = sd_event_add_time_relative(output->event, &output->patience, CLOCK_MONOTONIC,
                                       PATIENCE_USEC, PATIENCE_ACCURACY_USEC, output_on_patience,
                                       output);
        if (r < 0)
                output->is_losing = true;
        else
                output_enable(output, SD_EVENT_OFF);
}

static int output_on_trim(sd_event_source *source, uint64_t usec, void *userdata);

/* Not at each turn of a flood, which would want it again. */
static void output_schedule_trim(Output *output) {
        if (output->trim ||
            log_ring_reserved(output->ring) < output->trimmed + LOG_RING_BYTES + TRIM_BYTES)
                return;

        /* Without it the next read tries again. */
        (void) sd_event_add_time_relative(output->event, &output->trim, CLOCK_MONOTONIC, TRIM_USEC,
                                          TRIM_ACCURACY_USEC, output_on_trim, output);
}

/* Not what the file still has to have: while it cannot be written, the memory stays. */
static int output_on_trim(sd_event_source *source, uint64_t usec, void *userdata) {
        Output *output = userdata;
        uint64_t end = log_ring_reserved(output->ring), oldest = end - LOG_RING_BYTES;

        (void) source, (void) usec;
        output->trim = sd_event_source_disable_unref(output->trim);
        if (output->file && log_file_is_behind(output->file, oldest)) {
                output_schedule_trim(output);
                return 0;
        }

        log_memory_trim(output->memory, end);
        output->trimmed = oldest;
        return 0;
}

/* How much may be read at once; 0: the file is behind. */
static size_t output_room(Output *output) {
        size_t room;

        if (!output->file || output->is_losing)
                return READ_BYTES;

        room = output_file_room(output);
        return room < READ_BYTES ? room : READ_BYTES;
}

/*
 * Full pipes of the usual size for each of a thousand sidecars would use up what a user may have
 * (pipe(7), pipe-user-pages-soft), and beyond that the kernel says EPERM.
 */
static void pipe_grow(OutputPipe *pipe) {
        if (pipe->is_large)
                return;

        (void) fcntl(pipe->fd, F_SETPIPE_SZ, PIPE_LARGE_BYTES);
        pipe->is_large = true;
}

static void output_follow(Output *output, LogMemory *memory) {
        LogExtent extent = log_ring_extent(output->ring);

        output->memory = memory;
        if (output->file)
                log_file_follow(output->file, memory, &extent, log_ring_reserved(output->ring));
}

static int output_ensure_memory(Output *output) {
        LogMemory *memory;
        _cleanup_close_ int fd = -1;
        int r;

        if (output->memory)
                return 0;

        r = log_memory_new(&memory, &fd);
        if (r < 0)
                return r;

        log_ring_begin(output->ring, log_memory_store(memory));
        output_follow(output, memory);
        CRASHPOINT("memory-made");
        output->on_memory(fd, output->userdata);
        CRASHPOINT("memory-kept");
        return 0;
}

/* So much may be added to the ring now: the file learns what of its bytes that costs. */
static void output_reserve(Output *output, size_t n_bytes) {
        if (output->file)
                log_file_reserve(output->file, log_ring_extent(output->ring).end + n_bytes +
                                                       LOG_RING_COPY_BYTES_MAX);
}

static void output_publish(Output *output) {
        LogExtent extent = log_ring_extent(output->ring);

        if (output->file)
                log_file_publish(output->file, &extent);
}

/* So much is there, exactly that is read. Answers how many bytes came, or negative errno. */
static ssize_t pipe_read(OutputPipe *pipe, size_t n_bytes) {
        const LogOrigin origin = { pipe->stream, pipe->generation, now_realtime_usec() };
        Output *output = pipe->output;
        ssize_t n;
        char *bytes;
        int r;

        r = output_ensure_memory(output);
        if (r < 0)
                return r;
        if (n_bytes >= PIPE_FULL_BYTES)
                pipe_grow(pipe);

        output_reserve(output, n_bytes);
        bytes = log_ring_prepare(output->ring, &origin, n_bytes, read_nonce(pipe->fd, n_bytes));
        CRASHPOINT("output-prepared");
        n = read(pipe->fd, bytes, n_bytes);
        CRASHPOINT("output-read");
        log_ring_take(output->ring, n > 0 ? (size_t) n : 0);
        CRASHPOINT("output-taken");
        output_publish(output);
        output_schedule_trim(output);
        return n < 0 ? -errno : n;
}

/* Among equals sd-event takes who has waited longest, so that nobody waits longer than a round. */
static void pipe_yield(OutputPipe *pipe) {
        bool is_last = ++pipe->n_reads % (READS_FIRST + 1) == READS_FIRST;

        (void) sd_event_source_set_priority(pipe->source, is_last ? PRIORITY_LAST : PRIORITY_FIRST);
}

static int pipe_on_rested(sd_event_source *source, uint64_t usec, void *userdata) {
        OutputPipe *pipe = userdata;

        (void) source, (void) usec;
        pipe->is_rested = true;
        if (!pipe->output->patience)
                (void) sd_event_source_set_enabled(pipe->source, SD_EVENT_ON);
        return 0;
}

static bool pipe_wants_rest(OutputPipe *pipe, size_t n_bytes) {
        uint64_t now = now_realtime_usec(), since = now - pipe->read_at_usec;
        bool is_rested = TAKE(pipe->is_rested, false);

        pipe->read_at_usec = now;
        if (is_rested)
                return n_bytes >= LITTLE_BYTES && n_bytes < REST_BYTES;

        pipe->n_often = n_bytes < LITTLE_BYTES && since < AT_ONCE_USEC ? pipe->n_often + 1 : 0;
        return pipe->n_often >= OFTEN;
}

static void pipe_rest(OutputPipe *pipe) {
        int r;

        pipe->n_often = 0;
        if (pipe->rest)
                r = sd_event_source_set_time_relative(pipe->rest, REST_USEC);
        else
                r = sd_event_add_time_relative(pipe->output->event, &pipe->rest, CLOCK_MONOTONIC,
                                               REST_USEC, 1, pipe_on_rested, pipe);
        if (r >= 0)
                r = sd_event_source_set_enabled(pipe->rest, SD_EVENT_ONESHOT);
        if (r >= 0)
                (void) sd_event_source_set_enabled(pipe->source, SD_EVENT_OFF);
}

static void output_flush(Output *output, const LogOrigin *origin) {
        output_reserve(output, 0);
        log_ring_flush(output->ring, origin);
        output_publish(output);
}

static void pipe_end(OutputPipe *pipe) {
        const LogOrigin origin = { pipe->stream, pipe->generation, now_realtime_usec() };

        if (pipe->output->memory)
                output_flush(pipe->output, &origin);
        output_pipe_free(pipe);
}

static int pipe_on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        OutputPipe *pipe = userdata;
        Output *output = pipe->output;
        uint64_t first_number = log_ring_next(output->ring);
        size_t room = output_room(output);
        ssize_t n = 0;
        int n_there;

        (void) source;
        if (room == 0) {
                output_hold(output);
                return 0;
        }

        if (ioctl(fd, FIONREAD, &n_there) < 0)
                n_there = 0;
        if (n_there > 0) {
                n = pipe_read(pipe, (size_t) n_there < room ? (size_t) n_there : room);
                if (n < 0)
                        output_hold(output);
                else if (pipe_wants_rest(pipe, (size_t) n))
                        pipe_rest(pipe);
                else
                        pipe_yield(pipe);
        } else if (revents & (EPOLLHUP | EPOLLERR))
                pipe_end(pipe);

        output_say_lines(output, first_number);
        return 0;
}

/* Takes the reading end over. It is in the list of its output until output_pipe_free(). */
static int
pipe_new(OutputPipe **ret, Output *output, LogStream stream, uint64_t generation, int fd) {
        _cleanup_(output_pipe_freep) OutputPipe *pipe = NULL;
        int r;

        pipe = calloc(1, sizeof(*pipe));
        if (!pipe) {
                safe_close(fd);
                return -ENOMEM;
        }

        pipe->output = output;
        pipe->stream = stream;
        pipe->generation = generation;
        pipe->fd = fd;
        pipe->is_large = fcntl(fd, F_GETPIPE_SZ) > (int) PIPE_SMALL_BYTES;
        TAILQ_INSERT_TAIL(&output->pipes, pipe, link);

        r = sd_event_add_io(output->event, &pipe->source, pipe->fd, EPOLLIN, pipe_on_readable,
                            pipe);
        if (r < 0)
                return r;

        (void) sd_event_source_set_priority(pipe->source, PRIORITY_FIRST);
        if (output->patience)
                (void) sd_event_source_set_enabled(pipe->source, SD_EVENT_OFF);

        *ret = TAKE_PTR(pipe);
        return 0;
}

static int pipe_open(OutputPipe **ret,
                     int *ret_write_fd,
                     Output *output,
                     LogStream stream,
                     uint64_t generation) {
        _cleanup_close_ int read_fd = -1, write_fd = -1;
        int r, ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        read_fd = ends[0];
        write_fd = ends[1];

        /* Only our end: a sidecar does not expect EAGAIN from its standard output. */
        if (fcntl(read_fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        (void) fcntl(read_fd, F_SETPIPE_SZ, PIPE_SMALL_BYTES);

        r = pipe_new(ret, output, stream, generation, TAKE_FD(read_fd));
        if (r < 0)
                return r;

        *ret_write_fd = TAKE_FD(write_fd);
        return 0;
}

int output_open(Output *output, uint64_t generation, OutputEnds *ret) {
        _cleanup_(output_pipe_freep) OutputPipe *out = NULL;
        _cleanup_close_ int out_fd = -1;
        OutputPipe *err;
        int r, err_fd;

        r = pipe_open(&out, &out_fd, output, LOG_STDOUT, generation);
        if (r < 0)
                return r;

        r = pipe_open(&err, &err_fd, output, LOG_STDERR, generation);
        if (r < 0)
                return r;

        *ret = (OutputEnds){ TAKE_FD(out_fd), err_fd, out->fd, err->fd };
        out = NULL; /* its Output's now */
        return 0;
}

static int output_adopt_memory(Output *output, int fd) {
        _cleanup_(log_memory_unrefp) LogMemory *memory = NULL;
        int r;

        r = log_memory_open(&memory, fd);
        if (r < 0)
                return r;
        r = log_ring_resume(output->ring, log_memory_store(memory));
        if (r < 0)
                return r;

        output_follow(output, TAKE_PTR(memory));
        return 0;
}

static bool output_reads(const Output *output, const LogOrigin *origin) {
        OutputPipe *pipe;

        TAILQ_FOREACH(pipe, &output->pipes, link)
        if (pipe->stream == origin->stream && pipe->generation == origin->generation)
                return true;

        return false;
}

/* What waits of pipes that died with the brain that read them. */
static void output_flush_unread(Output *output) {
        for (size_t i = 0; i < LOG_STORE_OPEN_LINES; i++) {
                LogOrigin origin;

                if (!log_ring_get_waiting(output->ring, i, &origin) ||
                    output_reads(output, &origin))
                        continue;
                origin.realtime_usec = now_realtime_usec();
                output_flush(output, &origin);
        }
}

int output_adopt(Output *output, uint64_t generation, int memory_fd, int stdout_fd, int stderr_fd) {
        _cleanup_close_ int memory = memory_fd, out_fd = stdout_fd, err_fd = stderr_fd;
        OutputPipe *pipe;
        int r = 0, memory_r = 0;

        if (memory >= 0)
                memory_r = output_adopt_memory(output, memory);
        if (memory_r < 0 && memory_r != -EBADMSG)
                return memory_r;

        if (out_fd >= 0)
                r = pipe_new(&pipe, output, LOG_STDOUT, generation, TAKE_FD(out_fd));
        if (r >= 0 && err_fd >= 0)
                r = pipe_new(&pipe, output, LOG_STDERR, generation, TAKE_FD(err_fd));
        if (r < 0)
                return r;

        output_flush_unread(output);
        return memory_r;
}

/* What is there now, and no more: a grandchild may go on writing for as long as it likes. */
static void pipe_drain(OutputPipe *pipe) {
        int n_left;
        ssize_t n;

        if (ioctl(pipe->fd, FIONREAD, &n_left) < 0)
                return;

        while (n_left > 0) {
                n = pipe_read(pipe, (size_t) n_left < READ_BYTES ? (size_t) n_left : READ_BYTES);
                if (n <= 0)
                        return;
                n_left -= (int) n;
        }
}

void output_drain(Output *output) {
        uint64_t first_number = log_ring_next(output->ring);
        OutputPipe *pipe;

        TAILQ_FOREACH(pipe, &output->pipes, link)
        pipe_drain(pipe);

        output_say_lines(output, first_number);
}

void output_close(Output *output) {
        uint64_t first_number = log_ring_next(output->ring);
        OutputPipe *pipe;

        while ((pipe = TAILQ_FIRST(&output->pipes))) {
                pipe_drain(pipe);
                pipe_end(pipe);
        }

        output_say_lines(output, first_number);
}
