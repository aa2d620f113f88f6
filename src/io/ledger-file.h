/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LedgerFile
 *
 * The ledger in the memfd that the keeper holds. Records are appended with one write(2) each;
 * when what is superseded outweighs what is live it is written anew into another memfd, which
 * takes the place of the first only once it is whole.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/ledger.h"

typedef struct LedgerFile LedgerFile;

/*
 * Tells every record that is there, cuts what was torn, and is ready to append. fd is taken over
 * on success; -1: there is nobody to keep one (an old keeper), and nothing is ever written.
 * Errors as ledger_read().
 */
int ledger_file_open(LedgerFile **ret, int fd, ledger_record_handler_t handler, void *userdata);
LedgerFile *ledger_file_free(LedgerFile *ledger);
DEFINE_CLEANUP(LedgerFile, ledger_file_free);

/* It is whole when this returns 0. Negative errno (-EMSGSIZE: too long): none of it is read. */
int ledger_file_append(LedgerFile *ledger, uint32_t kind, const char *payload, size_t n_bytes);

/*
 * It has grown to more than the greater of 256 KiB and four times what was live when it was last
 * written anew. After opening nothing is known of that: 256 KiB.
 */
bool ledger_file_is_overgrown(const LedgerFile *ledger);

/*
 * Writes it anew: write_all() appends (to the ledger it is given) all that is live. Then keep() is
 * to have the keeper take the new descriptor, which is borrowed. Negative errno: all is as before.
 */
int ledger_file_rewrite(LedgerFile *ledger,
                        int (*write_all)(LedgerFile *fresh, void *userdata),
                        int (*keep)(int fd, void *userdata),
                        void *userdata);
