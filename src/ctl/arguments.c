/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Arguments
 *
 * getopt_long(3) lets options and names mix, and stops at "--": what is behind it belongs to the
 * command that `hold` runs.
 */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "ctl/arguments.h"
#include "ctl/complain.h"
#include "ctl/text.h"
#include "ctl/verbs.h"
#include "util/clock.h"
#include "util/signal-name.h"
#include "util/strv.h"

enum {
        SHORTLESS = 0x100, /* of options that have no letter */
        LETTER_JSON,
        LETTER_COLOR,
        LETTER_NO_WAIT,
        LETTER_TIMEOUT,
        LETTER_SINCE,
        LETTER_STREAM,
        LETTER_GENERATION,
        LETTER_WHOM,
        LETTER_FOR,
        LETTER_DRY_RUN,
        LETTER_VERBOSE,
        LETTER_VERSION,
};

static const struct option long_options[] = {
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, LETTER_VERSION },
        { "color", optional_argument, NULL, LETTER_COLOR },
        { "json", no_argument, NULL, LETTER_JSON },
        { "no-wait", no_argument, NULL, LETTER_NO_WAIT },
        { "timeout", required_argument, NULL, LETTER_TIMEOUT },
        { "follow", no_argument, NULL, 'f' },
        { "lines", required_argument, NULL, 'n' },
        { "since", required_argument, NULL, LETTER_SINCE },
        { "stream", required_argument, NULL, LETTER_STREAM },
        { "generation", required_argument, NULL, LETTER_GENERATION },
        { "output", required_argument, NULL, 'o' },
        { "signal", required_argument, NULL, 's' },
        { "whom", required_argument, NULL, LETTER_WHOM },
        { "for", required_argument, NULL, LETTER_FOR },
        { "dry-run", no_argument, NULL, LETTER_DRY_RUN },
        { "verbose", no_argument, NULL, LETTER_VERBOSE },
        { NULL, 0, NULL, 0 },
};

/* Which of words (NULL behind the last) text is, or what it may be. */
static int parse_word(const char *option, const char *text, const char *const *words) {
        for (int i = 0; words[i]; i++)
                if (streq(words[i], text))
                        return i;

        (void) complain(EXIT_USAGE, "--%s must be %s%s%s%s%s, not \"%s\"", option, words[0],
                        words[2] ? ", " : " or ", words[1], words[2] ? " or " : "",
                        words[2] ? words[2] : "", text);
        return -EINVAL;
}

static int parse_timeout(Arguments *arguments, const char *text) {
        int r = duration_parse(&arguments->timeout_usec, text);

        if (r >= 0 && arguments->timeout_usec > 0)
                return 0;

        return complain(EXIT_USAGE,
                        "--timeout takes a time such as 30s, 500ms or 1m30s, not \"%s\"", text);
}

static int parse_lines(Arguments *arguments, const char *text) {
        unsigned long number;
        char *end;

        if (streq(text, "all")) {
                arguments->n_lines = UINT32_MAX;
                return 0;
        }

        errno = 0;
        number = strtoul(text, &end, 10);
        if (errno != 0 || end == text || *end || *text == '-' || number >= UINT32_MAX)
                return complain(EXIT_USAGE, "--lines takes a number or \"all\", not \"%s\"", text);

        arguments->n_lines = (uint32_t) number;
        return 0;
}

static int parse_generation(Arguments *arguments, const char *text) {
        char *end;

        errno = 0;
        arguments->generation = strtoull(text, &end, 10);
        if (errno == 0 && *end == '\0' && *text != '-' && arguments->generation > 0)
                return 0;

        return complain(EXIT_USAGE, "--generation takes a number such as status tells, not \"%s\"",
                        text);
}

static int parse_signal(Arguments *arguments, const char *text) {
        char name[32], *end;
        long number = strtol(text, &end, 10);

        if (*end) {
                (void) snprintf(name, sizeof(name), "%s%s", startswith(text, "SIG") ? "" : "SIG",
                                text);
                number = signal_from_name(name);
        }
        if (number <= 0 || number > SIGRTMAX)
                return complain(EXIT_USAGE,
                                "--signal takes a name or number such as TERM or 15, not \"%s\"",
                                text);

        arguments->signal = (int) number;
        return 0;
}

static int parse_color(const char *text, ColorWhen *ret) {
        static const char *const words[] = { "auto", "always", "never", NULL };
        int r;

        r = text ? parse_word("color", text, words) : (int) COLOR_ALWAYS;
        if (r < 0)
                return EXIT_USAGE;

        *ret = (ColorWhen) r;
        return 0;
}

/* One of three words, kept as it stands on the command line. */
static int parse_choice(const char **target, const char *option, const char *const *words) {
        if (parse_word(option, optarg, words) < 0)
                return EXIT_USAGE;

        *target = optarg;
        return 0;
}

static int parse_format(Arguments *arguments) {
        static const char *const words[] = { "short", "cat", "json", NULL };
        int r = parse_word("output", optarg, words);

        if (r < 0)
                return EXIT_USAGE;

        arguments->format = (LogFormat) r;
        return 0;
}

static int parse_since(Arguments *arguments) {
        if (text_parse_since(&arguments->since_usec, optarg) < 0)
                return complain(EXIT_USAGE,
                                "--since takes a time such as 10m (ago), \"2026-11-22 11:00\" or "
                                "11:00, not \"%s\"",
                                optarg);
        if (arguments->since_usec > clock_realtime_usec())
                return complain(
                        EXIT_USAGE,
                        "--since takes a time that has come, and %s has not (a time without "
                        "a date is of today)",
                        optarg);

        return 0;
}

