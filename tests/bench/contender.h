/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Contender
 *
 * A supervisor that is measured: Sidecard, or the floor, bare. Each has n children that come up
 * and wait, numbered from 0, and one of number n that exits at once; none is up at first. A new
 * one begins with nothing, so that no run has the advantage of the one before.
 *
 * What is timed begins right before a call of these, and ends with the stamp of a child.
 */

#include "tests/bench/session.h"
#include "tests/bench/stamps.h"

typedef struct Contender Contender;

typedef struct ContenderKind {
        void (*start)(Contender *contender, unsigned id);
        void (*stop)(Contender *contender, unsigned id);
        void (*start_all)(Contender *contender); /* but the one of number n */
        void (*stop_all)(Contender *contender);
        void (*stop_for_good)(Contender *contender); /* all by one order; then only comes end() */
        void (*end)(Contender *contender);           /* waits for its end, and frees it */
} ContenderKind;

struct Contender {
        const ContenderKind *kind;
        unsigned n;
        Stamps stamps;
        pid_t pids[2]; /* the supervisor's own: what its cost is the cost of */
        size_t n_pids;
};

Contender *bare_new(const Session *session, unsigned n);
/* pids: keeper, brain. */
Contender *sidecard_new(const Session *session, unsigned n);
