/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sidecar
 *
 * One sidecar, alive: its facts (model/lifecycle) and the parts that act on them, which do not
 * know each other and meet here: the process tree, the output, the probe. Every event changes a
 * fact and then calls the one sidecar_converge(), which asks for the next step and does it until
 * there is nothing left but to wait.
 *
 * Others read the struct; only core/sidecar*.c write it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "io/input.h"
#include "io/listeners.h"
#include "io/log-file.h"
#include "io/notify-socket.h"
#include "io/output.h"
#include "io/probe.h"
#include "io/program-identity.h"
#include "io/tree.h"
#include "model/lifecycle.h"
#include "model/log-pattern.h"
#include "model/log-ring.h"
#include "model/secrets.h"
#include "model/time-guard.h"

typedef struct App App;
typedef struct Sidecar Sidecar;
typedef struct Supervisor Supervisor;

/* What a failure leaves behind besides its Cause: the "facts" of contract section 2. */
typedef struct Evidence {
        char *detail;     /* for the sentence; or NULL */
        char *last_words; /* the line of its output that says why; or NULL */
        char **tried;     /* binary-missing: every place */
        uint16_t port;    /* port-in-use; 0: does not apply */
        pid_t holder_pid;
        char *holder;
} Evidence;

void evidence_clear(Evidence *evidence);
/* into is empty. Negative errno: some of it is there. */
int evidence_copy(Evidence *into, const Evidence *from);
/* Notes who has that port, and says so in a clause, a new string. */
char *evidence_note_holder(Evidence *evidence, uint16_t port, const PortHolder *holder);
/* ... another sidecar, "APP/NAME", whether it listens yet or not. */
char *evidence_note_sidecar(Evidence *evidence, uint16_t port, const Sidecar *holder);
/* ... whoever listens there; NULL: nobody does. */
char *evidence_take_holder(Evidence *evidence, uint16_t port);

#define GENERATIONS_KEPT 3

/* What became of one start. Moments are CLOCK_REALTIME. */
typedef struct Generation {
        uint64_t number; /* 0: there was none */
        uint64_t started_at_usec;
        uint64_t ready_at_usec; /* 0: it never was */
        uint64_t ended_at_usec; /* 0: it has not; what follows is not known yet */
        ReasonCode reason_code;
        char *reason;
        int exit_code; /* -1: none, or not known */
        int exit_signal;
} Generation;

/* What the desktop was told of a failure, and shows of it. */
typedef struct Popup {
        uint64_t failed_at_usec; /* Sidecar::changed_at_usec of the failure; 0: none was told yet */
        uint32_t id;             /* of what is shown, by the server's count; 0: nothing */
        char *server;            /* who shows it, by the unique name on the bus; or NULL */
} Popup;

/* The last one that counted, as far as this brain knows; why it was none is probe_error. */
typedef struct LastProbe {
        uint64_t at_usec; /* CLOCK_REALTIME; 0: nothing was asked yet */
        bool is_healthy;
        unsigned status; /* HTTP; 0: none */
        uint64_t latency_usec;
} LastProbe;

struct Sidecar {
        Supervisor *supervisor;
        App *app;
        void *userdata; /* of the observer */

        SidecarSpec *spec;    /* in force from the next start on */
        SidecarSpec *running; /* the snapshot of the current or last generation; NULL: none yet */
        bool spec_is_gone;    /* its manifest went; only what is up keeps it here */

        Lifecycle life;
        bool ignores_dependencies; /* started with "no-deps" */
        char *waits_for; /* the dependency that is not there yet, or has failed; or NULL */
        Evidence evidence;
        char *program;      /* of the current or last generation, where it was found; or NULL */
        char *program_word; /* what it was looked for by; NULL: none was yet */
        ProgramIdentity identity; /* ... as it was found, or after a failure then */
        bool program_is_other;    /* a start would execute another */
        char **missing_limits;    /* sentences, of the current or last generation; or NULL */
        Generation generations[GENERATIONS_KEPT]; /* the newest first */
        Tree *tree;
        LogRing *ring;
        LogFile *file;
        Output *output;
        char **environment;         /* of the current or last generation; NULL: no probe needs it */
        Input *input;               /* its stdin; NULL: it never had any */
        uint64_t stdin_closed_in;   /* the generation whose stdin has seen its end; 0: none */
        int sockets_fd;             /* those it is handed over, packed; -1: none */
        Secrets *secrets;           /* that no line shows; or NULL */
        uint64_t secrets_of;        /* ... which generation's */
        bool log_ends_in_secret[2]; /* of stdout and stderr: the last piece told may have */
        bool journal_ends_in_secret[2];
        uint64_t journal_next;     /* the line to be sent to the journal; 0: whichever comes */
        uint64_t n_not_in_journal; /* of this generation, and were to be there */
        sd_event_source *journal_timer;
        Probe *probe;
        Probe *stop_request;    /* that it may end, without an answer so far */
        bool stop_is_asked;     /* ... as a successor has to know */
        bool stop_signal_waits; /* ... for news of whom to send it to */
        uint64_t probe_until;   /* ... has an answer by then, or none */
        sd_event_source *timer;
        uint64_t timer_until;

