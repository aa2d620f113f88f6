/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ReadNonce
 *
 * Every brain begins at another number, and so no two reads have the same.
 */

#include <fcntl.h>
#include <stdbool.h>
#include <sys/random.h>
#include <unistd.h>

#include "io/read-nonce.h"

/*
 * The last byte of what is to be read, without reading it: a nonce of a few bytes could be the
 * same as what comes, but not if it ends otherwise. tee(2) leaves the pipe as it is.
 */
static bool pipe_peek_last(int fd, size_t n_bytes, char *ret) {
        static int copy[2] = { -1, -1 };
        char bytes[sizeof(uint64_t)];

        if (copy[0] < 0 && pipe2(copy, O_CLOEXEC | O_NONBLOCK) < 0)
                return false;
        if (tee(fd, copy[1], n_bytes, SPLICE_F_NONBLOCK) <= 0 ||
            read(copy[0], bytes, sizeof(bytes)) != (ssize_t) n_bytes)
                return false;

        *ret = bytes[n_bytes - 1];
        return true;
}

uint64_t read_nonce(int fd, size_t n_bytes) {
        static uint64_t nonce;
        char last, *bytes = (char *) &nonce;

        if (nonce == 0)
                (void) getrandom(&nonce, sizeof(nonce), GRND_NONBLOCK);
        nonce += UINT64_C(0x9e3779b97f4a7c15);

        if (n_bytes < sizeof(nonce) && pipe_peek_last(fd, n_bytes, &last))
                bytes[sizeof(nonce) - 1] = (char) ~last;

        return nonce;
}
