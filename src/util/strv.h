/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Strv
 *
 * NULL-terminated vectors of strings, as execve(2) and sd-bus take them. A NULL vector is an
 * empty one. A vector owns its strings.
 */

#include <stdbool.h>
#include <stddef.h>

#include "util/format.h"
#include "util/macro.h"

#define STRV_FOREACH(s, strv) for (char *const *(s) = (char *const *) (strv); (s) && *(s); (s)++)

char **strv_free(char **strv);
DEFINE_CLEANUP(char *, strv_free);

size_t strv_length(char *const *strv);
bool strv_contains(char *const *strv, const char *text);

/* Appends a copy of text, or takes the string over, which it frees on -ENOMEM too. */
int strv_extend(char ***strv, const char *text);
int strv_consume(char ***strv, char *text);
#define strv_extendf(strv, ...) strv_consume(strv, format_text(__VA_ARGS__))

/* *ret is freed first; a NULL vector stays one. */
int strv_copy(char ***ret, char *const *strv);
bool strv_equal(char *const *a, char *const *b);

/* Between two separators an empty piece is left out: PATH and XDG_DATA_DIRS are read so. */
int strv_split(char ***ret, const char *text, char separator);

/* The value of NAME in a vector of NAME=VALUE, borrowed; NULL where it is not. */
const char *strv_env_get(char *const *env, const char *name);

/* Replaces or appends NAME=VALUE; with a NULL value NAME is taken out. */
int strv_env_set(char ***env, const char *name, const char *value);

/* Also frees what *target held before; a NULL text leaves NULL. */
int free_and_strdup(char **target, const char *text);

static inline bool streq(const char *a, const char *b) {
        return __builtin_strcmp(a, b) == 0;
}

static inline bool startswith(const char *text, const char *prefix) {
        return __builtin_strncmp(text, prefix, __builtin_strlen(prefix)) == 0;
}
