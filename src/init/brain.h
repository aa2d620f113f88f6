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

#define BRAIN_FAULTS_SAFE 3 /* within the span: the next brains start nothing */
#define BRAIN_FAULTS_MAX 6  /* within the span: there is no next brain */
#define BRAIN_FAULTS_SPAN_MSEC 60000
#define BRAIN_DEATHS_UNREADY_MAX 10
#define BRAIN_RESTART_DELAY_MSEC 1000
#define BRAIN_EXIT_BUS_LOST 75

/* What is known of the brains so far; all zero at first. */
typedef struct BrainRecord {
        bool is_ready;                     /* the current one has said so */
        bool is_unwanted;                  /* ... is to be replaced, so its death is no fault */
        bool is_hungry;                    /* ... was killed by us, because it did not answer */
        bool was_ready;                    /* some one has been, in this keeper's life */
        bool safe;                         /* the next one is to start nothing */
        uint64_t faults[BRAIN_FAULTS_MAX]; /* when, in milliseconds, the oldest is next */
        unsigned n_faults;
        unsigned n_unready; /* deaths in a row before READY */
} BrainRecord;

typedef struct BrainDeath {
        int code; /* as in siginfo_t */
        int status;
        bool oom; /* the OOM killer was about in its life */
        uint64_t now_msec;
} BrainDeath;

typedef enum BrainVerdict {
        BRAIN_AGAIN,
        BRAIN_AGAIN_LATER,
        BRAIN_ALL_OVER, /* end what is left, exit 0 */
        BRAIN_GIVE_UP,  /* end what is left, exit 1 */
} BrainVerdict;

void brain_record_start(BrainRecord *record);
void brain_record_ready(BrainRecord *record);

/* What is on disk now is to take over: faults of what is running do not speak against that. */
void brain_record_upgrade(BrainRecord *record);

BrainVerdict brain_record_death(BrainRecord *record, const BrainDeath *death);

/* How many processes the OOM killer has killed, by the text of /proc/vmstat; 0: it does not say. */
uint64_t brain_parse_oom_kills(const char *vmstat);
uint64_t brain_count_oom_kills(void);

/* socket_fd becomes its WIRE_BRAIN_FD. It dies of SIGUSR2 with us, unless it handles that. */
int brain_start(char *const *argv, int socket_fd, pid_t *ret_pid);
