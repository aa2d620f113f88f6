/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ReasonCodeWords
 *
 * What is said of each ReasonCode: the one table that the bus, sidecarctl and a test go by; that
 * test compares docs/guide.md and the interface with it.
 */

#include "model/status.h"

typedef struct ReasonCodeWords {
        const char *word;    /* on the bus */
        const char *meaning; /* as in docs/guide.md */
        const char *remedy;  /* what would change it; "" where nothing has to */
} ReasonCodeWords;

extern const ReasonCodeWords reason_codes[_REASON_CODE_MAX];
