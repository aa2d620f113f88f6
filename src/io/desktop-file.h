/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * DesktopFile
 *
 * What an app's desktop entry says of it (Desktop Entry Specification), as far as somebody here
 * asks: its icon.
 */

/*
 * The icon of the app with that desktop id, as org.freedesktop.Notifications takes it: a name of a
 * theme, or a URI; a new string. -ENOENT: it has no desktop entry, or that names none.
 */
int desktop_file_find_icon(const char *id, char **ret);
