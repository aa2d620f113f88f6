/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Duration
 *
 * One table of units serves reading and writing, largest first, so that what is written is
 * read back as the same number.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "util/duration.h"
#include "util/macro.h"

#define DURATION_MAX (UINT64_C(100) * 366 * 24 * USEC_PER_HOUR)

static const struct {
        const char *suffix;
        uint64_t usec;
} units[] = {
        { "h", USEC_PER_HOUR },
        { "m", USEC_PER_MINUTE },
        { "s", USEC_PER_SEC },
        { "ms", USEC_PER_MSEC },
        { "us", 1 },
};

/* Letters up to the next digit make the unit. */
static uint64_t unit_parse(const char **text) {
        size_t n = strcspn(*text, "0123456789");

        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strlen(units[i].suffix) == n && strncmp(units[i].suffix, *text, n) == 0) {
                        *text += n;
                        return units[i].usec;
                }

        return 0;
}

int duration_parse(uint64_t *ret_usec, const char *text) {
        uint64_t total = 0;

        if (!*text)
                return -EINVAL;

        while (*text) {
                uint64_t number = 0, unit;

                if (*text < '0' || *text > '9')
                        return -EINVAL;

                for (; *text >= '0' && *text <= '9'; text++) {
                        number = number * 10 + (uint64_t) (*text - '0');
                        if (number > DURATION_MAX)
                                return -ERANGE;
                }

                unit = unit_parse(&text);
                if (unit == 0)
                        return -EINVAL;
                if (number > (DURATION_MAX - total) / unit)
                        return -ERANGE;

                total += number * unit;
        }

        *ret_usec = total;
        return 0;
}

char *duration_format(char buffer[static DURATION_TEXT_MAX], uint64_t usec) {
        size_t used = 0;

        if (usec == 0)
                return strcpy(buffer, "0s");
        if (usec > DURATION_MAX)
                return strcpy(buffer, "infinity");

        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                uint64_t number = usec / units[i].usec;

                if (number == 0)
                        continue;
                used += (size_t) snprintf(buffer + used, DURATION_TEXT_MAX - used, "%llu%s",
                                          (unsigned long long) number, units[i].suffix);
                usec %= units[i].usec;
        }

        return buffer;
}

char *duration_say(char buffer[static DURATION_TEXT_MAX], uint64_t usec) {
        static const struct {
                uint64_t below, unit;
                const char *word;
        } words[] = {
                { USEC_PER_MSEC, 1, "us" },
                { USEC_PER_SEC, USEC_PER_MSEC, "ms" },
                { 2 * USEC_PER_MINUTE, USEC_PER_SEC, "s" },
                { 2 * USEC_PER_HOUR, USEC_PER_MINUTE, "min" },
                { UINT64_MAX, USEC_PER_HOUR, "h" },
        };
        size_t i = 0;
        double value;

        while (i + 1 < ELEMENTSOF(words) && usec >= words[i].below)
                i++;

        /* A tenth matters below ten seconds and is noise above. */
        value = (double) usec / (double) words[i].unit;
        (void) snprintf(buffer, DURATION_TEXT_MAX,
                        value < 10 && words[i].unit >= USEC_PER_SEC ? "%.1f %s" : "%.0f %s", value,
                        words[i].word);
        return buffer;
}
