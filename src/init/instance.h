/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Instance
 *
 * Which supervisor this is: one a bus address of a user (contract D6). It has a folder below
 * XDG_RUNTIME_DIR, and in it a lock that is taken before anything else acts; whoever finds the
 * lock taken is second and leaves.
 */

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

#define INSTANCE_FOLDER_MAX 32

typedef struct Instance {
        char folder[INSTANCE_FOLDER_MAX]; /* "sidecard", or "sidecard-HASH" */
        char directory[PATH_MAX];         /* below XDG_RUNTIME_DIR */
        char mark[17];                    /* of the directory, for what is not below it */
} Instance;

/*
 * The folder's name for a session whose bus is at address (NULL: the one in runtime_directory).
 * Of several addresses the first counts, and of it what says where, not guid= and the like.
 */
void instance_folder(char ret[static INSTANCE_FOLDER_MAX],
                     const char *runtime_directory,
                     const char *address);

/*
 * 0: this process is the supervisor for as long as it lives; 1: *ret_holder is (0: it has not said
 * so yet). -ENOTDIR and -EPERM: the folder is not a directory, or not ours.
 */
int instance_open(Instance *ret,
                  const char *runtime_directory,
                  const char *address,
                  pid_t *ret_holder);
