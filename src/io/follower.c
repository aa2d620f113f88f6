/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Follower
 *
 * Lines are formatted a batch at a time, into one buffer for all followers, and written at once;
 * raw ones that lie in the ring as the reader is to have them are written from there. Of what the
 * pipe did not take only the rest of a line that it took in part is kept: the others are in the
 * ring, and the cursor stays before them.
 *
 * The pipe is watched edge-triggered: at rest it costs nothing, and the reader's end is told at
 * any time (EPOLLERR, see pipe(7)). What is to be written is written after everything of the same
 * turn that is more urgent, so that many small reads make one write; but a follower that a good
 * part of the ring has passed writes at once, or a flood would be lost to the quickest reader.
 */

#include <fcntl.h>
#include <string.h>

#include "io/follower.h"
#include "util/strv.h"

#define BATCH_BYTES (128u * 1024u)
#define BATCH_LINES 1024u
#define IN_PLACE_BYTES_MIN (16u * 1024u) /* or many small spans would be as many writes */
#define URGENT_BYTES (LOG_RING_BYTES / 4)

/* As with Output's pipes: not for each, since a user may not have many large ones (pipe(7)). */
#define PIPE_LARGE_BYTES (128u * 1024u)

/* How far it has come. */
typedef struct Cursor {
        uint64_t next;         /* the number of the line to go on with */
        uint64_t n_lost;       /* before it, and not told yet */
        bool is_at_line_start; /* as the reader of "raw" sees it */
} Cursor;

struct Follower {
        const LogRing *ring; /* NULL: it has gone, and the rest is all that is left to say */
        LogQuery query;
        LogFormat format;
        char *app, *sidecar;
        Cursor at;
        uint64_t end;
        int fd;
        sd_event_source *pipe; /* has room again, or has no reader any more */
        sd_event_source *turn; /* something is to be written */
        char *rest;            /* of a line that the pipe took in part; or NULL */
        size_t n_rest;
        bool is_large; /* the pipe */
        bool is_full;  /* until it says otherwise */
        bool is_over;
        follower_end_handler_t on_end;
        void *userdata;
};

typedef struct Batch {
        char buffer[BATCH_BYTES];
        const char *bytes; /* in the buffer, or in the ring */
        size_t n_bytes;
        struct {
                size_t end; /* in bytes */
                Cursor after;
        } lines[BATCH_LINES];
        size_t n_lines;
        Cursor after; /* all of it, with what did not match */
} Batch;

static LogAuthor follower_author(const Follower *follower) {
        return (LogAuthor){ follower->app, follower->sidecar };
}

/* What was written over meanwhile is passed, as far as it was asked for. */
static void follower_skip_lost(const Follower *follower, Cursor *at) {
        uint64_t first = log_ring_first(follower->ring);

        if (first > follower->end)
                first = follower->end;
        if (at->next >= first)
                return;

        at->n_lost += first - at->next;
        at->next = first;
}

/* The next line to write; false: there is none. */
static bool follower_next_line(const Follower *follower, Cursor *at, LogLine *ret) {
        while (at->next < follower->end && log_ring_get(follower->ring, at->next, ret)) {
                at->next++;
                if (!log_query_matches(&follower->query, ret))
                        continue;
                at->is_at_line_start =
                        ret->ending == LOG_ENDING_NEWLINE || ret->ending == LOG_ENDING_RETURN;
                return true;
        }

        return false;
}

/* The next thing to write, and how long it is; 0: there is none. */
static size_t follower_format_next(const Follower *follower, Cursor *at, char *to) {
        LogAuthor author = follower_author(follower);
        LogLine line;
        size_t n;

        follower_skip_lost(follower, at);
        if (at->n_lost > 0) {
                n = log_format_lost(to, follower->format, &author, at->n_lost,
                                    at->is_at_line_start);
                at->n_lost = 0;
                at->is_at_line_start = true;
                return n;
        }

        if (!follower_next_line(follower, at, &line))
                return 0;

        return log_format_line(to, follower->format, &author, &line);
}

static void batch_begin(Batch *batch, const char *bytes) {
        batch->bytes = bytes;
        batch->n_bytes = batch->n_lines = 0;
}

static void batch_add(Batch *batch, size_t n_bytes, const Cursor *after) {
        batch->n_bytes += n_bytes;
        batch->lines[batch->n_lines].end = batch->n_bytes;
        batch->lines[batch->n_lines++].after = *after;
}

