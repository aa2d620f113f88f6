/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ShowEach
 *
 * What a verb has to say of each target that was named: for people with an empty line in between,
 * in JSON as one array.
 */

#include "ctl/arguments.h"
#include "ctl/json-writer.h"
#include "ctl/listing.h"

/* targets_resolve() or targets_resolve_sidecars(). */
typedef int (*resolve_t)(Targets *targets, sd_bus *bus, char *const *texts);

/* With arguments->json it writes one value. Answers as complain.h has it; not 0 ends it all. */
typedef int (*show_t)(const Arguments *arguments,
                      JsonWriter *writer,
                      sd_bus *bus,
                      const Target *target);

/* Connects, and answers the exit status. */
int show_each(const Arguments *arguments, resolve_t resolve, show_t show);
