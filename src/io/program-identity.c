/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ProgramIdentity
 *
 * From stat(2), which follows links: what would be executed counts. ctime does not, since a hard
 * link or a backup changes it.
 */

#include <sys/stat.h>

#include "io/program-identity.h"

#define NSEC_PER_SEC UINT64_C(1000000000)

ProgramIdentity program_identify(const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                return (ProgramIdentity){ 0 };

        return (ProgramIdentity){
                .device = st.st_dev,
                .inode = st.st_ino,
                .mtime_nsec =
                        (uint64_t) st.st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t) st.st_mtim.tv_nsec,
                .size = (uint64_t) st.st_size,
                .mode = st.st_mode,
        };
}

bool program_identity_equal(const ProgramIdentity *a, const ProgramIdentity *b) {
        return a->device == b->device && a->inode == b->inode && a->mtime_nsec == b->mtime_nsec &&
               a->size == b->size && a->mode == b->mode;
}
