/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Output
 *
 * Pipes have one reader, one buffer for all of them is enough, and the bytes go from there to the
 * ring and to the file's buffer at once. Output comes before everything else on the loop, since it
 * is older than the exit that follows it, but a pipe that is always full must not be all the loop
 * does: every few reads its turn comes after everybody else's.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <time.h>

#include "io/output.h"
#include "util/duration.h"

#define READ_BYTES (64u * 1024u)
#define PIPE_SMALL_BYTES (16u * 1024u)
#define PIPE_LARGE_BYTES (64u * 1024u)

#define PATIENCE_USEC (200 * USEC_PER_MSEC)
#define PATIENCE_ACCURACY_USEC (10 * USEC_PER_MSEC)

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
} OutputPipe;

struct Output {
        sd_event *event;
        LogRing *ring;
        LogFile *file;
        output_lines_handler_t on_lines;
        void *userdata;
        TAILQ_HEAD(, OutputPipe) pipes; /* of all generations, the oldest first */
        sd_event_source *patience;      /* the pipes are left unread until this timer */
        bool is_losing;                 /* it has run out: what does not fit the file is lost */
};

static char read_buffer[READ_BYTES];

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
               void *userdata) {
        Output *output = calloc(1, sizeof(*output));

        if (!output)
                return -ENOMEM;

        output->event = sd_event_ref(event);
        output->ring = ring;
        output->file = file;
        output->on_lines = on_lines;
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

        sd_event_source_disable_unref(output->patience);
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

static int output_on_patience(sd_event_source *source, uint64_t usec, void *userdata) {
        Output *output = userdata;

        (void) source, (void) usec;
        output_resume(output);
        output->is_losing = log_file_room(output->file) == 0;
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

/* How much may be read at once; 0: the file is behind. */
static size_t output_room(const Output *output) {
        size_t room;

        if (!output->file || output->is_losing)
                return READ_BYTES;

        room = log_file_room(output->file);
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

/* Answers how many bytes came, 0 at the end, or negative errno. */
static ssize_t pipe_read(OutputPipe *pipe, size_t n_max) {
        Output *output = pipe->output;
        size_t n_bytes, n_taken;
        ssize_t n;

        n = read(pipe->fd, read_buffer, n_max);
        if (n <= 0)
                return n < 0 ? -errno : 0;

        n_bytes = (size_t) n;
        if (n_bytes >= PIPE_SMALL_BYTES)
                pipe_grow(pipe);

        log_ring_write(output->ring, pipe->stream, pipe->generation, now_realtime_usec(),
                       read_buffer, n_bytes);
        if (output->file) {
                n_taken = log_file_write(output->file, read_buffer, n_bytes);
                if (n_taken < n_bytes)
                        log_file_note_lost(output->file, n_bytes - n_taken);
        }

        return n;
}

/* Among equals sd-event takes who has waited longest, so that nobody waits longer than a round. */
static void pipe_yield(OutputPipe *pipe) {
        bool is_last = ++pipe->n_reads % (READS_FIRST + 1) == READS_FIRST;

        (void) sd_event_source_set_priority(pipe->source, is_last ? PRIORITY_LAST : PRIORITY_FIRST);
}

static void pipe_end(OutputPipe *pipe) {
        log_ring_flush(pipe->output->ring, pipe->stream, pipe->generation, now_realtime_usec());
        output_pipe_free(pipe);
}

static int pipe_on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        OutputPipe *pipe = userdata;
        Output *output = pipe->output;
        uint64_t first_number = log_ring_next(output->ring);
        size_t room = output_room(output);
        ssize_t n;

        (void) source, (void) fd, (void) revents;
        if (room == 0) {
                output_hold(output);
                return 0;
        }

        n = pipe_read(pipe, room);
        if (n > 0 || n == -EAGAIN)
                pipe_yield(pipe);
        else
                pipe_end(pipe);

        output_say_lines(output, first_number);
        return 0;
}

/* The pipe is in the list of its output from the start, and leaves it by output_pipe_free(). */
static int pipe_new(OutputPipe **ret,
                    int *ret_write_fd,
                    Output *output,
                    LogStream stream,
                    uint64_t generation) {
        _cleanup_(output_pipe_freep) OutputPipe *pipe = NULL;
        _cleanup_close_ int write_fd = -1;
        int r, ends[2];

        pipe = calloc(1, sizeof(*pipe));
        if (!pipe)
                return -ENOMEM;

        pipe->output = output;
        pipe->stream = stream;
        pipe->generation = generation;
        pipe->fd = -1;
        TAILQ_INSERT_TAIL(&output->pipes, pipe, link);

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        pipe->fd = ends[0];
        write_fd = ends[1];

        /* Only our end: a sidecar does not expect EAGAIN from its standard output. */
        if (fcntl(pipe->fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        (void) fcntl(pipe->fd, F_SETPIPE_SZ, PIPE_SMALL_BYTES);

        r = sd_event_add_io(output->event, &pipe->source, pipe->fd, EPOLLIN, pipe_on_readable,
                            pipe);
        if (r < 0)
                return r;

        (void) sd_event_source_set_priority(pipe->source, PRIORITY_FIRST);
        if (output->patience)
                (void) sd_event_source_set_enabled(pipe->source, SD_EVENT_OFF);

        *ret_write_fd = TAKE_FD(write_fd);
        *ret = TAKE_PTR(pipe);
        return 0;
}

int output_open(Output *output, uint64_t generation, int *ret_stdout, int *ret_stderr) {
        _cleanup_(output_pipe_freep) OutputPipe *out = NULL;
        _cleanup_close_ int out_fd = -1;
        OutputPipe *err;
        int r;

        r = pipe_new(&out, &out_fd, output, LOG_STDOUT, generation);
        if (r < 0)
                return r;

        r = pipe_new(&err, ret_stderr, output, LOG_STDERR, generation);
        if (r < 0)
                return r;

        out = NULL; /* its Output's now */
        *ret_stdout = TAKE_FD(out_fd);
        return 0;
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
