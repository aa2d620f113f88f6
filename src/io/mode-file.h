/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ModeFile
 *
 * The mode of an app, remembered over logins (contract M2): a file of one line with its name, and
 * of a second with the URL of its server where SetMode was given one.
 */

#include "util/macro.h"

/*
 * *ret_server_url: NULL without a second line. -ENOENT: nothing is remembered; -EBADMSG: that is
 * not what mode_file_write() has written. Whether there are such a mode and server is for others.
 */
int mode_file_read(const char *path, char **ret_mode, char **ret_server_url);

/* As a whole or not at all; the folder is made. server_url: or NULL. */
int mode_file_write(const char *path, const char *mode, const char *server_url);
