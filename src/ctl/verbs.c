/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Verbs
 *
 * Verbs without a function are of the contract and come with a later version: they are told from a
 * mistyped one, but not offered.
 */

#include <stdio.h>

#include "config.h"
#include "ctl/json-writer.h"
#include "ctl/verbs.h"
#include "util/strv.h"

#define ANY_NUMBER SIZE_MAX
#define OPTIONS_WAIT (OPTION_JSON | OPTION_NO_WAIT | OPTION_TIMEOUT)
#define OPTIONS_LOGS                                                                 \
        (OPTION_JSON | OPTION_FOLLOW | OPTION_LINES | OPTION_SINCE | OPTION_STREAM | \
         OPTION_GENERATION | OPTION_OUTPUT)

/* clang-format off */

static const Verb verbs[] = {
        { "list", verb_list, OPTION_JSON, 0, 1,
          "list [APP]", "every sidecar and how it is; also the verb where none is given" },
        { "status", verb_status, OPTION_JSON, 0, ANY_NUMBER,
          "status [APP[/NAME]]...", "all there is to know: state, processes, endpoint, last lines" },
        { "why", verb_why, OPTION_JSON, 1, ANY_NUMBER,
          "why APP[/NAME]...", "why it is as it is, what happens next, and what would help" },
        { "start", verb_start, OPTIONS_WAIT, 1, ANY_NUMBER,
          "start APP[/NAME]...", "start, and wait until ready" },
        { "stop", verb_stop, OPTIONS_WAIT, 1, ANY_NUMBER,
          "stop APP[/NAME]...", "stop, and wait until nothing is left" },
        { "restart", verb_restart, OPTIONS_WAIT, 1, ANY_NUMBER,
          "restart APP[/NAME]...", "stop, start, and wait until ready" },
        { "kill", verb_kill, OPTION_JSON | OPTION_SIGNAL | OPTION_WHOM, 1, ANY_NUMBER,
          "kill [-s SIGNAL] [--whom=main|all] APP/NAME...", "send a signal (TERM) to its processes" },
        { "logs", verb_logs, OPTIONS_LOGS, 1, ANY_NUMBER,
          "logs [-f] [-n N] [--since=TIME] [--stream=STREAM] [--generation=N] [-o short|cat|json] APP[/NAME]...",
          "what sidecars have written" },
        { "events", verb_events, OPTION_JSON | OPTION_LINES | OPTION_NO_WAIT, 0, 1,
          "events [-n N] [--no-wait] [APP]", "what happened, and what happens from now on" },
        { "wait", verb_wait, OPTION_JSON | OPTION_TIMEOUT | OPTION_FOR, 1, ANY_NUMBER,
          "wait [--for=ready|stopped|settled] APP[/NAME]...", "wait until it is ready, stopped or settled" },
        { "mode", verb_mode, OPTIONS_WAIT | OPTION_DRY_RUN, 1, 2,
          "mode APP [MODE] [--dry-run]", "show the modes of an app, or switch to another" },
        { "hold", verb_hold, 0, 2, ANY_NUMBER,
          "hold APP[/NAME] -- COMMAND...", "keep an app's sidecars up while a command runs" },
        { "show", verb_show, OPTION_JSON, 1, ANY_NUMBER,
          "show APP[/NAME]...", "every property, as it is on the bus" },
        { "cat", verb_cat, OPTION_JSON, 1, ANY_NUMBER,
          "cat APP...", "the manifest of an app and the drop-ins over it" },
        { "run", verb_run, OPTION_TIMEOUT, 2, ANY_NUMBER,
          "run MANIFEST -- COMMAND...", "run a command with the sidecars of a manifest in your work tree" },
        { "top", verb_top, OPTION_JSON | OPTION_LINES, 0, ANY_NUMBER,
          "top [-n N] [APP[/NAME]]...", "what each uses of the processors and of memory; q ends it" },
        { "check", verb_check, OPTION_JSON | OPTION_VERBOSE, 1, ANY_NUMBER,
          "check [--verbose] FILE...", "tell what is wrong with manifests and drop-ins" },
        { "doctor", verb_doctor, OPTION_JSON, 0, 0,
          "doctor", "tell what is wrong here, and what to do about it" },
        { "daemon", verb_daemon, OPTION_JSON | OPTION_TIMEOUT, 1, 1,
          "daemon ping|upgrade",
          "start it if it is not there; let what is installed now take over, unnoticed" },
        { "version", verb_version, OPTION_JSON, 0, 0,
          "version", "tell the version" },
        { .name = "import" }, { .name = "export" },
};
/* clang-format on */

const Verb *verbs_find(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(verbs[i].name, name))
                        return &verbs[i];

        return NULL;
}

int verbs_print_help(void) {
        (void) puts("sidecarctl [OPTIONS] VERB [APP[/NAME]...]\n"
                    "\n"
                    "Talks to sidecard, which runs the background processes of desktop apps.\n"
                    "A NAME that only one app has will do for APP/NAME.\n");

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (verbs[i].run)
                        (void) printf("  %s\n        %s\n", verbs[i].synopsis, verbs[i].help);

        (void) puts(
                "\n"
                "  --json           print JSON, with the names that things have on the bus\n"
                "  --color[=WHEN]   auto (on a terminal, unless NO_COLOR is set), always, never\n"
                "  --no-wait        start, stop, restart, mode, events: do not wait\n"
                "  --timeout=TIME   wait no longer, such as 30s or 1m30s\n"
                "  --help, --version\n"
                "\n"
                "Exit status: 0; 1 failed; 2 usage; 3 not running; 4 no such app or sidecar;\n"
                "5 no daemon or bus; 124 timed out. See sidecarctl(1).");
        return 0;
}

int verb_version(const Arguments *arguments) {
        JsonWriter writer = { .stream = stdout };

        if (!arguments->json) {
                (void) puts("sidecarctl " SIDECARD_VERSION);
                return 0;
        }

        json_open(&writer, '{');
        json_member(&writer, "Version", SIDECARD_VERSION);
        json_close(&writer, '}');
        json_end(&writer);
        return 0;
}
