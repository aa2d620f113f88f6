/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keeper
 *
 * The process that must never die: parent of the brain and of every sidecar or its guardian. It
 * spawns what the brain orders, reaps, keeps what is to outlive a brain, and starts the next one.
 * It reads no file of a user, knows no policy, allocates nothing, and waits for nobody.
 */

#include "init/containment.h"
#include "init/spawn.h"

typedef struct KeeperSetup {
        const Session *session;
        Containment *containment; /* NULL: guardians contain */
        char *const *brain_argv;
        const char *notify_socket; /* of sd_notify(3); NULL: nobody asks */
} KeeperSetup;

/* Answers what the process is to exit with, once nothing is left that it started. */
int keeper_run(const KeeperSetup *setup);

/* One datagram as sd_notify(3) says; an address that is not understood is ignored. */
void notify_send(const char *address, const char *text);
/* What systemctl status shows. */
void notify_send_summary(const char *address, int n_running, int n_failed, bool is_safe_mode);

/* One line on standard error, in one write(2). */
void say(const char *format, ...) _printf_(1, 2);
