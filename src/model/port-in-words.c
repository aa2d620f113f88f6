/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * PortInWords
 *
 * Programs say it in words of their own, but nearly all have the words of strerror(3), or the name
 * of the error, or say it of a port; and they write an address as [::1]:8001, as ('::1', 8001, 0,
 * 0) or as "port 8001".
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "model/port-in-words.h"
#include "util/macro.h"

bool words_say_port_in_use(const char *words) {
        const char *in_use = strcasestr(words, "in use");

        return strstr(words, "EADDRINUSE") ||
               (in_use && (strcasestr(words, "address") || strcasestr(words, "port")));
}

static bool stands_behind(const char *words, const char *at, const char *text) {
        size_t n = strlen(text);

        return (size_t) (at - words) >= n && strncasecmp(at - n, text, n) == 0;
}

/* The last one counts: what stands before it may be a time, or the rest of an address. */
uint16_t words_find_port(const char *words) {
        static const char *const heralds[] = { ":", ", ", "port ", "port=" };
        uint16_t port = 0;

        for (const char *at = words; *at;) {
                size_t n_digits = strspn(at, "0123456789");
                unsigned long number = n_digits <= 5 ? strtoul(at, NULL, 10) : 0;

                for (size_t i = 0; n_digits > 0 && i < ELEMENTSOF(heralds); i++)
                        if (number > 0 && number <= UINT16_MAX && at[n_digits] != '.' &&
                            stands_behind(words, at, heralds[i]))
                                port = (uint16_t) number;
                at += n_digits > 0 ? n_digits : 1;
        }

        return port;
}
