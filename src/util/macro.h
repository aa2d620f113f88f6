/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Macro
 *
 * The few words that every file uses: cleanup attributes, visible hand-overs, array sizes.
 * Header only, because the keeper may include it and links nothing of ours.
 */

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _unused_ __attribute__((unused))

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))

#define TAKE(var, empty)                          \
        __extension__({                           \
                __typeof__(var) *place_ = &(var); \
                __typeof__(var) taken_ = *place_; \
                *place_ = (empty);                \
                taken_;                           \
        })
#define TAKE_PTR(ptr) TAKE(ptr, NULL)
#define TAKE_FD(fd) TAKE(fd, -1)

/* Turns `T *t_free(T *)` into the `t_freep` that _cleanup_() wants. */
#define DEFINE_CLEANUP(type, fn)             \
        static inline void fn##p(type **p) { \
                fn(*p);                      \
        }                                    \
        struct cleanup_##fn##_wants_a_semicolon

static inline void freep(void *p) {
        free(*(void **) p);
}

/* Closes if open, keeps errno, and answers -1: `fd = safe_close(fd);` */
static inline int safe_close(int fd) {
        int saved = errno;

        if (fd >= 0)
                (void) close(fd);

        errno = saved;
        return -1;
}

static inline void closep(int *fd) {
        safe_close(*fd);
}

static inline void closedirp(DIR **dir) {
        if (*dir)
                (void) closedir(*dir);
}

static inline void fclosep(FILE **file) {
        if (*file)
                (void) fclose(*file);
}
