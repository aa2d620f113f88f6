/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Input
 *
 * What a sidecar is fed with: the writing end of its stdin, and the pieces that wait for room in
 * it. A piece is written whole or not at all, by one write(2), so that a brain that is killed in
 * the midst of anything leaves no half of one. Pieces go in the order in which they came, and
 * nothing in here ever waits for a sidecar that does not read.
 */

#include <stdbool.h>
#include <stddef.h>

#include <systemd/sd-event.h>

#include "util/macro.h"

#define INPUT_BYTES_MAX (64u * 1024u)

typedef struct Input Input;
typedef struct InputPiece InputPiece;

/* 0: the pipe has taken it; -EPIPE: nobody reads any more; -ESRCH: the generation has ended. */
typedef void (*input_handler_t)(InputPiece *piece, int error);

/* Whoever writes has it, until its handler is called or input_cancel(). */
struct InputPiece {
        const void *bytes;
        size_t n_bytes;
        bool is_last; /* what comes behind it is the end */
        input_handler_t handler;
        InputPiece *next; /* Input's */
};

/* There was a last piece, or nobody reads any more: the pipe is closed, nobody was told yet. */
typedef void (*input_closed_handler_t)(void *userdata);

int input_new(Input **ret, sd_event *event, input_closed_handler_t on_closed, void *userdata);
Input *input_free(Input *input);
DEFINE_CLEANUP(Input, input_free);

/* Makes the pipe of a new generation. *ret: where it is read; the caller's. */
int input_open(Input *input, int *ret);

/* Takes the descriptor over that another brain had. */
void input_adopt(Input *input, int fd);

/* Where it is written; borrowed, -1: it is closed. */
int input_fd(const Input *input);

/*
 * Writes it now or later; the handler may be called before this returns. -EPIPE: it is closed;
 * -EMSGSIZE: longer than this pipe is. Then no handler is called.
 */
int input_write(Input *input, InputPiece *piece);

/* One that waits is written no more; no handler is called. */
void input_cancel(Input *input, const InputPiece *piece);

/* The generation has ended: with the pipe ends the waiting, for all. */
void input_close(Input *input);
