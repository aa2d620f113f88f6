/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Allocation
 *
 * A program that is tested from outside finds the number in the file that SIDECARD_FAIL_ALLOCATION
 * names. The file is gone once that allocation has failed: whoever waits knows then that it was
 * reached, and the next brain, which has the same environment, finds no number.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "allocation.h"

/* The linker's names for what was there before, and for what replaces it. */
void *__real_malloc(size_t n_bytes);
void *__real_calloc(size_t n, size_t n_bytes);
void *__real_realloc(void *memory, size_t n_bytes);
void *__real_reallocarray(void *memory, size_t n, size_t n_bytes);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n_bytes);
int __real_vasprintf(char **ret, const char *format, va_list args);
FILE *__real_open_memstream(char **text, size_t *n_bytes);

void *__wrap_malloc(size_t n_bytes);
void *__wrap_calloc(size_t n, size_t n_bytes);
void *__wrap_realloc(void *memory, size_t n_bytes);
void *__wrap_reallocarray(void *memory, size_t n, size_t n_bytes);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n_bytes);
int __wrap_vasprintf(char **ret, const char *format, va_list args)
        __attribute__((format(printf, 2, 0)));
int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));
FILE *__wrap_open_memstream(char **text, size_t *n_bytes);

static atomic_int n_left; /* until the one that fails, which is number 1 */
static const char *number_file;

void fail_allocation(unsigned number) {
        n_left = (int) number;
}

static void __attribute__((constructor)) read_number(void) {
        unsigned number;
        FILE *file;

        number_file = getenv("SIDECARD_FAIL_ALLOCATION");
        file = number_file ? fopen(number_file, "re") : NULL;
        if (!file)
                return;

        if (fscanf(file, "%u", &number) == 1)
                fail_allocation(number);
        (void) fclose(file);
}

static bool must_fail(void) {
        /* The second thread allocates too, so zero may be passed, but one is met once. */
        if (n_left <= 0 || atomic_fetch_sub(&n_left, 1) != 1)
                return false;

        if (number_file)
                (void) unlink(number_file);
        errno = ENOMEM;
        return true;
}

void *__wrap_malloc(size_t n_bytes) {
        return must_fail() ? NULL : __real_malloc(n_bytes);
}

void *__wrap_calloc(size_t n, size_t n_bytes) {
        return must_fail() ? NULL : __real_calloc(n, n_bytes);
}

void *__wrap_realloc(void *memory, size_t n_bytes) {
        return must_fail() ? NULL : __real_realloc(memory, n_bytes);
}

void *__wrap_reallocarray(void *memory, size_t n, size_t n_bytes) {
        return must_fail() ? NULL : __real_reallocarray(memory, n, n_bytes);
}

char *__wrap_strdup(const char *text) {
        return must_fail() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n_bytes) {
        return must_fail() ? NULL : __real_strndup(text, n_bytes);
}

/* As glibc does it *ret stays as it was, though asprintf(3) promises nothing. */
int __wrap_vasprintf(char **ret, const char *format, va_list args) {
        return must_fail() ? -1 : __real_vasprintf(ret, format, args);
}

int __wrap_asprintf(char **ret, const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = __wrap_vasprintf(ret, format, args);
        va_end(args);
        return r;
}

FILE *__wrap_open_memstream(char **text, size_t *n_bytes) {
        return must_fail() ? NULL : __real_open_memstream(text, n_bytes);
}
