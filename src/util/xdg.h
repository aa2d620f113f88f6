/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * XDG
 *
 * Where the XDG Base Directory Specification says that things are. A variable that is unset,
 * empty or not absolute counts as unset, as the specification asks.
 */

/* Each answers 0 and a new string; -ENXIO where there is not even a home. */
int xdg_state_home(char **ret);
int xdg_config_home(char **ret);

/* $XDG_DATA_HOME, then $XDG_DATA_DIRS: the first one wins. */
int xdg_data_path(char ***ret);

/* $HOME, or the home of the user's passwd entry. */
int xdg_home(char **ret);
