/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ReadNonce
 *
 * What stands at the end of a ring's space before a read(2) into it, so that a successor can tell
 * whether that read took place: see log_ring_prepare().
 */

#include <stddef.h>
#include <stdint.h>

/* For exactly n_bytes of this pipe, which it has: not what they will be there. */
uint64_t read_nonce(int pipe_fd, size_t n_bytes);
