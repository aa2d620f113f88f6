/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Table
 *
 * Columns are apart by two spaces; the last one is never padded.
 */

#include <stdio.h>
#include <stdlib.h>

#include "ctl/table.h"
#include "ctl/text.h"
#include "util/macro.h"
#include "util/visible.h"

#define GAP 2u
#define COLUMN_WIDTH_MIN 4u

int table_add(Table *table, const char *text, Color color) {
        TableCell *grown = reallocarray(table->cells, table->n_cells + 1, sizeof(*table->cells));
        char *visible;

        if (!grown)
                return -ENOMEM;
        table->cells = grown;

        visible = visible_make(text);
        if (!visible)
                return -ENOMEM;

        grown[table->n_cells++] = (TableCell){ visible, color };
        return 0;
}

void table_done(Table *table) {
        for (size_t i = 0; i < table->n_cells; i++)
                free(table->cells[i].text);

        free(table->cells);
}

static unsigned total_width(const unsigned *widths, size_t n_columns) {
        unsigned total = (unsigned) (n_columns - 1) * GAP;

        for (size_t i = 0; i < n_columns; i++)
                total += widths[i];

        return total;
}

/* One column less of the widest, until all fits or nothing is left to give. */
static void shrink(unsigned *widths, size_t n_columns, unsigned n_available) {
        while (total_width(widths, n_columns) > n_available) {
                size_t widest = 0;

                for (size_t i = 1; i < n_columns; i++)
                        if (widths[i] > widths[widest])
                                widest = i;
                if (widths[widest] <= COLUMN_WIDTH_MIN)
                        return;
                widths[widest]--;
        }
}

static void print_cell(const TableCell *cell, unsigned width, bool is_last, const Screen *screen) {
        _cleanup_free_ char *text = screen_fit(screen, cell->text, width);

        if (!text)
                return;

        (void) printf("%s%s%s", cell->color == COLOR_NONE ? "" : screen_color(screen, cell->color),
                      text, cell->color == COLOR_NONE ? "" : screen_color(screen, COLOR_NONE));
        if (is_last)
                (void) putchar('\n');
        else
                (void) printf("%*s", (int) (width - text_width(text) + GAP), "");
}

void table_print(const Table *table, const Screen *screen) {
        unsigned widths[TABLE_COLUMNS_MAX] = { 0 };

        for (size_t i = 0; i < table->n_cells; i++) {
                unsigned width = text_width(table->cells[i].text);

                if (width > widths[i % table->n_columns])
                        widths[i % table->n_columns] = width;
        }

        shrink(widths, table->n_columns, screen->n_columns);
        for (size_t i = 0; i < table->n_cells; i++) {
                size_t column = i % table->n_columns;

                print_cell(&table->cells[i], widths[column], column + 1 == table->n_columns,
                           screen);
        }
}
