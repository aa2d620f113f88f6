/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Brain
 *
 * The keeper's view of the one process that decides: how it is started, and what each of its
 * deaths means (contract D2). The decision has no clock and no process in it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define BRAIN_FAULTS_MAX 6
#define BRAIN_FAULTS_SPAN_MSEC 60000
#define BRAIN_DEATHS_UNREADY_MAX 10
#define BRAIN_RESTART_DELAY_MSEC 1000
#define BRAIN_EXIT_BUS_LOST 75

/* What is known of the brains so far; all zero at first. */
typedef struct BrainRecord {
        bool is_ready;                     /* the current one has said so */
        bool was_ready;                    /* some one has, in this keeper's life */
        bool terminating;                  /* we were asked to end */
        uint64_t faults[BRAIN_FAULTS_MAX]; /* when, in milliseconds, the oldest is next */
        unsigned n_faults;
        unsigned n_unready; /* deaths in a row before READY */
} BrainRecord;

typedef enum BrainVerdict {
        BRAIN_AGAIN,
        BRAIN_AGAIN_LATER,
        BRAIN_ALL_OVER, /* end what is left, exit 0 */
        BRAIN_GIVE_UP,  /* end what is left, exit 1 */
} BrainVerdict;

void brain_record_ready(BrainRecord *record);

/* code and status as in siginfo_t; now in milliseconds, of a clock that never goes back. */
BrainVerdict brain_record_death(BrainRecord *record, int code, int status, uint64_t now_msec);

/* socket_fd becomes its WIRE_BRAIN_FD. It dies of SIGUSR2 with us, unless it handles that. */
int brain_start(char *const *argv, int socket_fd, pid_t *ret_pid);
