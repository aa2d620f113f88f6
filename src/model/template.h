/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Template
 *
 * {port} and its like in a manifest's strings (contract S6). One function serves both moments:
 * when a manifest is checked nothing is known yet and only the names matter; when a sidecar is
 * started every name has a value.
 */

#include <stdbool.h>
#include <stdint.h>

#include "model/manifest.h"

/* What the names stand for. Borrowed. Ports are in the order of SidecarSpec::ports. */
typedef struct TemplateValues {
        const SidecarSpec *spec;
        const uint16_t *ports;
        const char *runtime_dir;
        const char *state_dir;
        char *const *urls; /* of SidecarSpec::depends_on, in that order; NULL: not known yet */
        const char *token; /* NULL: not in this text, or there is none */
        const char *token_file;
        char *const *passed; /* NAME=VALUE: of SidecarSpec::passed those that have one */
} TemplateValues;

/*
 * Fills text in: "{{" is a brace, a lone "}" stands for itself. -EINVAL: an unknown or unfinished
 * name; then *ret_message says which, what would do, and is the caller's to free.
 */
int template_expand(char **ret, const char *text, const TemplateValues *values, char **ret_message);

/*
 * As template_expand(), but only whether it would do. ports and directories need not be there.
 * may_be_secret: {token} may stand in it.
 */
int template_check(const char *text,
                   const SidecarSpec *spec,
                   bool may_be_secret,
                   char **ret_message);

/* Whether "{name}" stands in a text that is right. */
bool template_mentions(const char *text, const char *name);