/* Which bit an option is, and the flag that it sets where it has no value. */
static const struct {
        int letter;
        OptionBit bit;
        size_t flag; /* 0: it has a value; no flag stands at the front of Arguments */
} option_bits[] = {
        { LETTER_JSON, OPTION_JSON, offsetof(Arguments, json) },
        { LETTER_NO_WAIT, OPTION_NO_WAIT, offsetof(Arguments, no_wait) },
        { LETTER_DRY_RUN, OPTION_DRY_RUN, offsetof(Arguments, dry_run) },
        { LETTER_VERBOSE, OPTION_VERBOSE, offsetof(Arguments, verbose) },
        { 'f', OPTION_FOLLOW, offsetof(Arguments, follow) },
        { LETTER_TIMEOUT, OPTION_TIMEOUT, 0 },
        { 'n', OPTION_LINES, 0 },
        { LETTER_SINCE, OPTION_SINCE, 0 },
        { LETTER_STREAM, OPTION_STREAM, 0 },
        { LETTER_GENERATION, OPTION_GENERATION, 0 },
        { 'o', OPTION_OUTPUT, 0 },
        { 's', OPTION_SIGNAL, 0 },
        { LETTER_WHOM, OPTION_WHOM, 0 },
        { LETTER_FOR, OPTION_FOR, 0 },
};

static int parse_value(Arguments *arguments, int letter) {
        static const char *const streams[] = { "stdout", "stderr", "supervisor", NULL };
        static const char *const whoms[] = { "main", "all", NULL };
        static const char *const conditions[] = { "ready", "stopped", "settled", NULL };

        switch (letter) {

        case LETTER_TIMEOUT:
                return parse_timeout(arguments, optarg);

        case 'n':
                return parse_lines(arguments, optarg);

        case LETTER_SINCE:
                return parse_since(arguments);

        case LETTER_STREAM:
                return parse_choice(&arguments->stream, "stream", streams);

        case LETTER_GENERATION:
                return parse_generation(arguments, optarg);

        case 'o':
                return parse_format(arguments);

        case 's':
                return parse_signal(arguments, optarg);

        case LETTER_WHOM:
                return parse_choice(&arguments->whom, "whom", whoms);

        default:
                return parse_choice(&arguments->condition, "for", conditions);
        }
}

static int parse_option(Arguments *arguments, int letter) {
        for (size_t i = 0; i < ELEMENTSOF(option_bits); i++) {
                if (option_bits[i].letter != letter)
                        continue;

                arguments->given |= option_bits[i].bit;
                if (option_bits[i].flag == 0)
                        return parse_value(arguments, letter);

                *(bool *) ((char *) arguments + option_bits[i].flag) = true;
                return 0;
        }

        /* getopt_long(3) has said what is wrong. */
        (void) fputs("Try: sidecarctl --help\n", stderr);
        return EXIT_USAGE;
}

/* The name of some option that was given and that the verb does not take. */
static const char *foreign_option(const Arguments *arguments) {
        static const char *const names[] = { "json",  "no-wait", "timeout",    "follow", "lines",
                                             "since", "stream",  "output",     "signal", "whom",
                                             "for",   "dry-run", "generation", "verbose" };
        unsigned foreign = arguments->given & ~arguments->verb->options;

        return foreign == 0 ? NULL : names[__builtin_ctz(foreign)];
}

static int check_verb(const Arguments *arguments, const char *name) {
        const Verb *verb = arguments->verb;
        const char *foreign;

        if (!verb)
                return complain(EXIT_USAGE, "There is no verb \"%s\"; see sidecarctl --help", name);
        if (!verb->run)
                return complain(EXIT_USAGE, "%s is not supported yet by this version", verb->name);

        foreign = foreign_option(arguments);
        if (foreign)
                return complain(EXIT_USAGE, "%s takes no --%s: sidecarctl %s", verb->name, foreign,
                                verb->synopsis);
        if (arguments->n_names < verb->n_names_min)
                return complain(EXIT_USAGE,
                                "%s needs more: sidecarctl %s (sidecarctl list shows what there "
                                "is)",
                                verb->name, verb->synopsis);
        if (arguments->n_names > verb->n_names_max)
                return complain(EXIT_USAGE, "%s takes less: sidecarctl %s", verb->name,
                                verb->synopsis);

        return 0;
}

int arguments_parse(Arguments *ret, int argc, char *argv[], int *ret_status) {
        Arguments arguments = {
                .n_lines = UINT32_MAX, .signal = SIGTERM, .whom = "main", .condition = "ready"
        };
        ColorWhen color = COLOR_AUTO;
        const char *name = "list";
        int letter, r = 0;

        while (r == 0 && (letter = getopt_long(argc, argv, "hfn:o:s:", long_options, NULL)) >= 0)
                switch (letter) {

                case 'h':
                        *ret_status = verbs_print_help();
                        return 1;

                case LETTER_VERSION:
                        *ret_status = verb_version(&arguments);
                        return 1;

                case LETTER_COLOR:
                        r = parse_color(optarg, &color);
                        break;

                default:
                        r = parse_option(&arguments, letter);
                }

        if (r == 0) {
                if (optind < argc)
                        name = argv[optind++];
                arguments.verb = verbs_find(name);
                arguments.names = argv + optind;
                arguments.n_names = (size_t) (argc - optind);
                r = check_verb(&arguments, name);
        }
        if (r != 0) {
                *ret_status = r;
                return 1;
        }

        screen_init(&arguments.screen, color);
        *ret = arguments;
        return 0;
}
