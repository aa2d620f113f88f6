/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ManifestFile
 *
 * A manifest from its file. What is in it is run as this user, so whoever can write the file can
 * run programs: it is checked before it is read.
 */

#include "model/manifest.h"

/*
 * former: what that file was when it was last read, or NULL; 1: it is just the same, and nothing
 * is answered. Else manifest_parse_layers() of the manifest at `path` and the drop-ins *.json of a
 * folder (NULL: none), in the order of their names: each a regular file of root or of this user,
 * no symbolic link, not writable by others, at most MANIFEST_BYTES_MAX (contract F2). What is not
 * so is -EBADMSG too. -ENOENT: there is no manifest.
 */
int manifest_load(Manifest **ret,
                  const Manifest *former,
                  const char *path,
                  const char *drop_ins,
                  ManifestError *ret_error);

/*
 * A link to /dev/null in its place hides what folders of lower rank have; one in place of a
 * drop-in is as none (contract F1).
 */
bool manifest_is_masked(const char *path);

/* Whether a name in such a folder is meant for us: *.json, and not hidden. */
bool manifest_is_name(const char *name);
