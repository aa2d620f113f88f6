/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: its stdin
 *
 * Where the manifest says "pipe" each generation has a pipe of its own, whose writing end the
 * keeper has too: no death of a brain is an end of file. That it was closed for good is written
 * down before the keeper is told, since an order that waits for room dies with us.
 */

#include "core/records.h"
#include "core/sidecar-parts.h"
#include "core/supervisor.h"
#include "util/crashpoint.h"

static void on_closed(void *userdata) {
        Sidecar *s = userdata;

        s->stdin_closed_in = s->life.generation;
        record_sidecar(s);
        CRASHPOINT("stdin-close-recorded");
        tree_drop_stdin(s->tree);
        CRASHPOINT("stdin-dropped");
}

static int make_input(Sidecar *s) {
        return s->input ? 0 : input_new(&s->input, s->supervisor->event, on_closed, s);
}

int sidecar_open_stdin(Sidecar *s, int *ret_read_fd, int *ret_kept_fd) {
        int r;

        *ret_read_fd = *ret_kept_fd = -1;
        if (!s->running->stdin_is_pipe)
                return 0;

        r = make_input(s);
        if (r >= 0)
                r = input_open(s->input, ret_read_fd);
        if (r >= 0)
                *ret_kept_fd = input_fd(s->input);
        return r;
}

void sidecar_adopt_stdin(Sidecar *s, int fd) {
        bool is_closed = s->stdin_closed_in == s->life.generation;

        if (fd < 0)
                return;
        if (is_closed || s->life.process == PROCESS_GONE || make_input(s) < 0) {
                safe_close(fd);
                tree_drop_stdin(s->tree);
                return;
        }

        input_adopt(s->input, fd);
}

void sidecar_close_stdin(Sidecar *s) {
        if (s->input)
                input_close(s->input);
}

int sidecar_write_stdin(Sidecar *s, InputPiece *piece) {
        return s->input ? input_write(s->input, piece) : -EPIPE;
}

void sidecar_cancel_stdin(Sidecar *s, const InputPiece *piece) {
        if (s->input)
                input_cancel(s->input, piece);
}
