/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Screen
 *
 * Where standard output goes: whether that is a terminal, how large it is, and whether it is to
 * have colours.
 */

#include <stdbool.h>

typedef enum Color {
        COLOR_NONE,
        COLOR_BOLD,
        COLOR_GRAY,
        COLOR_GREEN,
        COLOR_YELLOW,
        COLOR_RED,
        COLOR_CYAN,
        COLOR_BLUE,
        COLOR_MAGENTA,
        _COLOR_MAX,
} Color;

typedef enum ColorWhen {
        COLOR_AUTO, /* on a terminal, unless NO_COLOR says no: https://no-color.org */
        COLOR_ALWAYS,
        COLOR_NEVER,
} ColorWhen;

typedef enum Glyph {
        GLYPH_DOT,    /* before what is up, or has failed */
        GLYPH_CIRCLE, /* before what is down */
        GLYPH_CUT,    /* where text was cut */
        GLYPH_BRANCH, /* of a tree */
        GLYPH_LAST_BRANCH,
        GLYPH_TRUNK,
        _GLYPH_MAX,
} Glyph;

typedef struct Screen {
        bool is_terminal;
        bool has_colors;
        bool is_utf8;
        unsigned n_columns; /* UINT_MAX: as many as are needed */
        unsigned n_rows;
} Screen;

void screen_init(Screen *screen, ColorWhen when);

/* Turns a colour on, or off again with COLOR_NONE. "" where there are none. */
const char *screen_color(const Screen *screen, Color color);

const char *screen_glyph(const Screen *screen, Glyph glyph);

/* The colour of a word of Status. */
Color color_of_status(const char *status);

/*
 * text as this screen may show it: visible, and on a terminal no wider than n_columns. A new
 * string, NULL for lack of memory.
 */
char *screen_fit(const Screen *screen, const char *text, unsigned n_columns);
