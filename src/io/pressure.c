/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Pressure
 *
 * The files are there with CONFIG_PSI, and can be read unless the kernel was started with psi=0
 * or the cgroup has it switched off in cgroup.pressure: then reading fails with EOPNOTSUPP.
 */

#include "io/pressure.h"
#include "model/time-guard.h"
#include "util/cgroup-dir.h"

static int read_one(int dir_fd, const char *path, unsigned *ret_some) {
        char text[256];
        int r;

        r = kernel_file_read(dir_fd, path, text, sizeof(text));
        return r < 0 ? r : pressure_parse(ret_some, text);
}

int pressure_read_cpu(int cgroup_fd, unsigned *ret_some) {
        if (cgroup_fd >= 0 && read_one(cgroup_fd, "cpu.pressure", ret_some) >= 0)
                return 0;

        return read_one(AT_FDCWD, "/proc/pressure/cpu", ret_some);
}
