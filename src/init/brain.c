/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Brain
 *
 * A fault of its own is a signal but SIGKILL (which is always somebody else's doing), or an exit
 * but 0 (all is over) and 75 (the bus cut us off).
 */

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "init/brain.h"
#include "init/spawn.h"
#include "init/wire.h"

#define EXIT_EXEC_FAILED 127

void brain_record_ready(BrainRecord *record) {
        record->is_ready = true;
        record->was_ready = true;
        record->n_unready = 0;
}

static bool is_own_fault(int code, int status) {
        if (code == CLD_EXITED)
                return status != EXIT_SUCCESS && status != BRAIN_EXIT_BUS_LOST;
        return status != SIGKILL;
}

/* Answers whether that makes too many in too short a time. */
static bool note_fault(BrainRecord *record, uint64_t now_msec) {
        unsigned oldest;

        record->faults[record->n_faults++ % BRAIN_FAULTS_MAX] = now_msec;
        oldest = record->n_faults % BRAIN_FAULTS_MAX;
        return record->n_faults >= BRAIN_FAULTS_MAX &&
               now_msec - record->faults[oldest] < BRAIN_FAULTS_SPAN_MSEC;
}

BrainVerdict brain_record_death(BrainRecord *record, int code, int status, uint64_t now_msec) {
        bool too_many = is_own_fault(code, status) && note_fault(record, now_msec);

        if (!record->is_ready)
                record->n_unready++;
        record->is_ready = false;

        if (record->terminating || (code == CLD_EXITED && status == EXIT_SUCCESS))
                return BRAIN_ALL_OVER;
        /* It does not even come up: whoever started us is to know. */
        if (!record->was_ready && code == CLD_EXITED)
                return BRAIN_GIVE_UP;
        if (too_many)
                return BRAIN_GIVE_UP;
        return record->n_unready >= BRAIN_DEATHS_UNREADY_MAX ? BRAIN_AGAIN_LATER : BRAIN_AGAIN;
}

static _Noreturn void run_brain(char *const *argv, int socket_fd, pid_t keeper) {
        (void) prctl(PR_SET_PDEATHSIG, SIGUSR2);
        if (getppid() != keeper)
                _exit(EXIT_EXEC_FAILED);

        /* A terminal's Ctrl-C is for the keeper, which then asks for an ordered end. */
        (void) setsid();
        /* dup2(2) of a descriptor onto itself would leave it close-on-exec. */
        if ((socket_fd == WIRE_BRAIN_FD ? fcntl(socket_fd, F_SETFD, 0)
                                        : dup2(socket_fd, WIRE_BRAIN_FD)) >= 0 &&
            close_range(WIRE_BRAIN_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC) >= 0 &&
            spawn_unblock_signals() >= 0)
                (void) execv(argv[0], argv);
        _exit(EXIT_EXEC_FAILED);
}

int brain_start(char *const *argv, int socket_fd, pid_t *ret_pid) {
        pid_t keeper = getpid(), pid = fork();

        if (pid < 0)
                return -errno;
        if (pid == 0)
                run_brain(argv, socket_fd, keeper);
        *ret_pid = pid;
        return 0;
}
