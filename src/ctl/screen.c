/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Screen
 *
 * What is no terminal has no width: nothing is cut on its way into a pipe or a file.
 */

#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <sys/ioctl.h>

#include "ctl/screen.h"
#include "ctl/text.h"
#include "util/strv.h"
#include "util/visible.h"

#define COLUMNS_DEFAULT 80
#define ROWS_DEFAULT 24

static const char *const escapes[_COLOR_MAX] = {
        [COLOR_NONE] = "\033[0m",   [COLOR_BOLD] = "\033[1m",    [COLOR_GRAY] = "\033[90m",
        [COLOR_GREEN] = "\033[32m", [COLOR_YELLOW] = "\033[33m", [COLOR_RED] = "\033[31m",
        [COLOR_CYAN] = "\033[36m",  [COLOR_BLUE] = "\033[34m",   [COLOR_MAGENTA] = "\033[35m",
};

static const char *const glyphs[_GLYPH_MAX][2] = {
        [GLYPH_DOT] = { "*", "●" },     [GLYPH_CIRCLE] = { "-", "○" },
        [GLYPH_CUT] = { ">", "…" },     [GLYPH_BRANCH] = { "|-", "├─" },
        [GLYPH_TRUNK] = { "| ", "│ " }, [GLYPH_LAST_BRANCH] = { "`-", "└─" },
};

static bool wants_colors(bool is_terminal, ColorWhen when) {
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

        if (when != COLOR_AUTO)
                return when == COLOR_ALWAYS;

        return is_terminal && !(no_color && *no_color) && !(term && streq(term, "dumb"));
}

void screen_init(Screen *screen, ColorWhen when) {
        struct winsize size = { 0 };

        screen->is_terminal = isatty(STDOUT_FILENO);
        screen->has_colors = wants_colors(screen->is_terminal, when);
        screen->n_columns = UINT_MAX;
        screen->n_rows = ROWS_DEFAULT;

        /* For wcwidth(3) and the glyphs; what is printed stays as it is. */
        (void) setlocale(LC_CTYPE, "");
        screen->is_utf8 = streq(nl_langinfo(CODESET), "UTF-8");

        if (!screen->is_terminal)
                return;
        (void) ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
        screen->n_columns = size.ws_col > 0 ? size.ws_col : COLUMNS_DEFAULT;
        if (size.ws_row > 0)
                screen->n_rows = size.ws_row;
}

const char *screen_color(const Screen *screen, Color color) {
        return screen->has_colors ? escapes[color] : "";
}

const char *screen_glyph(const Screen *screen, Glyph glyph) {
        return glyphs[glyph][screen->is_utf8];
}

Color color_of_status(const char *status) {
        static const struct {
                const char *status;
                Color color;
        } colors[] = {
                { "Running", COLOR_GREEN },
                { "Starting", COLOR_YELLOW },
                { "Failed", COLOR_RED },
        };

        for (size_t i = 0; i < ELEMENTSOF(colors); i++)
                if (streq(colors[i].status, status))
                        return colors[i].color;

        return COLOR_NONE;
}

char *screen_fit(const Screen *screen, const char *text, unsigned n_columns) {
        _cleanup_free_ char *visible = visible_make(text);

        if (!visible)
                return NULL;

        /* A tab moves to where nobody has measured; on a line that must fit it is a space. */
        if (screen->is_terminal)
                for (char *c = visible; *c; c++)
                        if (*c == '\t')
                                *c = ' ';

        if (screen->is_terminal &&
            text_cut(&visible, n_columns, screen_glyph(screen, GLYPH_CUT)) < 0)
                return NULL;

        return TAKE_PTR(visible);
}