/* The ring is there twice in a row, so that a span may go on over its end. */
static bool batch_ends_at(const Batch *batch, const char *bytes) {
        const char *end = batch->bytes + batch->n_bytes;

        return bytes == end || bytes == end - LOG_STORE_RING_BYTES;
}

/* As many lines as lie in the ring one behind another. */
static void batch_fill_in_place(Batch *batch, const Follower *follower) {
        Cursor at = follower->at;
        LogLine line;
        size_t n;

        batch_begin(batch, NULL);
        follower_skip_lost(follower, &at);
        if (at.n_lost > 0)
                return;

        while (batch->n_lines < BATCH_LINES && follower_next_line(follower, &at, &line)) {
                n = log_format_raw_in_place(&line);
                if (batch->n_lines == 0)
                        batch->bytes = line.bytes;
                if (n == 0 || !batch_ends_at(batch, line.bytes))
                        break;
                batch_add(batch, n, &at);
                batch->after = at;
        }
}

static void batch_fill_buffer(Batch *batch, const Follower *follower) {
        Cursor at = follower->at;
        size_t n;

        batch_begin(batch, batch->buffer);
        while (batch->n_lines < BATCH_LINES &&
               batch->n_bytes + LOG_FORMAT_BYTES_MAX <= BATCH_BYTES) {
                n = follower_format_next(follower, &at, batch->buffer + batch->n_bytes);
                if (n == 0)
                        break;
                batch_add(batch, n, &at);
        }

        batch->after = at;
}

static void batch_fill(Batch *batch, const Follower *follower) {
        batch_begin(batch, NULL);
        if (follower->format == LOG_FORMAT_RAW)
                batch_fill_in_place(batch, follower);
        if (batch->n_bytes < IN_PLACE_BYTES_MIN)
                batch_fill_buffer(batch, follower);
}

/* So much of the batch is in the pipe. */
static int follower_commit(Follower *follower, const Batch *batch, size_t n_written) {
        size_t i = 0, begin = 0;

        if (n_written == batch->n_bytes) {
                follower->at = batch->after;
                return 0;
        }

        while (batch->lines[i].end <= n_written)
                begin = batch->lines[i++].end;
        if (i > 0)
                follower->at = batch->lines[i - 1].after;
        if (n_written == begin)
                return 0;

        follower->n_rest = batch->lines[i].end - n_written;
        follower->rest = malloc(follower->n_rest);
        if (!follower->rest)
                return -ENOMEM;

        memcpy(follower->rest, batch->bytes + n_written, follower->n_rest);
        follower->at = batch->lines[i].after;
        return 0;
}

/* Answers how many bytes the pipe took; 0: it is full. */
static ssize_t follower_write(Follower *follower, const char *bytes, size_t n_bytes) {
        ssize_t n = write(follower->fd, bytes, n_bytes);

        if (n < 0 && errno == EAGAIN && !follower->is_large) {
                if (fcntl(follower->fd, F_GETPIPE_SZ) < (int) PIPE_LARGE_BYTES)
                        (void) fcntl(follower->fd, F_SETPIPE_SZ, PIPE_LARGE_BYTES);
                follower->is_large = true;
                n = write(follower->fd, bytes, n_bytes);
        }

        if (n < 0 && errno == EAGAIN) {
                follower->is_full = true;
                return 0;
        }

        return n < 0 ? -errno : n;
}

static ssize_t follower_write_rest(Follower *follower) {
        ssize_t n = follower_write(follower, follower->rest, follower->n_rest);

        if (n <= 0)
                return n;

        follower->n_rest -= (size_t) n;
        if (follower->n_rest > 0)
                memmove(follower->rest, follower->rest + n, follower->n_rest);
        else
                follower->rest = (free(follower->rest), NULL);

        return n;
}

static ssize_t follower_write_lines(Follower *follower) {
        static Batch batch; /* nobody's beyond this call */
        ssize_t n;
        int r;

        batch_fill(&batch, follower);
        if (batch.n_bytes == 0) {
                follower->at = batch.after;
                return 0;
        }

        n = follower_write(follower, batch.bytes, batch.n_bytes);
        if (n < 0)
                return n;

        r = follower_commit(follower, &batch, (size_t) n);
        return r < 0 ? r : n;
}

static bool follower_has_all(const Follower *follower) {
        return !follower->rest && (!follower->ring || (follower->at.next >= follower->end &&
                                                       follower->at.n_lost == 0));
}

