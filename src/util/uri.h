/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * URI
 *
 * Files as the desktop's interfaces name them.
 */

/* file://... of an absolute path, a new string; NULL where memory is out. */
char *uri_of_path(const char *path);