        NotifySocket *notify;          /* of the current generation; or NULL */
        char *status_text;             /* what it says of itself; or NULL */
        sd_event_source *status_timer; /* until the next text may be told */
        bool status_is_news;
        LogPattern *pattern; /* while it is waited for; or NULL */
        bool pattern_is_hopeless;
        char *probe_error; /* what the last probe got instead of an answer; or NULL */
        LastProbe last_probe;
        bool owner_is_known[2]; /* as alive_paths: the port is its own, since the last miss */
        Starvation starvation;
        bool probe_was_late; /* the last probe was over while we were not run */
        char *token;         /* kept over automatic restarts; NULL: none */
        char **passed;       /* NAME=VALUE that this generation got of the holds, and defaults */
        char **arguments;    /* of Start, behind the command; kept over automatic restarts */
        bool awaits_environment; /* its start waits for the session's (core/session.c) */

        uint16_t *ports; /* in force, in the order of ports_spec; or NULL */
        size_t n_ports;
        SidecarSpec *ports_spec; /* whom they were given to; NULL: nobody yet */
        bool probes_liveness;    /* the probe that is under way, or was last; else readiness */
        char *alive_paths[2]; /* by that: the path that answered, the only one asked from then on */
        char *log_path;

        pid_t main_pid;       /* 0: none */
        bool exit_is_news;    /* the next change of status is told with it */
        bool exec_has_failed; /* of this generation; an adopted one is told of it again */
        bool exit_dumped_core;
        int exit_code;             /* of the last exit; -1: none, or not known */
        int exit_signal;           /* 0: none */
        uint64_t exit_uptime_usec; /* since exec */
        uint64_t changed_at_usec;  /* CLOCK_REALTIME, as are the next two */
        uint64_t ready_at_usec;    /* 0: not yet */
        uint64_t retry_at_usec;    /* 0: none pending */
        Popup popup;
        bool unkillable_was_told;
        bool is_to_resume; /* adopted, and not yet told what has happened since */
        uint64_t recorded; /* checksum of what the ledger has of it; 0: nothing */
};

int sidecar_new(Sidecar **ret, App *app, SidecarSpec *spec);
/* Only once nothing of its tree is left, or when the daemon ends. */
Sidecar *sidecar_free(Sidecar *sidecar);
DEFINE_CLEANUP(Sidecar, sidecar_free);

/*
 * What a call of Start adds to the command (core/sidecar-passed.c), from the next start on. -EBUSY:
 * it runs with others, and is not to be restarted; -EACCES: its manifest does not allow these, and
 * *ret_message says why.
 */
int sidecar_set_arguments(Sidecar *sidecar,
                          char *const *arguments,
                          bool is_restart,
                          char **ret_message);
/* Of one that is not wanted up: its next start has none. */
void sidecar_forget_arguments(Sidecar *sidecar);

typedef struct SidecarRecord SidecarRecord;

/*
 * Takes up the life of a sidecar where another brain left it; running and ports_spec: what its
 * generation and its ports were made from, or NULL. Nothing is done before sidecar_resume(), which
 * tells it what has happened since.
 */
int sidecar_adopt(Sidecar **ret,
                  App *app,
                  SidecarSpec *spec,
                  const SidecarRecord *record,
                  SidecarSpec *running,
                  SidecarSpec *ports_spec);
/* Answers whether its process is still there. */
bool sidecar_resume(Sidecar *sidecar);

/*
 * Another spec is in force from the next start on; what is up is not touched (contract F3). What
 * has failed is wanted again, where it is another one. sidecar_converge() is to follow.
 */
void sidecar_set_spec(Sidecar *sidecar, SidecarSpec *spec);

/*
 * What has failed, or waits for its next try, is tried once sidecar_converge() follows. False: it
 * is neither, or nobody wants it any more.
 */
bool sidecar_retry(Sidecar *sidecar);

/*
 * Looks which program a start would execute. True: it had failed with another, and is wanted again;
 * sidecar_converge() is to follow.
 */
