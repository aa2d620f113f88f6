/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Manifest
 *
 * What an app declares, checked and with all defaults filled in. A manifest is read whole or
 * not at all; every value in here is within the range of the schema. It is shared and never
 * changed after it was made: a generation keeps a reference on the SidecarSpec that it was
 * started with (contract S1).
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/macro.h"

#define MANIFEST_BYTES_MAX (256u * 1024u)
#define RESTART_ATTEMPTS_UNLIMITED UINT32_MAX

typedef enum RestartPolicy {
        RESTART_POLICY_NO,
        RESTART_POLICY_ON_FAILURE,
        RESTART_POLICY_ALWAYS,
        _RESTART_POLICY_MAX,
        _RESTART_POLICY_INVALID = -EINVAL,
} RestartPolicy;

typedef struct RestartSpec {
        RestartPolicy policy;
        uint64_t delay_usec;
        double factor;
        uint64_t max_delay_usec;
        double jitter; /* 0.1: ten per cent to either side */
        uint64_t reset_after_usec;
        uint32_t attempts;              /* RESTART_ATTEMPTS_UNLIMITED */
        uint8_t success_exit_codes[32]; /* a bit an exit code: see restart_spec_is_success() */
} RestartSpec;

typedef struct PortSpec {
        char *name;      /* "http" for the short form `port` */
        uint16_t number; /* 0: "auto" */
        bool reassign;   /* onConflict */
} PortSpec;

typedef struct StatusRange {
        uint16_t low, high; /* HTTP status codes, inclusive */
} StatusRange;

typedef enum ProbeKind {
        PROBE_NONE, /* ready once exec succeeded */
        PROBE_HTTP,
        PROBE_TCP,
        PROBE_EXEC,
        PROBE_LOG,    /* told by a line that it writes; nobody asks */
        PROBE_NOTIFY, /* told by READY=1; nobody asks */
        _PROBE_KIND_MAX,
        _PROBE_KIND_INVALID = -EINVAL,
} ProbeKind;

/* Not told by the sidecar itself. */
static inline bool probe_kind_is_asked(ProbeKind kind) {
        return kind == PROBE_HTTP || kind == PROBE_TCP || kind == PROBE_EXEC;
}

typedef enum LogChoice {
        LOG_CHOICE_ANY,
        LOG_CHOICE_STDOUT,
        LOG_CHOICE_STDERR,
        _LOG_CHOICE_MAX,
        _LOG_CHOICE_INVALID = -EINVAL,
} LogChoice;

typedef struct ProbeSpec {
        ProbeKind kind;
        char *port_name; /* of SidecarSpec::ports; NULL: port_number counts */
        uint16_t port_number;
        char *unix_socket;    /* http, tcp: a template, instead of the port; or NULL */
        bool any_owner;       /* the listener on the port need not belong to the tree */
        char **command;       /* exec: templates */
        char *log_pattern;    /* log: a regular expression (model/log-pattern.h) */
        LogChoice log_stream; /* log */
        const char *method;   /* http: a constant; NULL: GET */
        char **paths;         /* http: templates, tried in order */
        char **headers;       /* http: "Name: template" */
        StatusRange *alive;   /* http: what counts as a sign of life */
        size_t n_alive;
        uint64_t timeout_usec;
        uint64_t interval_usec;
} ProbeSpec;

typedef enum ArgumentsPolicy {
        ARGUMENTS_NONE,
        ARGUMENTS_ANY,
        ARGUMENTS_LISTED, /* by one rule a position */
} ArgumentsPolicy;

typedef struct ArgumentRule {
        char *text;
        bool is_pattern; /* that an argument matches whole; else it is the argument */
} ArgumentRule;

/* A name of "passEnv". */
typedef struct PassedVariable {
        char *name;
        char *fallback; /* its default; or NULL */
        char *pattern;  /* that a value matches whole; or NULL: any does */
} PassedVariable;

typedef struct LivenessSpec {
        ProbeSpec probe;   /* PROBE_NONE: there is none */
        uint32_t failures; /* misses in a row that make it unhealthy */
        bool restart;      /* onFailure: they are a failure, else they are only told */
} LivenessSpec;

typedef enum DependencyCondition {
        DEPENDENCY_STARTED,   /* it was executed */
        DEPENDENCY_READY,     /* it is ready; without a probe: executed */
        DEPENDENCY_COMPLETED, /* it has exited with success */
        _DEPENDENCY_CONDITION_MAX,
        _DEPENDENCY_CONDITION_INVALID = -EINVAL,
} DependencyCondition;

typedef struct Dependency {
        char *name; /* of another sidecar of the app */
        DependencyCondition condition;
} Dependency;

/* The text that a manifest was read from: whoever has to read it again needs no file. */
typedef struct ManifestSource {
        unsigned n_ref;
        char *path; /* as given to manifest_parse() */
        char *text;
        size_t n_bytes;
        uint64_t number; /* by which records refer to it; 0: none does. Core's, as is the next */
        uint64_t recorded_in; /* the ledger that has it */
} ManifestSource;

