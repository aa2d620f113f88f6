/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sidecar, from within
 *
 * What core/sidecar*.c do for each other, each of which has one side of a sidecar. Nobody else
 * includes this, but for the secrets of a generation, which whoever prints its words has to know,
 * and for the time that was lost, which is of all sidecars.
 */

#include "core/app.h"
#include "core/program-search.h"
#include "core/sidecar.h"
#include "io/sockets.h"
#include "model/template.h"
#include "util/log.h"

/* For what is logged of it; message_id: NULL, or of core/message-ids.h. */
static inline LogSubject sidecar_subject(const Sidecar *sidecar, const char *message_id) {
        return (LogSubject){
                .app = sidecar->app->id,
                .name = sidecar->spec->name,
                .generation = sidecar->life.generation,
                .message_id = message_id,
        };
}

/*
 * Converges after no more than a timer or a probe, which mostly say that all is as it was: then
 * nobody is told, and what the others of its app are to each other is not looked at.
 */
void sidecar_go_on(Sidecar *sidecar);

/* Any number: for jitter. */
uint32_t sidecar_roll(void);

/* Makes ring, file and output (core/sidecar-output.c). */
int sidecar_open_logs(Sidecar *sidecar);

/* It has failed: with the program that is there now. */
void sidecar_note_program(Sidecar *sidecar);

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
 * Its lines from that number on, each once, go to the journal and to our own log, where they are to
 * (core/sidecar-journal.c).
 */
void sidecar_tell_lines(Sidecar *sidecar, uint64_t first);
/* The generation has ended: tells how many did not get into the journal. */
void sidecar_end_journal(Sidecar *sidecar);

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

/* A generation begins, and has not been asked anything yet (core/sidecar-probe.c). */
void sidecar_forget_health(Sidecar *sidecar);

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
/* Its main is known, and has the signal that waited for that. */
void sidecar_note_forked(Sidecar *sidecar);
/* It has ended, or is ended by other means: an answer is of no use any more. */
void sidecar_forget_stop(Sidecar *sidecar);

/* It was executed: notes which limits it has not got, and says so (core/sidecar-limits.c). */
void sidecar_note_limits(Sidecar *sidecar);

/* The secret of a generation (core/sidecar-token.c), if its manifest wants one. */
int sidecar_prepare_token(Sidecar *sidecar);
char *sidecar_token_path(const Sidecar *sidecar);
void sidecar_remove_token_file(const Sidecar *sidecar);

/*
 * The stdin of a generation (core/sidecar-stdin.c): where it is read, the caller's, and what the
 * keeper is to keep, borrowed; -1: /dev/null.
 */
int sidecar_open_stdin(Sidecar *sidecar, int *ret_read_fd, int *ret_kept_fd);
/* Takes the descriptor over that another brain had; -1: there is none. */
void sidecar_adopt_stdin(Sidecar *sidecar, int fd);
/* Its main process has ended, or never was. */
void sidecar_close_stdin(Sidecar *sidecar);

/*
 * The listening sockets that its generations are handed over (core/sidecar-socket.c), from the
 * first one on: in place of those it has; none closes them.
 */
int sidecar_keep_sockets(Sidecar *sidecar, const Sockets *sockets);
/* Takes those over that another brain had; -1: there are none. */
void sidecar_adopt_sockets(Sidecar *sidecar, int fd);
/* Closes them where no generation is there, nor one to come. */
void sidecar_settle_sockets(Sidecar *sidecar);
/* An environment, with what sd_listen_fds(3) reads but LISTEN_PID; a new vector. */
int sidecar_add_sockets(const Sidecar *sidecar, char *const *env, char ***ret);

/*
 * All that may stand nowhere but in its environment, its requests and the answer of GetEndpoint: of
 * the current or last generation. None is an empty vector or NULL.
 */
int sidecar_list_secrets(const Sidecar *sidecar, char ***ret);
/* A copy of text without them; NULL: it cannot be told, or there is none. */
char *sidecar_blank(const Sidecar *sidecar, const char *text);

/* What the holds pass on to the generation that begins (core/sidecar-passed.c). */
int sidecar_take_passed(Sidecar *sidecar);

/* Each filled in; *ret is empty where there are none. */
int sidecar_expand_all(char ***ret, char *const *templates, const TemplateValues *values);

/* The program of a probe, as it is to be run now (core/sidecar-exec-probe.c). All zero at first. */
typedef struct ProbeProgram {
        SpawnSpec spec; /* borrows from the others, and from the sidecar */
        ProgramSearch search;
        char **argv;
        char **env;
        char *working_directory;
        ProgramFault fault;
} ProbeProgram;

/* -ECANCELED: it cannot be run, and its fault says why. */
int probe_program_make(ProbeProgram *program,
                       const Sidecar *sidecar,
                       const ProbeSpec *spec,
                       const TemplateValues *values);
void probe_program_done(ProbeProgram *program);

/* What the generation was started with, for the programs of its probes. Takes env over. */
void sidecar_keep_environment(Sidecar *sidecar, char **env);

/*
 * A deadline of this supervisor has fired, or a probe went unanswered by then. Where that is far
 * too late, or the machine has slept, all that had to be in time begins anew (contract L2, D7), and
 * the answer is true (core/lost-time.c).
 */
bool supervisor_check_time(Supervisor *supervisor, uint64_t deadline, uint64_t interval_usec);
