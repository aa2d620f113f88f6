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

static const char *const reason_codes[] = {
        [REASON_NONE] = "none",
        [REASON_REQUESTED] = "requested",
        [REASON_EXIT_CODE] = "exit-code",
        [REASON_SIGNAL] = "signal",
        [REASON_CORE_DUMP] = "core-dump",
        [REASON_EXEC_FAILED] = "exec-failed",
        [REASON_BINARY_MISSING] = "binary-missing",
        [REASON_START_TIMEOUT] = "start-timeout",
        [REASON_UNHEALTHY] = "unhealthy",
        [REASON_WATCHDOG] = "watchdog",
        [REASON_DEPENDENCY] = "dependency",
        [REASON_PORT_IN_USE] = "port-in-use",
        [REASON_CRASH_LOOP] = "crash-loop",
        [REASON_MODE] = "mode",
        [REASON_OWNER_GONE] = "owner-gone",
        [REASON_SHUTDOWN] = "shutdown",
        [REASON_RESOURCES] = "resources",
        [REASON_LOST] = "lost",
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

const char *reason_code_to_string(ReasonCode code) {
        return reason_codes[code];
}
