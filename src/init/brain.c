/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Brain
 *
 * A fault of its own is a signal, or an exit but 0 (all is over) and 75 (the bus cut us off).
 * SIGKILL is somebody else's doing, unless we did it because it was hungry, or the OOM killer,
 * which nobody is told of but by the machine's counter: so any work of it in the brain's life is
 * taken for the brain's end.
 *
 * Stopping everything is the brain's work: if it dies over that, its successor goes on with it.
 */

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "init/brain.h"
#include "init/spawn.h"
#include "init/wire.h"
#include "util/macro.h"

#define EXIT_EXEC_FAILED 127
#define VMSTAT_MAX 8192 /* twice of what it is, and the line is in the midst */

void brain_record_start(BrainRecord *record) {
        record->is_ready = record->is_unwanted = record->is_hungry = false;
}

void brain_record_ready(BrainRecord *record) {
        record->is_ready = true;
        record->was_ready = true;
        record->n_unready = 0;
}

void brain_record_upgrade(BrainRecord *record) {
        record->is_unwanted = true;
        record->safe = false;
        record->n_faults = 0;
        record->n_unready = 0;
}

static bool is_own_fault(const BrainRecord *record, const BrainDeath *death) {
        if (record->is_unwanted)
                return false;
        if (death->code == CLD_EXITED)
                return death->status != EXIT_SUCCESS && death->status != BRAIN_EXIT_BUS_LOST;
        return death->status != SIGKILL || death->oom || record->is_hungry;
}

static void note_fault(BrainRecord *record, uint64_t now_msec) {
        record->faults[record->n_faults++ % BRAIN_FAULTS_MAX] = now_msec;
}

/* Were the last n all within the span? */
static bool are_too_many(const BrainRecord *record, unsigned n, uint64_t now_msec) {
        return record->n_faults >= n &&
               now_msec - record->faults[(record->n_faults - n) % BRAIN_FAULTS_MAX] <
                       BRAIN_FAULTS_SPAN_MSEC;
}

BrainVerdict brain_record_death(BrainRecord *record, const BrainDeath *death) {
        bool fault = is_own_fault(record, death);

        if (fault)
                note_fault(record, death->now_msec);
        if (!record->is_ready && !record->is_unwanted)
                record->n_unready++;

        if (death->code == CLD_EXITED && death->status == EXIT_SUCCESS)
                return BRAIN_ALL_OVER;
        /* It does not even come up: whoever started us is to know. */
        if (!record->was_ready && !record->is_unwanted && death->code == CLD_EXITED)
                return BRAIN_GIVE_UP;
        if (fault && are_too_many(record, BRAIN_FAULTS_MAX, death->now_msec))
                return BRAIN_GIVE_UP;
        if (fault && are_too_many(record, BRAIN_FAULTS_SAFE, death->now_msec))
                record->safe = true;
        return record->n_unready >= BRAIN_DEATHS_UNREADY_MAX ? BRAIN_AGAIN_LATER : BRAIN_AGAIN;
}

uint64_t brain_parse_oom_kills(const char *vmstat) {
        static const char key[] = "oom_kill ";
        const char *line = vmstat;

        while (line && strncmp(line, key, strlen(key)) != 0) {
                line = strchr(line, '\n');
                if (line)
                        line++;
        }
        return line ? strtoull(line + strlen(key), NULL, 10) : 0;
}

uint64_t brain_count_oom_kills(void) {
        _cleanup_close_ int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
        char text[VMSTAT_MAX];
        size_t used = 0;
        ssize_t n;

        /* The kernel gives at most a page of it at a time. */
        while (used < sizeof(text) - 1 && (n = read(fd, text + used, sizeof(text) - 1 - used)) > 0)
                used += (size_t) n;

        text[used] = '\0';
        return brain_parse_oom_kills(text);
}

static _Noreturn void run_brain(char *const *argv, int socket_fd, pid_t keeper) {
        /* Before it has a handler, the end of its socket has to tell it: it must not die of this.
         */
        (void) signal(SIGUSR2, SIG_IGN);
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
