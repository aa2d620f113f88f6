/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ProgramFile
 *
 * Why a program that is there cannot be executed (contract S4), in a sentence that says what to
 * do. Before a start only what is certain counts, since a false alarm would stop a healthy
 * program; after a failed one also what is merely likely.
 *
 * Every path is absolute. Few and small reads, but of a disk: it may wait for one.
 */

#include <stdbool.h>

/*
 * Before a start. 0: nothing is known against it. Negative: the errno that execve(2) would answer,
 * and *ret_advice says why, in a new string (NULL where memory is out).
 */
int program_file_check(const char *path, char **ret_advice);

/*
 * After an exec that failed, or an exit with 126 or 127: what may be the reason, a new string, or
 * NULL. env: what it was started with.
 */
char *program_file_explain(const char *path, char *const *env);

/*
 * A program that PyInstaller packed, which is two processes and leaves a folder _MEIxxxxxx in
 * TMPDIR when it is killed.
 */
bool program_file_is_pyinstaller(const char *path);

/*
 * For a program that was found at none of the candidates (model/program): the files beside them
 * that bear its name and the triple of another machine, at most 16. Answers 0 also for none, and
 * *ret is then NULL.
 */
int program_file_list_triples(char ***ret, char *const *candidates);
