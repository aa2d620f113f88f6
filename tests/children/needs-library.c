/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Needs library
 *
 * A program with one library of its own, which lies beside it: copied elsewhere it does not find
 * it, and ld.so(8) ends it with 127. With the library it ends with 0.
 */

int needed(void);

int main(void) {
        return needed();
}
