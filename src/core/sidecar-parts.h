/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sidecar, from within
 *
 * What core/sidecar*.c do for each other about readiness and health. Nobody else includes this,
 * but for the secrets of a generation, which whoever prints its words has to know.
 */

#include "core/sidecar.h"

/* Any number: for jitter. */
uint32_t sidecar_roll(void);

/* Makes ring, file and output (core/sidecar-output.c). */
int sidecar_open_logs(Sidecar *sidecar);

/* The notify socket of a generation (core/sidecar-notify.c). */
int sidecar_open_notify(Sidecar *sidecar);
/* Takes the descriptor over that another brain had; -1: there is none. */
void sidecar_adopt_notify(Sidecar *sidecar, int fd);
/* Its process is there, or was: whoever speaks can be told from a stranger. */
void sidecar_hear_notify(Sidecar *sidecar);
/* Its main process has ended: what it said last comes before that. */
void sidecar_drain_notify(Sidecar *sidecar);
/* The generation is over. */
void sidecar_close_notify(Sidecar *sidecar);

/*
 * Looks for the line by which it says that it is ready, from that number on
 * (core/sidecar-pattern.c).
 */
void sidecar_match_lines(Sidecar *sidecar, uint64_t first);

/*
 * Whose the listeners on a port of its own are (core/sidecar-owner.c). *ret_stranger is written
 * where one of them is a stranger's.
 */
PortOwner sidecar_find_port_owner(const Sidecar *sidecar, uint16_t port, PortHolder *ret_stranger);

/* What a probe asks, and until when. */
typedef struct Question {
        const ProbeSpec *spec;
        char *path;             /* the only one to ask; NULL: all of the spec, in turn */
        uint64_t deadline_usec; /* CLOCK_MONOTONIC */
} Question;

/* Fills in what is asked and starts it (core/sidecar-probe.c). *ret is the caller's. */
int sidecar_ask(const Sidecar *sidecar,
                const Question *question,
                probe_handler_t handler,
                void *userdata,
                Probe **ret);
uint16_t sidecar_probe_port(const Sidecar *sidecar, const ProbeSpec *spec);

/*
 * Does STEP_SIGNAL_MAIN (core/sidecar-stop.c): by a request, or by the signal. The second goes on
 * where another brain has asked, and had no answer yet.
 */
void sidecar_ask_to_stop(Sidecar *sidecar);
void sidecar_resume_stop(Sidecar *sidecar);
/* It has ended, or is ended by other means: an answer is of no use any more. */
void sidecar_forget_stop(Sidecar *sidecar);

/* It was executed: notes which limits it has not got, and says so (core/sidecar-limits.c). */
void sidecar_note_limits(Sidecar *sidecar);

/* The secret of a generation (core/sidecar-token.c), if its manifest wants one. */
int sidecar_prepare_token(Sidecar *sidecar);
char *sidecar_token_path(const Sidecar *sidecar);
void sidecar_remove_token_file(const Sidecar *sidecar);

/*
 * All that may stand nowhere but in its environment, its requests and the answer of GetEndpoint: of
 * the current or last generation. None is an empty vector or NULL.
 */
int sidecar_list_secrets(const Sidecar *sidecar, char ***ret);

/*
 * A deadline of this supervisor has fired, or a probe went unanswered by then. Where that is far
 * too late, or the machine has slept, all that had to be in time begins anew (contract L2, D7), and
 * the answer is true (core/lost-time.c).
 */
bool supervisor_check_time(Supervisor *supervisor, uint64_t deadline, uint64_t interval_usec);
