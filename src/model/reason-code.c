/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ReasonCodeWords
 *
 * A remedy goes on after "would help:", and is for whoever sits before the screen: it does not
 * assume that they wrote the program.
 */

#include "model/reason-code.h"

#define SEE_LOGS "remove the cause: \"sidecarctl logs\" has all that it wrote about it"

/* clang-format off */
const ReasonCodeWords reason_codes[_REASON_CODE_MAX] = {
        [REASON_NONE] = {
                "none",
                "nothing is wrong",
                "",
        },
        [REASON_REQUESTED] = {
                "requested",
                "somebody asked for it",
                "\"sidecarctl start\"",
        },
        [REASON_EXIT_CODE] = {
                "exit-code",
                "the program ended with an exit code that is no success, or before it was ready",
                SEE_LOGS,
        },
        [REASON_SIGNAL] = {
                "signal",
                "a signal that did not come from sidecard ended the program",
                "find out who sent it: a person, a program, or the kernel, if memory was short",
        },
        [REASON_CORE_DUMP] = {
                "core-dump",
                "the program crashed",
                "install it again, or another version of the program; \"coredumpctl info\" may show "
                "where it crashed",
        },
        [REASON_EXEC_FAILED] = {
                "exec-failed",
                "the program is there and cannot be executed",
                "do what the reason says",
        },
        [REASON_BINARY_MISSING] = {
                "binary-missing",
                "the program is at none of the places where it is looked for",
                "install the program at one of these places, or name another in \"command\"",
        },
        [REASON_START_TIMEOUT] = {
                "start-timeout",
                "it did not become ready in time",
                "make it answer where \"readiness\" asks, or give it more time with "
                "\"startTimeout\" (\"loadTimeout\" for what answers 503); \"sidecarctl logs\" has all "
                "that it wrote",
        },
        [REASON_UNHEALTHY] = {
                "unhealthy",
                "it no longer answers its health checks",
                "find out what keeps it from answering; \"sidecarctl logs\" has all that it wrote",
        },
        [REASON_DEPENDENCY] = {
                "dependency",
                "another sidecar that it depends on is not there yet, or has failed",
                "whatever helps the other one: \"sidecarctl why\" tells of that too",
        },
        [REASON_PORT_IN_USE] = {
                "port-in-use",
                "another program listens on its port",
                "end the program that has the port, or let the sidecar have another: \"port\": "
                "\"auto\" in the manifest, and {port} in its command",
        },
        [REASON_CRASH_LOOP] = {
                "crash-loop",
                "all attempts to restart it have been used up",
                "",
        },
        [REASON_MODE] = {
                "mode",
                "the mode of its app does not want it",
                "switch to a mode that wants it, with \"sidecarctl mode\"",
        },
        [REASON_OWNER_GONE] = {
                "owner-gone",
                "no app holds it any more",
                "open the app, or hold it with \"sidecarctl hold\"",
        },
        [REASON_SHUTDOWN] = {
                "shutdown",
                "the session or sidecard itself ends",
                "log in again",
        },
        [REASON_RESOURCES] = {
                "resources",
                "the machine lacks something for a start, such as memory or processes",
                "what the reason names: memory, processes, disk space, or a moment of patience",
        },
        [REASON_LOST] = {
                "lost",
                "it ended, and nobody saw how",
                "see what it wrote, with \"sidecarctl logs\"",
        },
        [REASON_WATCHDOG] = {
                "watchdog",
                "it did not feed its watchdog in time",
                "find out what it hangs on; \"sidecarctl logs\" has all that it wrote",
        },
        [REASON_DENIED] = {
                "denied",
                "a rule does not permit it",
                "a manifest that permits it",
        },
        [REASON_OOM] = {
                "oom",
                "the kernel killed it because memory ran out, or its limit was reached",
                "make it use less memory, raise its limit, or close other programs",
        },
};
/* clang-format on */

const char *reason_code_to_string(ReasonCode code) {
        return reason_codes[code].word;
}
