/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Findings
 *
 * Three columns: result, subject, text, and the remedy below the text.
 */

#include <limits.h>
#include <string.h>

#include "ctl/findings.h"
#include "ctl/json-writer.h"
#include "ctl/wrap.h"

#define RESULT_WIDTH 7
#define SUBJECT_WIDTH 12
#define TEXT_INDENT (RESULT_WIDTH + 2 + SUBJECT_WIDTH + 2)
#define TEXT_WIDTH_MIN 20u

static const struct {
        const char *word;
        Color color;
} levels[_FINDING_LEVEL_MAX] = {
        [FINDING_OK] = { "ok", COLOR_GREEN },
        [FINDING_WARNING] = { "warning", COLOR_YELLOW },
        [FINDING_PROBLEM] = { "problem", COLOR_RED },
};

void findings_done(Findings *findings) {
        for (size_t i = 0; i < findings->n_items; i++) {
                free(findings->items[i].text);
                free(findings->items[i].remedy);
        }

        free(findings->items);
}

void findings_add_text(Findings *findings, FindingLevel level, const char *subject, char *text) {
        Finding *grown = reallocarray(findings->items, findings->n_items + 1, sizeof(*grown));

        if (grown)
                findings->items = grown;
        if (!grown || !text) {
                findings->error = -ENOMEM;
                free(text);
                return;
        }

        grown[findings->n_items++] = (Finding){ level, subject, text, NULL };
}

void findings_advise_text(Findings *findings, char *text) {
        if (!text || findings->error < 0) {
                findings->error = -ENOMEM;
                free(text);
                return;
        }

        findings->items[findings->n_items - 1].remedy = text;
}

size_t findings_count(const Findings *findings, FindingLevel level) {
        size_t n = 0;

        for (size_t i = 0; i < findings->n_items; i++)
                n += findings->items[i].level == level;

        return n;
}

/* The cursor is where the text begins. */
static int print_text(const Screen *screen, const char *text) {
        _cleanup_free_ char *visible = screen_fit(screen, text, UINT_MAX);
        unsigned width = screen->n_columns;

        if (!visible)
                return -ENOMEM;
        /* Not up to the last column: some terminals begin a new line there. */
        if (screen->is_terminal)
                width = width > TEXT_INDENT + TEXT_WIDTH_MIN ? width - TEXT_INDENT - 1
                                                             : TEXT_WIDTH_MIN;

        for (const char *rest = visible; *rest;) {
                size_t n_bytes = wrap_line(rest, width);

                (void) printf("%*s%.*s\n", rest == visible ? 0 : TEXT_INDENT, "", (int) n_bytes,
                              rest);
                rest += n_bytes;
                rest += strspn(rest, " ");
        }
        return 0;
}

static int print_finding(const Finding *finding, const Screen *screen) {
        int r;

        (void) printf("%s%-*s%s  %-*s  ", screen_color(screen, levels[finding->level].color),
                      RESULT_WIDTH, levels[finding->level].word, screen_color(screen, COLOR_NONE),
                      SUBJECT_WIDTH, finding->subject);
        r = print_text(screen, finding->text);
        if (r < 0 || !finding->remedy)
                return r;

        (void) printf("%*s%s-> %s", TEXT_INDENT - 3, "", screen_color(screen, COLOR_BOLD),
                      screen_color(screen, COLOR_NONE));
        return print_text(screen, finding->remedy);
}

int findings_print(const Findings *findings, const Screen *screen) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < findings->n_items; i++)
                r = print_finding(&findings->items[i], screen);

        return r;
}

void findings_write(const Findings *findings, FILE *stream) {
        JsonWriter writer = { .stream = stream };

        json_open(&writer, '[');
        for (size_t i = 0; i < findings->n_items; i++) {
                const Finding *finding = &findings->items[i];

                json_open(&writer, '{');
                json_member(&writer, "result", levels[finding->level].word);
                json_member(&writer, "subject", finding->subject);
                json_member(&writer, "text", finding->text);
                if (finding->remedy)
                        json_member(&writer, "remedy", finding->remedy);
                json_close(&writer, '}');
        }
        json_close(&writer, ']');
        json_end(&writer);
}
