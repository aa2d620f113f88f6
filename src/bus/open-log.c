/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * OpenLog
 *
 * All pipes are one list, as all waiters are: a new line looks at those of one sidecar.
 */

#include <fcntl.h>

#include "bus/error.h"
#include "bus/log-options.h"
#include "bus/open-log.h"
#include "bus/sidecar-object.h"
#include "io/follower.h"
#include "util/strv.h"

struct LogPipe {
        Server *server;
        const Sidecar *sidecar; /* NULL: it has gone */
        char *sender;           /* who opened it */
        Follower *follower;
        LogPipe *next;
};

static LogPipe *log_pipe_free(LogPipe *pipe) {
        if (!pipe)
                return NULL;

        follower_free(pipe->follower);
        free(pipe->sender);
        free(pipe);
        return NULL;
}

DEFINE_CLEANUP(LogPipe, log_pipe_free);

static void on_end(Follower *follower _unused_, void *userdata) {
        LogPipe *pipe = userdata;

        for (LogPipe **link = &pipe->server->log_pipes; *link; link = &(*link)->next)
                if (*link == pipe) {
                        *link = pipe->next;
                        break;
                }

        log_pipe_free(pipe);
}

void log_pipes_wake(Server *server, const Sidecar *sidecar) {
        for (LogPipe *pipe = server->log_pipes; pipe; pipe = pipe->next)
                if (pipe->sidecar == sidecar)
                        follower_wake(pipe->follower);
}

void log_pipes_dismiss(Server *server, const Sidecar *sidecar) {
        for (LogPipe *pipe = server->log_pipes; pipe; pipe = pipe->next)
                if (pipe->sidecar == sidecar) {
                        follower_leave(pipe->follower);
                        pipe->sidecar = NULL;
                }
}

/* What there is room for was written by those who read; nobody waits for the others. */
void log_pipes_free(Server *server) {
        while (server->log_pipes) {
                LogPipe *pipe = server->log_pipes;

                server->log_pipes = pipe->next;
                if (pipe->sidecar)
                        follower_leave(pipe->follower);
                log_pipe_free(pipe);
        }
}

static int check_limits(const Server *server, const char *sender, sd_bus_error *ret_error) {
        size_t n = 0, n_of_sender = 0;

        for (const LogPipe *pipe = server->log_pipes; pipe; pipe = pipe->next) {
                n++;
                n_of_sender += streq(pipe->sender, sender);
        }

        if (n_of_sender >= LOG_PIPES_PER_SENDER_MAX)
                return sd_bus_error_setf(ret_error, ERROR_LIMITS_EXCEEDED,
                                         "%u logs that this connection opened are open already",
                                         LOG_PIPES_PER_SENDER_MAX);
        if (n >= LOG_PIPES_MAX)
                return sd_bus_error_setf(ret_error, ERROR_LIMITS_EXCEEDED,
                                         "%u logs are open already", LOG_PIPES_MAX);

        return 0;
}

static int read_spec(sd_bus_message *call,
                     const Sidecar *sidecar,
                     FollowerSpec *ret,
                     sd_bus_error *ret_error) {
        const char *format = "raw";
        int follow = false, r;
        const Option options[] = {
                { "follow", "b", &follow, NULL },
                { "format", "s", &format, NULL },
        };
        FollowerSpec spec = {
                .ring = sidecar->ring,
                .author = { sidecar->spec->app_id, sidecar_name(sidecar) },
        };

        r = log_options_read(call, options, ELEMENTSOF(options), &spec.query, ret_error);
        if (r < 0)
                return r;

        spec.format = log_format_from_string(format);
        if (spec.format == _LOG_FORMAT_INVALID)
                return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Option format must be raw, short or json, not %s",
                                         format);

        spec.end = follow ? UINT64_MAX : log_ring_next(sidecar->ring);
        *ret = spec;
        return 0;
}

static int log_pipe_new(LogPipe **ret,
                        int *ret_read_fd,
                        Server *server,
                        const Sidecar *sidecar,
                        const char *sender,
                        const FollowerSpec *spec) {
        _cleanup_(log_pipe_freep) LogPipe *pipe = NULL;
        _cleanup_close_ int read_fd = -1, write_fd = -1;
        int r, ends[2];

        pipe = calloc(1, sizeof(*pipe));
        if (!pipe)
                return -ENOMEM;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        read_fd = ends[0];
        write_fd = ends[1];

        /* Only our end: a reader does not expect EAGAIN. */
        if (fcntl(write_fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;

        pipe->server = server;
        pipe->sidecar = sidecar;
        r = free_and_strdup(&pipe->sender, sender);
        if (r >= 0)
                r = follower_new(&pipe->follower, server->supervisor->event, TAKE_FD(write_fd),
                                 spec, on_end, pipe);
        if (r < 0)
                return r;

        *ret_read_fd = TAKE_FD(read_fd);
        *ret = TAKE_PTR(pipe);
        return 0;
}

int method_open_log(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        const Sidecar *sidecar = userdata;
        Server *server = ((SidecarObject *) sidecar->userdata)->server;
        const char *sender = sd_bus_message_get_sender(message);
        _cleanup_(log_pipe_freep) LogPipe *pipe = NULL;
        _cleanup_close_ int read_fd = -1;
        FollowerSpec spec;
        int r;

        r = read_spec(message, sidecar, &spec, ret_error);
        if (r >= 0)
                r = check_limits(server, sender, ret_error);
        if (r >= 0)
                r = log_pipe_new(&pipe, &read_fd, server, sidecar, sender, &spec);
        if (r >= 0)
                r = sd_bus_reply_method_return(message, "h", read_fd);
        if (r < 0)
                return r;

        pipe->next = server->log_pipes;
        server->log_pipes = TAKE_PTR(pipe);
        return 1;
}
