/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Contender: bare
 *
 * One connection for all of its life: its end is bare's end too.
 */

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/bench/contender.h"
#include "tests/bench/machine.h"

typedef struct Bare {
        Contender contender;
        int control_fd;
} Bare;

static void order(Contender *contender, const char *text) {
        const Bare *bare = (const Bare *) contender;
        char answer;

        if (send(bare->control_fd, text, strlen(text), MSG_NOSIGNAL) < 0 ||
            recv(bare->control_fd, &answer, 1, 0) != 1)
                fail("bare does not answer");
}

static void order_one(Contender *contender, char what, unsigned id) {
        char text[32];

        (void) snprintf(text, sizeof(text), "%c %u", what, id);
        order(contender, text);
}

static void start(Contender *contender, unsigned id) {
        order_one(contender, 'u', id);
}

static void stop(Contender *contender, unsigned id) {
        order_one(contender, 'd', id);
}

static void start_all(Contender *contender) {
        order(contender, "U");
}

static void stop_all(Contender *contender) {
        order(contender, "D");
}

static void end(Contender *contender) {
        Bare *bare = (Bare *) contender;

        (void) close(bare->control_fd);
        (void) waitpid(contender->pids[0], NULL, 0);
        stamps_close(&contender->stamps);
        free(bare);
}

Contender *bare_new(const Session *session, unsigned n) {
        static const ContenderKind kind = { start, stop, start_all, stop_all, stop_all, end };
        Bare *bare = calloc(1, sizeof(*bare));
        char count[16];
        int pair[2];

        if (!bare || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                fail("cannot make a socket");

        bare->contender.kind = &kind;
        bare->contender.n = n;
        bare->control_fd = pair[0];
        stamps_open(&bare->contender.stamps, session->folder, "bare");
        (void) snprintf(count, sizeof(count), "%u", n);
        bare->contender.pids[0] =
                session_run(session,
                            (const char *[]){ session->bare, session->stamp,
                                              bare->contender.stamps.path, count, NULL },
                            pair[1]);
        bare->contender.n_pids = 1;
        (void) close(pair[1]);
        return &bare->contender;
}
