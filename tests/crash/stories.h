/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Stories
 *
 * Short lives of an app, each with an end that must be the same whether or not the brain has died
 * on the way. Told in the world "world", whose daemon runs from prepare() on.
 */

#include <stddef.h>

typedef struct Story {
        const char *name;
        const char *sidecars; /* with commas between them */
        void (*prepare)(void);
        void (*tell)(void);
        void (*check)(void); /* once the daemon has ended; or NULL */
} Story;

extern const Story stories[];
extern const size_t n_stories;
