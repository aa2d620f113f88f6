/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ManifestKind
 *
 * The kinds of values that rows are of. The simple ones come first, with the type of the field
 * they fill; those that fill several fields of a SidecarSpec take the whole of it, at offset 0.
 * Internal to the manifest-*.c files.
 */

#include "model/manifest-walk.h"

#define LOWER_CASE "abcdefghijklmnopqrstuvwxyz"
#define UPPER_CASE "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

extern const Kind kind_ignored;  /* "$schema": known, and of no meaning to us */
extern const Kind kind_text;     /* char *; most: characters */
extern const Kind kind_duration; /* uint64_t, microseconds; least */
extern const Kind kind_bytes;    /* uint64_t */
extern const Kind kind_count;    /* uint32_t; least, most */
extern const Kind kind_ratio;    /* double; least, most */
extern const Kind kind_boolean;  /* bool */
extern const Kind kind_signal;   /* int */
extern const Kind kind_object;   /* whatever row->table fills */

/* manifest-restart.c: a RestartSpec */
extern const Kind kind_restart;

/* manifest-command.c: a SidecarSpec, and for the folder a char * */
extern const Kind kind_command;
extern const Kind kind_env;
extern const Kind kind_working_directory;

/* The templates of a program and its arguments. */
int argv_read(Reader *reader, const Place *place, char ***arguments);

/* manifest-command.c: a bool, whether it is a pipe */
extern const Kind kind_stdin;
/* Names of variables: ^[A-Za-z_][A-Za-z0-9_]*$ */
int reader_check_variable(Reader *reader, const Place *place);

/* manifest-pass.c: a SidecarSpec */
extern const Kind kind_passed;
extern const Kind kind_arguments;

/* manifest-port.c: a SidecarSpec */
extern const Kind kind_port;
extern const Kind kind_ports;

/* manifest-probe.c: a ProbeSpec, of a sidecar whose ports are read */
extern const Kind kind_http;
extern const Kind kind_tcp;
extern const Kind kind_exec;
extern const Kind kind_log;
extern const Kind kind_notify;
extern const Kind kind_pattern; /* of log, and of whoever has one: a char *; most: characters */

/* manifest-probe.c: a char **, "Name: template" */
extern const Kind kind_headers;

/* manifest-probe.c: that it is a path of a request, and a template. */
int reader_check_path(Reader *reader, const Place *place);

/* manifest-stop.c: a ProbeSpec, of a sidecar whose ports and readiness are read */
extern const Kind kind_stop_http;

/* Takes "http" of the "stop" of "defaults" where the sidecar has none and somebody to ask. */
int stop_imply(Reader *reader, const Place *sidecar);

/* manifest-health.c: a ProbeSpec, a LivenessSpec, and a uint64_t of microseconds */
extern const Kind kind_readiness;
extern const Kind kind_liveness;
extern const Kind kind_watchdog;

/* manifest-dependency.c: a SidecarSpec */
extern const Kind kind_depends_on;

/* manifest-mode.c: a Manifest whose sidecars are read */
extern const Kind kind_modes;
extern const Kind kind_default_mode;

/* What only shows once all sidecars are read: cycles, and waits that never end. */
int dependencies_check(Reader *reader, const Place *sidecars);

/* Fills in the one mode where the file has none, and the default (contract M4). */
int modes_imply(Manifest *manifest);

/* Fills in tcp on the first port where a sidecar has a port and no readiness (contract 1). */
int probe_imply(SidecarSpec *spec);

/* Whoever has a template that speaks of its token has one. */
void token_imply(SidecarSpec *spec);

/* Names of sidecars and ports: ^[a-z0-9][a-z0-9_.-]{0,62}$ */
int reader_check_name(Reader *reader, const Place *place);

/* Whether text is made of bytes of a set alone. */
bool text_is_of(const char *text, const char *set);

/* An array of strings. */
int json_new_strv(json_object **ret, char *const *strv);
