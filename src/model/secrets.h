/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Secrets
 *
 * Texts that nobody is to read in an output, such as a token, and their replacement by "***". All
 * of them are looked for at once, by the automaton of Aho and Corasick, so that what a hostile
 * program writes costs a few operations a byte, however many secrets there are and however much
 * they look alike.
 *
 * Only what stands there as it is: an encoded one (base64, percent signs, a repr with escapes) is
 * not recognised.
 */

#include <stdbool.h>
#include <stddef.h>

#include "util/macro.h"

#define SECRET_BYTES_MIN 4u             /* what is shorter stands in too many harmless places */
#define SECRETS_BYTES_MAX (16u * 1024u) /* of all together */

typedef struct Secrets Secrets;

/*
 * Each line of each text is one; texts may be NULL. -E2BIG: they are longer than
 * SECRETS_BYTES_MAX; then nothing of the output is to be told.
 */
int secrets_new(Secrets **ret, char *const *texts);
Secrets *secrets_free(Secrets *secrets);
DEFINE_CLEANUP(Secrets, secrets_free);

/*
 * In place; what remains is never longer. is_cut: the bytes were more, so that the beginning of a
 * secret at their end counts as one.
 */
int secrets_blank(const Secrets *secrets, char *bytes, size_t *n_bytes, bool is_cut);
