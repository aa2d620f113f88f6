/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Status
 *
 * The closed lists of words of contract section 2, once, for code, bus and tests alike.
 */

#include <errno.h>

typedef enum Status {
        STATUS_STOPPED,
        STATUS_STARTING,
        STATUS_RUNNING,
        STATUS_FAILED,
        _STATUS_MAX,
        _STATUS_INVALID = -EINVAL,
} Status;

typedef enum SubState {
        SUB_STATE_INACTIVE,  /* Stopped: never started since it was loaded */
        SUB_STATE_STOPPED,   /* Stopped: by someone, nothing of the tree is left */
        SUB_STATE_EXITED,    /* Stopped: ended by itself with success */
        SUB_STATE_WAITING,   /* Starting: for a dependency */
        SUB_STATE_SPAWNING,  /* Starting: until exec succeeded */
        SUB_STATE_PROBING,   /* Starting: runs, not ready yet */
        SUB_STATE_BACKOFF,   /* Starting: failed, starts again later */
        SUB_STATE_READY,     /* Running */
        SUB_STATE_UNHEALTHY, /* Running: liveness misses its probes */
        SUB_STATE_STOPPING,  /* Starting or Running: until the tree is empty */
        SUB_STATE_FAILED,    /* Failed */
        _SUB_STATE_MAX,
        _SUB_STATE_INVALID = -EINVAL,
} SubState;

/* Records have the numbers: what is new comes last. What is said of each: model/reason-code. */
typedef enum ReasonCode {
        REASON_NONE,
        REASON_REQUESTED,
        REASON_EXIT_CODE,
        REASON_SIGNAL,
        REASON_CORE_DUMP,
        REASON_EXEC_FAILED,
        REASON_BINARY_MISSING,
        REASON_START_TIMEOUT,
        REASON_UNHEALTHY,
        REASON_DEPENDENCY,
        REASON_PORT_IN_USE,
        REASON_CRASH_LOOP,
        REASON_MODE,
        REASON_OWNER_GONE,
        REASON_SHUTDOWN,
        REASON_RESOURCES,
        REASON_LOST,
        REASON_WATCHDOG,
        REASON_DENIED,
        REASON_OOM,
        _REASON_CODE_MAX,
        _REASON_CODE_INVALID = -EINVAL,
} ReasonCode;

/* The words as they are on the bus. */
const char *status_to_string(Status status);
Status status_from_string(const char *text);
const char *sub_state_to_string(SubState sub_state);
const char *reason_code_to_string(ReasonCode code);
