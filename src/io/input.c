/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Input
 *
 * A write(2) of up to PIPE_BUF bytes is whole or EAGAIN, see pipe(7). A longer one takes what room
 * there is, so it goes only into a pipe that is empty: nobody else writes, so that has room for
 * all of it, and once in the kernel it is not broken off by a signal, be it SIGKILL: pipe_write()
 * of fs/pipe.c looks for signals only where it has to wait.
 *
 * Nothing tells that a pipe has become empty: poll(2) says that there is room for one page. So as
 * long as a piece waits the pipe is looked at again and again, ten times a second in the end.
 */

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "io/input.h"
#include "util/crashpoint.h"
#include "util/duration.h"

#define PAUSE_MIN_USEC USEC_PER_MSEC
#define PAUSE_MAX_USEC (100 * USEC_PER_MSEC)

struct Input {
        sd_event *event;
        sd_event_source *timer; /* while a piece waits */
        uint64_t pause_usec;
        int fd;            /* -1: closed */
        InputPiece *first; /* InputPiece::next */
        InputPiece **last;
        input_closed_handler_t on_closed;
        void *userdata;
};

int input_new(Input **ret, sd_event *event, input_closed_handler_t on_closed, void *userdata) {
        Input *input = calloc(1, sizeof(*input));

        if (!input)
                return -ENOMEM;
        input->event = event;
        input->fd = -1;
        input->last = &input->first;
        input->on_closed = on_closed;
        input->userdata = userdata;
        *ret = input;
        return 0;
}

Input *input_free(Input *input) {
        if (!input)
                return NULL;

        input_close(input);
        sd_event_source_disable_unref(input->timer);
        free(input);
        return NULL;
}

int input_open(Input *input, int *ret) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        /* The program's end is as every program expects it: ours alone must not wait. */
        if (fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0) {
                int r = -errno;

                safe_close(ends[0]);
                safe_close(ends[1]);
                return r;
        }
        /* Whoever has many pipes gets smaller ones, see pipe(7); it may be refused. */
        if (fcntl(ends[1], F_GETPIPE_SZ) < (int) INPUT_BYTES_MAX)
                (void) fcntl(ends[1], F_SETPIPE_SZ, INPUT_BYTES_MAX);

        input_close(input);
        input->fd = ends[1];
        *ret = ends[0];
        return 0;
}

void input_adopt(Input *input, int fd) {
        input_close(input);
        input->fd = fd;
}

int input_fd(const Input *input) {
        return input->fd;
}

/* Where it does not come to a write(2), which would say so: poll(2). */
static bool has_reader(const Input *input) {
        struct pollfd end = { .fd = input->fd };

        return poll(&end, 1, 0) <= 0 || !(end.revents & POLLERR);
}

/* -EAGAIN: not now. */
static int try_write(const Input *input, const InputPiece *piece) {
        int n_waiting = 0;
        ssize_t n;

        if (input->fd < 0)
                return -EPIPE;
        if (piece->n_bytes == 0)
                return 0;
        if (piece->n_bytes > PIPE_BUF) {
                if (ioctl(input->fd, FIONREAD, &n_waiting) < 0)
                        return -errno;
                if (n_waiting > 0)
                        return has_reader(input) ? -EAGAIN : -EPIPE;
        }

        n = write(input->fd, piece->bytes, piece->n_bytes);
        if (n < 0)
                return -errno;
        /* The kernel ran out of memory on the way. */
        return (size_t) n < piece->n_bytes ? -EIO : 0;
}

static InputPiece *take_first(Input *input) {
        InputPiece *piece = input->first;

        input->first = piece->next;
        if (!input->first)
                input->last = &input->first;
        return piece;
}

/* Behind what was not taken nothing else makes sense. */
static void finish_first(Input *input, int error) {
        InputPiece *piece = take_first(input);

        if (input->fd >= 0 && (error < 0 || piece->is_last)) {
                input->fd = safe_close(input->fd);
                input->on_closed(input->userdata);
        }
        piece->handler(piece, error);
}

static void fail_all(Input *input, int error) {
        while (input->first) {
                InputPiece *piece = take_first(input);

                piece->handler(piece, error);
        }
}

static void write_what_fits(Input *input);

static int on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        write_what_fits(userdata);
        return 0;
}

static int look_again_later(Input *input) {
        uint64_t pause = input->pause_usec;
        int r;

        input->pause_usec = pause * 2 < PAUSE_MAX_USEC ? pause * 2 : PAUSE_MAX_USEC;
        if (!input->timer)
                return sd_event_add_time_relative(input->event, &input->timer, CLOCK_MONOTONIC,
                                                  pause, USEC_PER_MSEC, on_timer, input);

        r = sd_event_source_set_time_relative(input->timer, pause);
        return r < 0 ? r : sd_event_source_set_enabled(input->timer, SD_EVENT_ONESHOT);
}

static void write_what_fits(Input *input) {
        while (input->first) {
                int r = try_write(input, input->first);

                if (r == -EAGAIN) {
                        r = look_again_later(input);
                        if (r < 0)
                                fail_all(input, r);
                        return;
                }
                CRASHPOINT("stdin-written");
                input->pause_usec = PAUSE_MIN_USEC;
                finish_first(input, r);
        }
}

int input_write(Input *input, InputPiece *piece) {
        if (input->fd < 0)
                return -EPIPE;
        if (piece->n_bytes > PIPE_BUF && piece->n_bytes > (size_t) fcntl(input->fd, F_GETPIPE_SZ))
                return -EMSGSIZE;

        piece->next = NULL;
        *input->last = piece;
        input->last = &piece->next;
        /* Behind others it waits for what they wait for. */
        if (input->first != piece)
                return 0;

        input->pause_usec = PAUSE_MIN_USEC;
        write_what_fits(input);
        return 0;
}

void input_cancel(Input *input, const InputPiece *piece) {
        InputPiece **link = &input->first;

        while (*link && *link != piece)
                link = &(*link)->next;
        if (!*link)
                return;

        *link = piece->next;
        if (!*link)
                input->last = link;
}

void input_close(Input *input) {
        input->fd = safe_close(input->fd);
        fail_all(input, -ESRCH);
}