/* One write. Answers whether another one may have something to do. */
static bool follower_step(Follower *follower) {
        ssize_t n = 0;

        if (follower->rest)
                n = follower_write_rest(follower);
        else if (follower->ring)
                n = follower_write_lines(follower);

        if (n < 0 || follower_has_all(follower))
                follower->is_over = true;
        return n > 0 && !follower->is_over;
}

static void follower_go_on(Follower *follower) {
        (void) sd_event_source_set_enabled(follower->turn, SD_EVENT_ONESHOT);
}

static void follower_take_turn(Follower *follower) {
        if (!follower->is_over && follower_step(follower))
                follower_go_on(follower);
        if (follower->is_over)
                follower->on_end(follower, follower->userdata);
}

static int follower_on_turn(sd_event_source *source _unused_, void *userdata) {
        follower_take_turn(userdata);
        return 0;
}

static int follower_on_pipe(sd_event_source *source _unused_,
                            int fd _unused_,
                            uint32_t revents,
                            void *userdata) {
        Follower *follower = userdata;

        follower->is_full = false;
        if (revents & EPOLLERR)
                follower->is_over = true;
        follower_take_turn(follower);
        return 0;
}

void follower_wake(Follower *follower) {
        if (follower->is_full || !follower->ring)
                return;

        if (!follower->is_over &&
            log_ring_behind(follower->ring, follower->at.next) >= URGENT_BYTES)
                (void) follower_step(follower);
        follower_go_on(follower);
}

/* There is nobody left to ask for what the pipe has no room for: that many lines are lost. */
static int follower_append_lost(Follower *follower) {
        char line[LOG_FORMAT_LOST_BYTES_MAX], *grown;
        LogAuthor author = follower_author(follower);
        uint64_t next = log_ring_next(follower->ring);
        size_t n;

        if (next > follower->end)
                next = follower->end;
        if (next > follower->at.next)
                follower->at.n_lost += next - follower->at.next;
        if (follower->at.n_lost == 0)
                return 0;

        n = log_format_lost(line, follower->format, &author, follower->at.n_lost,
                            follower->at.is_at_line_start);
        grown = realloc(follower->rest, (follower->rest ? follower->n_rest : 0) + n);
        if (!grown)
                return -ENOMEM;

        if (!follower->rest)
                follower->n_rest = 0;
        memcpy(grown + follower->n_rest, line, n);
        follower->rest = grown;
        follower->n_rest += n;
        return 0;
}

void follower_leave(Follower *follower) {
        while (!follower->is_full && !follower->is_over && follower_step(follower))
                ;

        if (!follower->is_over && follower_append_lost(follower) < 0)
                follower->is_over = true;
        follower->ring = NULL;
        follower_go_on(follower);
}

int follower_new(Follower **ret,
                 sd_event *event,
                 int fd,
                 const FollowerSpec *spec,
                 follower_end_handler_t on_end,
                 void *userdata) {
        _cleanup_(follower_freep) Follower *follower = calloc(1, sizeof(*follower));
        int r;

        if (!follower) {
                safe_close(fd);
                return -ENOMEM;
        }

        follower->fd = fd;
        follower->ring = spec->ring;
        follower->query = spec->query;
        follower->format = spec->format;
        follower->end = spec->end;
        follower->on_end = on_end;
        follower->userdata = userdata;
        follower->at = (Cursor){
                .next = log_query_begin(&spec->query, spec->ring),
                .n_lost = log_query_lost(&spec->query, spec->ring),
                .is_at_line_start = true,
        };

        r = free_and_strdup(&follower->app, spec->author.app);
        if (r >= 0)
                r = free_and_strdup(&follower->sidecar, spec->author.sidecar);
        if (r >= 0)
                r = sd_event_add_defer(event, &follower->turn, follower_on_turn, follower);
        if (r >= 0)
                r = sd_event_add_io(event, &follower->pipe, fd, EPOLLOUT | EPOLLET,
                                    follower_on_pipe, follower);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(follower);
        return 0;
}

Follower *follower_free(Follower *follower) {
        if (!follower)
                return NULL;

        sd_event_source_disable_unref(follower->turn);
        sd_event_source_disable_unref(follower->pipe);
        safe_close(follower->fd);
        free(follower->rest);
        free(follower->sidecar);
        free(follower->app);
        free(follower);
        return NULL;
}
