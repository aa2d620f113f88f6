/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Pressure
 *
 * How short of CPU a sidecar is. Its cgroup knows best; the machine as a whole speaks for it
 * where there is no cgroup, or one that does not count.
 */

/* As pressure_parse(). cgroup_fd: the directory, or -1. Negative errno: nobody counts here. */
int pressure_read_cpu(int cgroup_fd, unsigned *ret_some);