ManifestSource *manifest_source_ref(ManifestSource *source);
ManifestSource *manifest_source_unref(ManifestSource *source);
DEFINE_CLEANUP(ManifestSource, manifest_source_unref);

typedef struct SidecarSpec SidecarSpec;

struct SidecarSpec {
        unsigned n_ref;
        ManifestSource *source;

        char *app_id;
        char *name;
        char *description;  /* or empty */
        char *base_dir;     /* of the app; or NULL */
        char *manifest_dir; /* absolute folder of the file, where the search for programs goes by */

        char **command;         /* templates; the first is the program, never empty */
        char **env;             /* NAME=template */
        char **unset_env;       /* names that the manifest sets to null */
        PassedVariable *passed; /* what a hold may set; sorted by name */
        size_t n_passed;
        ArgumentsPolicy arguments; /* what a call of Start may add to the command */
        ArgumentRule *argument_rules;
        size_t n_argument_rules;
        char *working_directory; /* template; or NULL: the user's home */
        bool auto_start;
        bool stdin_is_pipe; /* else /dev/null */

        Dependency *depends_on; /* sorted by name; over all sidecars of an app free of cycles */
        size_t n_depends_on;

        PortSpec *ports;
        size_t n_ports;
        ProbeSpec readiness; /* tcp on the first port where the manifest names none (contract 1) */
        LivenessSpec liveness;

        RestartSpec restart;
        int stop_signal;
        ProbeSpec stop_http; /* asked instead of the signal; PROBE_NONE: it is not */
        uint64_t stop_timeout_usec;
        uint64_t start_timeout_usec;
        uint64_t load_timeout_usec; /* as long as it answers that it is loading (503) */
        uint64_t watchdog_usec;     /* 0: it is not asked to feed one */
        bool token;                 /* it has a secret */
        bool token_file;            /* ... in a file of its own */
        uint64_t log_max_size_bytes;
        uint32_t log_max_files;
        bool log_journal; /* its lines go there too */

        /*
         * This sidecar as JSON, defaults filled in: equal text, equal spec. What a start goes by
         * and is no key of a sidecar is there as "x-app", "x-name", "x-baseDir" and
         * "x-manifestDir".
         */
        char *effective_json;
};

SidecarSpec *sidecar_spec_ref(SidecarSpec *spec);
SidecarSpec *sidecar_spec_unref(SidecarSpec *spec);
DEFINE_CLEANUP(SidecarSpec, sidecar_spec_unref);

bool restart_spec_is_success(const RestartSpec *restart, int exit_code);

/* NULL where there is none of that name. The first port is the one the endpoint goes by. */
const PortSpec *sidecar_spec_find_port(const SidecarSpec *spec, const char *name);

/* NULL where "passEnv" has no such name. */
const PassedVariable *sidecar_spec_find_passed(const SidecarSpec *spec, const char *name);

typedef struct ModeSpec {
        char *name;
        char **sidecars;  /* those that it wants; NULL: all. None is an empty vector, not NULL */
        char *server_url; /* or NULL */
} ModeSpec;

typedef struct Manifest {
        ManifestSource *source;
        char *id;
        char *name;             /* for people; the id where the file has none */
        SidecarSpec **sidecars; /* sorted by name; NULL-terminated */
        size_t n_sidecars;
        ModeSpec *modes; /* in the order of the file; at least one (contract M4) */
        size_t n_modes;
        char *default_mode;   /* the name of one of them */
        bool is_session;      /* lifetime: from login to logout; else as long as somebody holds */
        uint64_t linger_usec; /* of a hold that does not say its own */
} Manifest;

Manifest *manifest_free(Manifest *manifest);
DEFINE_CLEANUP(Manifest, manifest_free);

/* NULL where there is none of that name. */
SidecarSpec *manifest_find_sidecar(const Manifest *manifest, const char *name);
const ModeSpec *manifest_find_mode(const Manifest *manifest, const char *name);

/* What is wrong with a manifest, for a person with an editor. */
typedef struct ManifestError {
        char *path;
        unsigned line; /* from 1; 0: the file as a whole */
        char *pointer; /* RFC 6901, "" for the whole document */
        char *message; /* what is wrong and what to do, one sentence or two */
        /* Both quote the file, so control characters in them are "?", and a kilobyte is enough. */
} ManifestError;

void manifest_error_done(ManifestError *error);

/*
 * Reads text[n_bytes], the content of the file at `path` (absolute, used for messages, for the
 * check that the id is the file's name, and for SidecarSpec::manifest_dir). -EBADMSG: the text
 * is wrong, and *ret_error says how; it is then to be freed with manifest_error_done().
 */
int manifest_parse(Manifest **ret,
                   const char *path,
                   const char *text,
                   size_t n_bytes,
                   ManifestError *ret_error);
