/* SPDX-License-Identifier: MIT-0 */

/*
 * envdump
 *
 * Prints what it was born with, a fact a line: arguments, environment, working directory,
 * descriptors, limit of open files, umask, signals, session, the furthest that limit goes,
 * niceness, score of the OOM killer. Ends with the line "end".
 */

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void print_descriptors(void) {
        DIR *dir = opendir("/proc/self/fd");
        struct dirent *entry;

        while (dir && (entry = readdir(dir)))
                if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
                        printf("fd %s\n", entry->d_name);
        if (dir)
                closedir(dir);
}

static void print_signals(void) {
        sigset_t blocked;
        int pdeathsig = 0;

        sigprocmask(SIG_SETMASK, NULL, &blocked);
        for (int number = 1; number < NSIG; number++) {
                struct sigaction action;

                if (sigismember(&blocked, number) == 1)
                        printf("blocked %d\n", number);
                if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
                        printf("ignored %d\n", number);
        }
        prctl(PR_GET_PDEATHSIG, &pdeathsig);
        printf("pdeathsig %d\n", pdeathsig);
}

static void print_oom_score_adj(void) {
        FILE *file = fopen("/proc/self/oom_score_adj", "r");
        int score = 0;

        if (file && fscanf(file, "%d", &score) == 1)
                printf("oom_score_adj %d\n", score);
        if (file)
                fclose(file);
}

int main(int argc, char **argv) {
        char directory[4096];
        struct rlimit nofile;
        mode_t mask = umask(0);

        for (int i = 0; i < argc; i++)
                printf("argument %s\n", argv[i]);
        for (char **variable = environ; *variable; variable++)
                printf("env %s\n", *variable);
        if (getcwd(directory, sizeof(directory)))
                printf("directory %s\n", directory);
        print_descriptors();
        getrlimit(RLIMIT_NOFILE, &nofile);
        printf("nofile %llu\n", (unsigned long long) nofile.rlim_cur);
        printf("umask %03o\n", (unsigned) mask);
        print_signals();
        printf("session %s\n", getsid(0) == getpid() ? "own" : "not own");
        printf("nofile at most %llu\n", (unsigned long long) nofile.rlim_max);
        printf("nice %d\n", getpriority(PRIO_PROCESS, 0));
        print_oom_score_adj();
        printf("end\n");
        return 0;
}