bool sidecar_check_program(Sidecar *sidecar);

/* Where a change would mean another program; NULL for none. */
int sidecar_list_programs(const Sidecar *sidecar, char ***ret);

/* Sets and records the goal alone: sidecar_converge() is to follow. */
void sidecar_want_up(Sidecar *sidecar);
void sidecar_want_down(Sidecar *sidecar, ReasonCode on_whose_account, bool kill);

/*
 * What a client wants. The goal is set when they return (contract S7). *ret is the generation
 * that the wish will get. -ESHUTDOWN: the daemon is ending; -EPERM: it is in safe mode.
 */
int sidecar_start(Sidecar *sidecar, uint64_t *ret);
int sidecar_restart(Sidecar *sidecar, uint64_t *ret);
void sidecar_stop(Sidecar *sidecar, ReasonCode on_whose_account, bool kill);

/* Of what is wanted now: the current generation if it is up, else the one to come. */
uint64_t sidecar_wanted_generation(const Sidecar *sidecar);

/* Does whatever is to be done by now. */
void sidecar_converge(Sidecar *sidecar);

const char *sidecar_name(const Sidecar *sidecar);
bool sidecar_is_gone(const Sidecar *sidecar); /* nothing of its tree is left */

/* Its manifest or its program has changed since it was started, and it is up. */
bool sidecar_needs_restart(const Sidecar *sidecar);

/* http://127.0.0.1:PORT of its first port, "" without one; a new string. */
char *sidecar_endpoint(const Sidecar *sidecar);

/* The socket that its readiness is asked at; a new string, NULL without one. */
int sidecar_unix_socket(const Sidecar *sidecar, char **ret);

/*
 * Writes down what the desktop was told, before it is told, and what it shows
 * (core/sidecar-popup.c). server: NULL where nothing is shown.
 */
int sidecar_set_popup(Sidecar *sidecar, uint64_t failed_at_usec, uint32_t id, const char *server);
void sidecar_forget_popup(Sidecar *sidecar); /* nothing is shown any more */

/* One sentence for people; a new string. */
char *sidecar_reason(const Sidecar *sidecar);

/* One without its tree, and that tree's observer: for core/sidecar*.c. */
int sidecar_make(Sidecar **ret, App *app, SidecarSpec *spec);
extern const TreeObserver sidecar_tree_observer;

/*
 * Does STEP_SPAWN (core/sidecar-start.c). Negative: no process will come of it, and *ret_cause and
 * *ret_permanent say why and whether trying again can help.
 */
int sidecar_launch(Sidecar *sidecar, Cause *ret_cause, bool *ret_permanent);

/*
 * A failure is about to be told: adds to the evidence what its output and its program say of it
 * (core/sidecar-failure.c). Who knew the detail already has said it.
 */
void sidecar_investigate(Sidecar *sidecar);

/* The newest generation begins, is ready, or has ended (core/sidecar-generations.c). */
void sidecar_note_spawn(Sidecar *sidecar);
void sidecar_note_ready(Sidecar *sidecar);
void sidecar_note_end(Sidecar *sidecar);

/* Does STEP_PROBE (core/sidecar-probe.c): the answer becomes a fact, and converges. */
void sidecar_probe(Sidecar *sidecar, const Step *step);

/*
 * Asks what its liveness, or else its readiness, asks; the answer is no fact, and is the handler's
 * alone. *ret is the caller's. Only of one that runs and can be asked.
 */
bool sidecar_can_be_asked(const Sidecar *sidecar);
int sidecar_ask_health(const Sidecar *sidecar,
                       uint64_t deadline_usec,
                       probe_handler_t handler,
                       void *userdata,
                       Probe **ret);
/* Why an answer to that is none of its own (contract R3): a new string, "" where it is one. */
char *sidecar_doubt_answer(const Sidecar *sidecar);

/*
 * Feeds it: as input_write() and input_cancel(), whose words count here too. Of one that runs, and
 * whose manifest says so.
 */
int sidecar_write_stdin(Sidecar *sidecar, InputPiece *piece);
void sidecar_cancel_stdin(Sidecar *sidecar, const InputPiece *piece);

/* What {runtimeDir} and {stateDir} stand for; new strings, the folders may not exist. */
char *sidecar_runtime_dir(const Sidecar *sidecar);
char *sidecar_state_dir(const Sidecar *sidecar);

/* Endpoints of what it depends on, in the order of SidecarSpec::depends_on; "" without a port. */
int sidecar_list_urls(const Sidecar *sidecar, char ***ret);
