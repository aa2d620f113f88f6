/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Status
 *
 * One table a list; the words are the contract's.
 */

#include "model/status.h"
#include "util/strv.h"

static const char *const statuses[] = {
        [STATUS_STOPPED] = "Stopped",
        [STATUS_STARTING] = "Starting",
        [STATUS_RUNNING] = "Running",
        [STATUS_FAILED] = "Failed",
};

static const char *const sub_states[] = {
        [SUB_STATE_INACTIVE] = "inactive",   [SUB_STATE_STOPPED] = "stopped",
        [SUB_STATE_EXITED] = "exited",       [SUB_STATE_WAITING] = "waiting",
        [SUB_STATE_SPAWNING] = "spawning",   [SUB_STATE_PROBING] = "probing",
        [SUB_STATE_BACKOFF] = "backoff",     [SUB_STATE_READY] = "ready",
        [SUB_STATE_UNHEALTHY] = "unhealthy", [SUB_STATE_STOPPING] = "stopping",
        [SUB_STATE_FAILED] = "failed",
};

const char *status_to_string(Status status) {
        return statuses[status];
}

Status status_from_string(const char *text) {
        for (size_t i = 0; i < ELEMENTSOF(statuses); i++)
                if (streq(statuses[i], text))
                        return (Status) i;

        return _STATUS_INVALID;
}

const char *sub_state_to_string(SubState sub_state) {
        return sub_states[sub_state];
}
