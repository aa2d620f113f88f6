/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Table
 *
 * Rows under headings, aligned. On a terminal that is too narrow the widest columns are cut, each
 * no more than it must; elsewhere nothing is.
 */

#include <stddef.h>

#include "ctl/screen.h"

#define TABLE_COLUMNS_MAX 8

typedef struct TableCell {
        char *text; /* visible */
        Color color;
} TableCell;

typedef struct Table {
        size_t n_columns;
        TableCell *cells;
        size_t n_cells;
} Table;

/* Copies text. Every n_columns cells are a row; the first row is the headings. */
int table_add(Table *table, const char *text, Color color);

void table_print(const Table *table, const Screen *screen);
void table_done(Table *table);
