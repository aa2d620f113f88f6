/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Follower
 *
 * A reader of a ring at the other end of a pipe: a cursor, which goes on when there are new lines
 * and when the pipe has room again, and never slows who writes the ring. What was written over
 * before it could be read is counted, and told at the place where it is missing. Besides the pipe
 * it keeps the rest of one line, which the pipe took in part.
 */

#include <stdint.h>

#include <systemd/sd-event.h>

#include "model/log-format.h"
#include "model/log-query.h"
#include "util/macro.h"

typedef struct Follower Follower;

/*
 * Nothing more is to come: the reader has closed its end, or has been given all it asked for.
 * To be freed, which closes the pipe.
 */
typedef void (*follower_end_handler_t)(Follower *follower, void *userdata);

typedef struct FollowerSpec {
        const LogRing *ring; /* borrowed until follower_leave() */
        LogQuery query;
        LogFormat format;
        LogAuthor author; /* copied */
        uint64_t end;     /* no line of this number or a higher one; UINT64_MAX: for ever */
} FollowerSpec;

/* Takes fd over, also on failure: an end of a pipe to write to, O_NONBLOCK. */
int follower_new(Follower **ret,
                 sd_event *event,
                 int fd,
                 const FollowerSpec *spec,
                 follower_end_handler_t on_end,
                 void *userdata);
Follower *follower_free(Follower *follower);
DEFINE_CLEANUP(Follower, follower_free);

/* There are new lines. Calls no handler. */
void follower_wake(Follower *follower);

/*
 * The ring is about to go: what the pipe has room for is written, the rest is counted as lost, and
 * the end comes when the reader has taken that. Calls no handler.
 */
void follower_leave(Follower *follower);
