/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Ledger
 *
 * What the brain has decided, record by record, as bytes in a file that only grows. A brain may
 * be killed in the midst of writing one: each carries its length and a checksum, and what does
 * not add up at the end was never written (contract D2).
 *
 * Here is the form of it; io/ledger-file has the file.
 */

#include <stddef.h>
#include <stdint.h>

#include "model/record.h"

#define LEDGER_MAJOR 1 /* another one cannot be read */
#define LEDGER_RECORD_BYTES_MAX (1024u * 1024u)

/* The first bytes of every ledger. */
#define LEDGER_HEADER_BYTES 16u
void ledger_make_header(char ret[static LEDGER_HEADER_BYTES]);

/* What goes before the payload of each record, which has LEDGER_RECORD_BYTES_MAX at most. */
#define LEDGER_FRAME_BYTES 16u
void ledger_make_frame(char ret[static LEDGER_FRAME_BYTES],
                       uint32_t kind,
                       const char *payload,
                       size_t n_bytes);

/* Negative: that is the end of the reading. */
typedef int (*ledger_record_handler_t)(uint32_t kind,
                                       const char *payload,
                                       size_t n_bytes,
                                       void *userdata);

/*
 * Tells every whole record in order. *ret_valid: how many bytes are worth keeping; what follows is
 * a torn record, or its header was torn (0). -EPROTONOSUPPORT: another major version wrote it;
 * -EBADMSG: that is no ledger; else what the handler answered. No bytes at all are an empty ledger
 * (*ret_valid 0).
 */
int ledger_read(const char *bytes,
                size_t n_bytes,
                ledger_record_handler_t handler,
                void *userdata,
                size_t *ret_valid);
