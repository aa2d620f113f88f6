/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * URI
 *
 * RFC 3986: what is neither unreserved nor "/" is written as its bytes.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/uri.h"

#define SCHEME "file://"

static bool stands_for_itself(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               strchr("-._~/", c);
}

char *uri_of_path(const char *path) {
        static const char digits[] = "0123456789ABCDEF";
        char *uri = malloc(strlen(SCHEME) + strlen(path) * strlen("%00") + 1), *to;

        if (!uri)
                return NULL;

        to = stpcpy(uri, SCHEME);
        for (; *path; path++) {
                uint8_t byte = (uint8_t) *path;

                if (stands_for_itself(*path)) {
                        *to++ = *path;
                        continue;
                }
                *to++ = '%';
                *to++ = digits[byte >> 4];
                *to++ = digits[byte & 0xF];
        }

        *to = '\0';
        return uri;
}
