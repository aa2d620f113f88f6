/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Wrap
 *
 * Words are measured one by one, each once.
 */

#include <string.h>

#include "ctl/text.h"
#include "ctl/wrap.h"
#include "util/macro.h"

static unsigned word_width(const char *word, size_t n_bytes) {
        _cleanup_free_ char *copy = strndup(word, n_bytes);

        return copy ? text_width(copy) : (unsigned) n_bytes;
}

size_t wrap_line(const char *text, unsigned n_columns) {
        size_t n_spaces = strspn(text, " ");
        size_t taken = n_spaces + strcspn(text + n_spaces, " ");
        unsigned width = word_width(text, taken);

        while (text[taken]) {
                size_t n_word;

                n_spaces = strspn(text + taken, " ");
                n_word = strcspn(text + taken + n_spaces, " ");

                width += (unsigned) n_spaces + word_width(text + taken + n_spaces, n_word);
                if (n_word == 0 || width > n_columns)
                        break;
                taken += n_spaces + n_word;
        }

        return taken;
}
