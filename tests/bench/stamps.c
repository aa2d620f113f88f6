/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Stamps
 *
 * The descriptor's position is all there is to remember: whole stamps are written, so whole stamps
 * are read.
 */

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "tests/bench/machine.h"
#include "tests/bench/stamps.h"

#define PAUSE_NSEC 1000000
#define PATIENCE_NSEC (UINT64_C(20) * 1000000000)

void stamps_open(Stamps *ret, const char *folder, const char *name) {
        (void) snprintf(ret->path, sizeof(ret->path), "%s/stamps-%s", folder, name);
        ret->fd = open(ret->path, O_RDONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (ret->fd < 0)
                fail("cannot make %s", ret->path);
}

void stamps_close(Stamps *stamps) {
        stamps->fd = safe_close(stamps->fd);
}

static bool read_one(Stamps *stamps, Stamp *ret) {
        return read(stamps->fd, ret, sizeof(*ret)) == sizeof(*ret);
}

Stamp stamps_next(Stamps *stamps) {
        const struct timespec pause = { .tv_nsec = PAUSE_NSEC };
        uint64_t until = machine_now_nsec() + PATIENCE_NSEC;
        Stamp stamp;

        while (!read_one(stamps, &stamp)) {
                if (machine_now_nsec() > until)
                        fail("a child did not come up; see the log beside %s", stamps->path);
                (void) nanosleep(&pause, NULL);
        }

        return stamp;
}

Stamp stamps_next_of(Stamps *stamps, unsigned id) {
        Stamp stamp;

        do
                stamp = stamps_next(stamps);
        while (stamp.id != id);

        return stamp;
}

size_t stamps_skip(Stamps *stamps) {
        size_t n = 0;
        Stamp stamp;

        while (read_one(stamps, &stamp))
                n++;

        return n;
}
