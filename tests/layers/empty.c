/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Linking is the test. */
int main(void) {
        return 0;
}
