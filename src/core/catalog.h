/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Catalog
 *
 * The apps follow the folders of manifests and drop-ins (contract F1), and what is up or has failed
 * is compared with the programs on disk (F3): once when told to, by supervisor_load(), and from
 * then on by itself.
 */

#include "core/supervisor.h"

typedef struct Catalog Catalog;

int catalog_new(Catalog **ret, Supervisor *supervisor);
Catalog *catalog_free(Catalog *catalog);
DEFINE_CLEANUP(Catalog, catalog_free);

/* For core: another program has been looked for, which is to be watched. */
void catalog_note_program(Catalog *catalog);

/* The folder of the drop-ins of an app, which need not exist; a new string. */
int catalog_drop_ins(char **ret, const char *id);

/* The file that counts for an app, in the folders of all ranks; -ENOENT: there is none. */
int catalog_find_manifest(char **ret, const char *id);

/* Whether it is the manifest of that folder, or one beside, that the daemon would read. */
bool catalog_has_folder(const char *folder);
