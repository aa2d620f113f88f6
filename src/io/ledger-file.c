/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LedgerFile
 *
 * Where the ledger ends is known and not asked of the descriptor, which others hold too: every
 * append goes to that place by one pwritev(2). It never blocks, since a memfd is memory; but that
 * may be short (ENOSPC, ENOMEM), and RLIMIT_FSIZE counts too, with which pwritev(2) writes less.
 */

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "io/ledger-file.h"

#define OVERGROWN_BYTES_MIN (256u * 1024u)
#define OVERGROWN_FACTOR 4u

struct LedgerFile {
        int fd; /* -1: nobody keeps one */
        size_t n_bytes;
        size_t n_live; /* as it was last written anew; 0: not known, an earlier brain wrote it */
};

static int ledger_new(LedgerFile **ret) {
        LedgerFile *ledger = calloc(1, sizeof(*ledger));

        if (!ledger)
                return -ENOMEM;

        ledger->fd = -1;
        *ret = ledger;
        return 0;
}

LedgerFile *ledger_file_free(LedgerFile *ledger) {
        if (!ledger)
                return NULL;

        safe_close(ledger->fd);
        free(ledger);
        return NULL;
}

/* Appends all of it, or nothing. */
static int write_pieces(int fd, size_t *end, const struct iovec *pieces, int n_pieces) {
        size_t n_bytes = 0;
        ssize_t n;
        int r;

        for (int i = 0; i < n_pieces; i++)
                n_bytes += pieces[i].iov_len;

        n = pwritev(fd, pieces, n_pieces, (off_t) *end);
        if (n >= 0 && (size_t) n == n_bytes) {
                *end += n_bytes;
                return 0;
        }

        r = n < 0 ? -errno : -ENOSPC;
        /* Should that fail, what is left is no whole record, and the next one overwrites it. */
        (void) !ftruncate(fd, (off_t) *end);
        return r;
}

static int write_header(int fd, size_t *end) {
        char header[LEDGER_HEADER_BYTES];
        const struct iovec piece = { header, sizeof(header) };

        ledger_make_header(header);
        return write_pieces(fd, end, &piece, 1);
}

/* By pread(2), since to touch a mapping while memory is short is SIGBUS rather than an errno. */
static int read_all(int fd, char **ret, size_t *ret_n_bytes) {
        _cleanup_free_ char *bytes = NULL;
        size_t n_bytes = 0;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        bytes = malloc((size_t) st.st_size + 1);
        if (!bytes)
                return -ENOMEM;

        while (n_bytes < (size_t) st.st_size) {
                ssize_t n =
                        pread(fd, bytes + n_bytes, (size_t) st.st_size - n_bytes, (off_t) n_bytes);

                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                n_bytes += (size_t) n;
        }

        *ret = TAKE_PTR(bytes);
        *ret_n_bytes = n_bytes;
        return 0;
}

static int ledger_load(int fd, ledger_record_handler_t handler, void *userdata, size_t *ret_end) {
        _cleanup_free_ char *bytes = NULL;
        size_t n_bytes = 0, end = 0;
        int r;

        r = read_all(fd, &bytes, &n_bytes);
        if (r < 0)
                return r;
        r = ledger_read(bytes, n_bytes, handler, userdata, &end);
        if (r < 0)
                return r;

        if (end < n_bytes && ftruncate(fd, (off_t) end) < 0)
                return -errno;
        if (end == 0) {
                r = write_header(fd, &end);
                if (r < 0)
                        return r;
        }

        *ret_end = end;
        return 0;
}

int ledger_file_open(LedgerFile **ret, int fd, ledger_record_handler_t handler, void *userdata) {
        _cleanup_(ledger_file_freep) LedgerFile *ledger = NULL;
        int r;

        r = ledger_new(&ledger);
        if (r < 0)
                return r;
        if (fd >= 0) {
                r = ledger_load(fd, handler, userdata, &ledger->n_bytes);
                if (r < 0)
                        return r;
                ledger->fd = fd;
        }

        *ret = TAKE_PTR(ledger);
        return 0;
}

int ledger_file_append(LedgerFile *ledger, uint32_t kind, const char *payload, size_t n_bytes) {
        char frame[LEDGER_FRAME_BYTES];
        /* pwritev(2) only reads them. */
        const struct iovec pieces[] = {
                { frame, sizeof(frame) },
                { (char *) (uintptr_t) payload, n_bytes },
        };

        if (n_bytes > LEDGER_RECORD_BYTES_MAX)
                return -EMSGSIZE;
        if (ledger->fd < 0)
                return 0;

        ledger_make_frame(frame, kind, payload, n_bytes);
        return write_pieces(ledger->fd, &ledger->n_bytes, pieces, ELEMENTSOF(pieces));
}

bool ledger_file_is_overgrown(const LedgerFile *ledger) {
        size_t limit = ledger->n_live * OVERGROWN_FACTOR;

        return ledger->n_bytes > (limit > OVERGROWN_BYTES_MIN ? limit : OVERGROWN_BYTES_MIN);
}

int ledger_file_rewrite(LedgerFile *ledger,
                        int (*write_all)(LedgerFile *fresh, void *userdata),
                        int (*keep)(int fd, void *userdata),
                        void *userdata) {
        _cleanup_(ledger_file_freep) LedgerFile *fresh = NULL;
        int r;

        if (ledger->fd < 0)
                return 0;

        r = ledger_new(&fresh);
        if (r < 0)
                return r;
        fresh->fd = memfd_create("sidecard-ledger", MFD_CLOEXEC);
        if (fresh->fd < 0)
                return -errno;
        r = write_header(fresh->fd, &fresh->n_bytes);
        if (r < 0)
                return r;
        r = write_all(fresh, userdata);
        if (r < 0)
                return r;
        r = keep(fresh->fd, userdata);
        if (r < 0)
                return r;

        safe_close(ledger->fd);
        ledger->fd = TAKE_FD(fresh->fd);
        ledger->n_bytes = ledger->n_live = fresh->n_bytes;
        return 0;
}
