/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Strv
 *
 * Vectors here have tens of entries: each append reallocates by one, and look-ups walk.
 */

#include <stdio.h>
#include <string.h>

#include "util/strv.h"

char **strv_free(char **strv) {
        STRV_FOREACH (s, strv)
                free(*s);

        free(strv);
        return NULL;
}

size_t strv_length(char *const *strv) {
        size_t n = 0;

        STRV_FOREACH (s, strv)
                n++;

        return n;
}

bool strv_contains(char *const *strv, const char *text) {
        STRV_FOREACH (s, strv)
                if (streq(*s, text))
                        return true;

        return false;
}

int strv_consume(char ***strv, char *text) {
        size_t n = strv_length(*strv);
        char **grown;

        if (!text)
                return -ENOMEM;

        grown = reallocarray(*strv, n + 2, sizeof(char *));
        if (!grown) {
                free(text);
                return -ENOMEM;
        }

        grown[n] = text;
        grown[n + 1] = NULL;
        *strv = grown;
        return 0;
}

int strv_extend(char ***strv, const char *text) {
        return strv_consume(strv, strdup(text));
}

int strv_copy(char ***ret, char *const *strv) {
        _cleanup_(strv_freep) char **copy = NULL;

        STRV_FOREACH (text, strv) {
                int r = strv_extend(&copy, *text);

                if (r < 0)
                        return r;
        }

        strv_free(*ret);
        *ret = TAKE_PTR(copy);
        return 0;
}

bool strv_equal(char *const *a, char *const *b) {
        size_t n = strv_length(a);

        if (n != strv_length(b))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!streq(a[i], b[i]))
                        return false;

        return true;
}

int strv_split(char ***ret, const char *text, char separator) {
        _cleanup_(strv_freep) char **strv = NULL;
        const char stop[] = { separator, '\0' };
        int r;

        while (*text) {
                size_t n = strcspn(text, stop);

                if (n > 0) {
                        r = strv_consume(&strv, strndup(text, n));
                        if (r < 0)
                                return r;
                }
                text += n;
                text += *text == separator;
        }

        *ret = TAKE_PTR(strv);
        return 0;
}

static char **env_find(char *const *env, const char *name) {
        size_t n = strlen(name);

        STRV_FOREACH (s, env)
                if (strncmp(*s, name, n) == 0 && (*s)[n] == '=')
                        return (char **) s;

        return NULL;
}

const char *strv_env_get(char *const *env, const char *name) {
        char **entry = env_find(env, name);

        return entry ? *entry + strlen(name) + 1 : NULL;
}

int strv_env_set(char ***env, const char *name, const char *value) {
        char **entry = env_find(*env, name), *text;

        if (!value) {
                if (!entry)
                        return 0;
                free(*entry);
                do
                        entry[0] = entry[1];
                while (*entry++);
                return 0;
        }

        if (!entry)
                return strv_extendf(env, "%s=%s", name, value);
        if (asprintf(&text, "%s=%s", name, value) < 0)
                return -ENOMEM;

        free(*entry);
        *entry = text;
        return 0;
}

int free_and_strdup(char **target, const char *text) {
        char *copy = NULL;

        if (text) {
                copy = strdup(text);
                if (!copy)
                        return -ENOMEM;
        }

        free(*target);
        *target = copy;
        return 0;
}
