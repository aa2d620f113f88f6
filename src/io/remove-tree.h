/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * RemoveTree
 *
 * A folder with all that is in it, in slices: what a program left behind may be a thousand files,
 * and nobody is to wait for them. No symbolic link is followed, no other file system entered.
 */

/*
 * *budget: how many entries may be removed, and how many more could have been. -EAGAIN: it was
 * used up, there is more; another negative errno: something in there cannot be removed, all else
 * was.
 */
int remove_tree(int parent_fd, const char *name, unsigned *budget);
