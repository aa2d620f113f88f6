/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Pipe nonce
 *
 * What log_ring_prepare() puts where the bytes of a read are to go, and what tells whoever comes
 * after a kill whether the read took place. It differs from what is in the pipe, and from every
 * other one.
 */

#include <stddef.h>
#include <stdint.h>

/* For a read of so many bytes, which are there. */
uint64_t pipe_nonce_make(int fd, size_t n_bytes);
