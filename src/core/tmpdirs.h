/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * TmpDirs
 *
 * What PyInstaller packed unpacks itself into TMPDIR, hundreds of megabytes at times, and leaves
 * that there when it is killed. So each generation of such a program has a TMPDIR of its own in
 * the runtime directory, RUNTIME/tmp/APP/NAME/GENERATION, which goes once nothing of its tree is
 * left. What is there and of no generation that lives is swept away, whoever made it: so nothing
 * has to be remembered, and what a killed daemon left goes at the next start.
 */

#include "core/sidecar.h"

typedef struct TmpDirs TmpDirs;

int tmpdirs_new(TmpDirs **ret, Supervisor *supervisor);
/* Sweeps for the last time. */
TmpDirs *tmpdirs_free(TmpDirs *tmpdirs);
DEFINE_CLEANUP(TmpDirs, tmpdirs_free);

/* Sweeps when there is nothing else to do. */
void tmpdirs_sweep(TmpDirs *tmpdirs);

/*
 * Sets TMPDIR for the generation that is about to start, if its program needs one, its manifest
 * has no word on it, and there is room to unpack.
 */
int tmpdirs_set(const Sidecar *sidecar, char ***env);
