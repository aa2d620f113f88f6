/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Arguments
 *
 * What stands on the command line, checked: the verb, its names, and the options, of which each
 * verb takes its own and refuses the others.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/screen.h"

typedef struct Arguments Arguments;

typedef enum LogFormat {
        LOG_FORMAT_SHORT,
        LOG_FORMAT_CAT,
        LOG_FORMAT_JSON,
} LogFormat;

/* Options as bits, so that a verb can say which ones it takes. */
typedef enum OptionBit {
        OPTION_JSON = 1 << 0,
        OPTION_NO_WAIT = 1 << 1,
        OPTION_TIMEOUT = 1 << 2,
        OPTION_FOLLOW = 1 << 3,
        OPTION_LINES = 1 << 4,
        OPTION_SINCE = 1 << 5,
        OPTION_STREAM = 1 << 6,
        OPTION_OUTPUT = 1 << 7,
        OPTION_SIGNAL = 1 << 8,
        OPTION_WHOM = 1 << 9,
        OPTION_FOR = 1 << 10,
        OPTION_DRY_RUN = 1 << 11,
        OPTION_GENERATION = 1 << 12,
        OPTION_VERBOSE = 1 << 13,
} OptionBit;

typedef struct Verb {
        const char *name;
        int (*run)(const Arguments *arguments); /* see complain.h; NULL: a later version has it */
        unsigned options;                       /* of OptionBit */
        size_t n_names_min, n_names_max;
        const char *synopsis;
        const char *help;
} Verb;

struct Arguments {
        const Verb *verb;
        char **names; /* borrowed from argv, behind the verb; NULL-terminated */
        size_t n_names;
        Screen screen;

        unsigned given; /* of OptionBit */
        bool json;
        bool no_wait;
        bool follow;
        bool dry_run;
        bool verbose;
        uint64_t timeout_usec; /* 0: none */
        uint32_t n_lines;      /* UINT32_MAX: all */
        uint64_t since_usec;   /* realtime; 0: from the beginning */
        const char *stream;    /* NULL: all */
        uint64_t generation;   /* 0: all */
        LogFormat format;
        int signal;
        const char *whom;
        const char *condition;
};

/* Positive: all is said, exit with *ret_status. */
int arguments_parse(Arguments *ret, int argc, char *argv[], int *ret_status);
