/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * NotificationText
 *
 * The Desktop Notifications Specification knows a few tags, and the entities of XML, in the body
 * alone; a title is text. A server without "body-markup" shows either as it comes.
 */

#include <stdio.h>
#include <string.h>

#include "model/notification-text.h"
#include "util/format.h"
#include "util/strv.h"
#include "util/utf8.h"

#define NOT_AGAIN "It is not started again by itself."

/* Marks, embeddings, overrides and isolates of UAX #9, by which text is made to look another. */
static const char *const direction_changers[] = {
        "\xD8\x9C",     "\xE2\x80\x8E", "\xE2\x80\x8F", "\xE2\x80\xAA",
        "\xE2\x80\xAB", "\xE2\x80\xAC", "\xE2\x80\xAD", "\xE2\x80\xAE",
        "\xE2\x81\xA6", "\xE2\x81\xA7", "\xE2\x81\xA8", "\xE2\x81\xA9",
};

static size_t direction_changer_length(const char *text) {
        for (size_t i = 0; i < ELEMENTSOF(direction_changers); i++)
                if (startswith(text, direction_changers[i]))
                        return strlen(direction_changers[i]);

        return 0;
}

/* A new string of one line, of a kilobyte at most. */
static char *make_plain(const char *text) {
        char *plain = strdup(text), *to = plain;

        if (!plain)
                return NULL;

        for (const char *from = utf8_make_printable(plain); *from;) {
                size_t length = direction_changer_length(from);

                if (length == 0)
                        *to++ = *from++;
                else
                        from += length;
        }

        *to = '\0';
        return plain;
}

static const char *entity_of(char c) {
        switch (c) {

        case '&':
                return "&amp;";

        case '<':
                return "&lt;";

        case '>':
                return "&gt;";

        default:
                return NULL;
        }
}

static char *escape(const char *text) {
        char *escaped = malloc(strlen(text) * strlen("&amp;") + 1), *to = escaped;

        if (!escaped)
                return NULL;

        for (; *text; text++) {
                const char *entity = entity_of(*text);

                if (entity)
                        to = stpcpy(to, entity);
                else
                        *to++ = *text;
        }

        *to = '\0';
        return escaped;
}

/* As it is to stand in a body. */
static char *quote(const char *text, bool has_markup) {
        _cleanup_free_ char *plain = make_plain(text);

        if (!plain)
                return NULL;

        return has_markup ? escape(plain) : TAKE_PTR(plain);
}

char *notification_summary(const char *app, const char *sidecar) {
        _cleanup_free_ char *plain_app = make_plain(app), *plain = make_plain(sidecar);

        if (!plain_app || !plain)
                return NULL;

        return format_text("%s: %s has failed", plain_app, plain);
}

char *notification_summary_of_more(const char *app, size_t n_sidecars) {
        _cleanup_free_ char *plain = make_plain(app);

        if (!plain)
                return NULL;

        return n_sidecars == 1 ? format_text("%s: one more has failed", plain)
                               : format_text("%s: %zu more have failed", plain, n_sidecars);
}

char *notification_body(const char *reason, bool has_markup) {
        _cleanup_free_ char *quoted = quote(reason, has_markup);

        if (!quoted)
                return NULL;

        return format_text("%s%s" NOT_AGAIN, quoted, *quoted != '\0' ? "\n" : "");
}

char *notification_body_of_more(char *const *sidecars, bool has_markup) {
        _cleanup_free_ char *list = NULL;

        STRV_FOREACH (sidecar, sidecars) {
                char *longer;

                if (asprintf(&longer, "%s%s%s", list ? list : "", list ? ", " : "", *sidecar) < 0)
                        return NULL;
                free(list);
                list = longer;
        }

        return list ? quote(list, has_markup) : strdup("");
}
