/* SPDX-License-Identifier: MIT-0 */

/*
 * bootloader
 *
 * As PyInstaller's one-file programs are: the first process unpacks into a temporary directory,
 * forks the real program, forwards SIGTERM to it, waits, and removes the directory. Killed
 * instead, it leaves the directory behind, and an orphan.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile pid_t worker;

static void forward(int number) {
        kill(worker, number);
}

int main(void) {
        char directory[] = "/tmp/_MEIXXXXXX";
        sigset_t term;
        int status = 0;

        if (!mkdtemp(directory))
                return 1;
        /* A SIGTERM between the fork and the handler would leave the worker alone. */
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        sigprocmask(SIG_BLOCK, &term, NULL);
        worker = fork();
        if (worker == 0) {
                sigprocmask(SIG_UNBLOCK, &term, NULL);
                for (;;)
                        pause();
        }
        signal(SIGTERM, forward);
        sigprocmask(SIG_UNBLOCK, &term, NULL);

        printf("worker %d\n", (int) worker);
        printf("directory %s\n", directory);
        fflush(stdout);
        while (waitpid(worker, &status, 0) < 0)
                ;
        rmdir(directory);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
