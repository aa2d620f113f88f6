/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Needed
 *
 * The library of needs-library.c.
 */

int needed(void);

int needed(void) {
        return 0;
}
