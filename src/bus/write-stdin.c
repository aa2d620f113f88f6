/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * WriteStdin
 *
 * The bytes stay in the message that brought them, so what waits costs its own size: 256 calls of
 * 64 KiB at most. Generation 0 is the one that runs.
 */

#include "bus/error.h"
#include "bus/owner.h"
#include "bus/sidecar-object.h"
#include "bus/waiter.h"
#include "bus/write-stdin.h"
#include "util/strv.h"

#define CALLS_MAX 256

struct StdinCall {
        InputPiece piece; /* the first: Input knows only that */
        Server *server;
        Sidecar *sidecar;
        sd_bus_message *call;
        StdinCall *next;
};

static void stdin_call_free(StdinCall *call) {
        StdinCall **link = &call->server->stdin_calls;

        while (*link != call)
                link = &(*link)->next;
        *link = call->next;
        sd_bus_message_unref(call->call);
        free(call);
}

static int set_error(sd_bus_error *ret_error, const Sidecar *s, int error) {
        switch (error) {
        case -ESRCH:
                return sd_bus_error_setf(ret_error, ERROR_NOT_RUNNING,
                                         "That generation of %s does not run", sidecar_name(s));
        case -EPIPE:
                return sd_bus_error_setf(ret_error, ERROR_NOT_RUNNING,
                                         "The standard input of %s is closed", sidecar_name(s));
        case -EMSGSIZE:
                return sd_bus_error_setf(ret_error, ERROR_LIMITS_EXCEEDED,
                                         "The kernel gives this user no pipe that takes so much at"
                                         " once: write less");
        default:
                return sd_bus_error_set_errno(ret_error, error);
        }
}

static void on_written(InputPiece *piece, int error) {
        StdinCall *call = (StdinCall *) piece;
        _cleanup_(sd_bus_error_free) sd_bus_error reason = SD_BUS_ERROR_NULL;

        if (error < 0) {
                (void) set_error(&reason, call->sidecar, error);
                (void) sd_bus_reply_method_error(call->call, &reason);
        } else
                (void) sd_bus_reply_method_return(call->call, NULL);

        stdin_call_free(call);
}

static int check_room(const Server *server, const char *sender, sd_bus_error *ret_error) {
        size_t n = 0, n_of_sender = 0;

        for (const StdinCall *call = server->stdin_calls; call; call = call->next) {
                n++;
                n_of_sender += streq(sd_bus_message_get_sender(call->call), sender);
        }
        if (n_of_sender >= WAITERS_PER_SENDER_MAX)
                return sd_bus_error_setf(ret_error, ERROR_LIMITS_EXCEEDED,
                                         "%d calls of this connection wait already",
                                         WAITERS_PER_SENDER_MAX);
        if (n >= CALLS_MAX)
                return sd_bus_error_setf(ret_error, ERROR_LIMITS_EXCEEDED,
                                         "%d calls of WriteStdin wait already", CALLS_MAX);

        return 0;
}

static int check_sidecar(const Sidecar *s, uint64_t generation, sd_bus_error *ret_error) {
        ProcessFact process = s->life.process;

        if (process == PROCESS_NONE || process == PROCESS_GONE ||
            (generation != 0 && generation != s->life.generation))
                return set_error(ret_error, s, -ESRCH);
        if (!s->running->stdin_is_pipe)
                return sd_bus_error_setf(ret_error, ERROR_NOT_SUPPORTED,
                                         "The manifest of %s does not say \"stdin\": \"pipe\"",
                                         sidecar_name(s));

        return 0;
}

/* 1: the piece is written, or waits, and the call is answered by its handler. */
static int write_piece(Server *server, sd_bus_message *message, Sidecar *s, InputPiece piece) {
        const char *sender = sd_bus_message_get_sender(message);
        StdinCall *call = malloc(sizeof(*call));
        int r;

        if (!call)
                return -ENOMEM;

        piece.handler = on_written;
        *call = (StdinCall){
                .piece = piece,
                .server = server,
                .sidecar = s,
                .call = sd_bus_message_ref(message),
                .next = server->stdin_calls,
        };
        server->stdin_calls = call;
        r = sidecar_write_stdin(s, &call->piece);
        if (r < 0) {
                stdin_call_free(call);
                return r;
        }

        /* Who cannot be watched is waited for in vain until that generation ends, at worst. */
        if (stdin_calls_has_of(server, sender))
                (void) owner_watch(server, sender);
        return 1;
}

int method_write_stdin(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Sidecar *s = userdata;
        Server *server = ((SidecarObject *) s->userdata)->server;
        InputPiece piece = { 0 };
        uint64_t generation;
        int is_last, r;

        r = sd_bus_message_read(message, "t", &generation);
        if (r >= 0)
                r = sd_bus_message_read_array(message, 'y', &piece.bytes, &piece.n_bytes);
        if (r >= 0)
                r = sd_bus_message_read(message, "b", &is_last);
        if (r < 0)
                return r;
        if (piece.n_bytes > INPUT_BYTES_MAX)
                return sd_bus_error_setf(ret_error, ERROR_LIMITS_EXCEEDED,
                                         "%zu bytes are more than the %u of one call",
                                         piece.n_bytes, INPUT_BYTES_MAX);

        piece.is_last = is_last;
        r = check_sidecar(s, generation, ret_error);
        if (r >= 0)
                r = check_room(server, sd_bus_message_get_sender(message), ret_error);
        if (r < 0)
                return r;

        r = write_piece(server, message, s, piece);
        return r < 0 ? set_error(ret_error, s, r) : r;
}

bool stdin_calls_has_of(const Server *server, const char *sender) {
        for (const StdinCall *call = server->stdin_calls; call; call = call->next)
                if (streq(sd_bus_message_get_sender(call->call), sender))
                        return true;

        return false;
}

static void drop(StdinCall *call) {
        sidecar_cancel_stdin(call->sidecar, &call->piece);
        stdin_call_free(call);
}

void stdin_calls_drop_of(Server *server, const char *sender) {
        for (StdinCall *call = server->stdin_calls, *next; call; call = next) {
                next = call->next;
                if (streq(sd_bus_message_get_sender(call->call), sender))
                        drop(call);
        }
}

void stdin_calls_free(Server *server) {
        while (server->stdin_calls)
                drop(server->stdin_calls);
}
