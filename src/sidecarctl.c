/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl
 *
 * The command line of sidecard: argv, run, exit status. It speaks D-Bus and has nothing else of
 * the daemon in it, so that it is up in a moment.
 */

#include <stdio.h>
#include <string.h>

#include "ctl/arguments.h"
#include "ctl/complain.h"

int main(int argc, char *argv[]) {
        Arguments arguments;
        int r, status;

        r = arguments_parse(&arguments, argc, argv, &status);
        if (r == 0)
                status = arguments.verb->run(&arguments);
        if (status < 0)
                status = complain(EXIT_FAILED, "%s", strerror(-status));

        /* A full disk is a failure, even if all that was asked for has been done. */
        if (fflush(stdout) != 0 && status == 0)
                status = complain(EXIT_FAILED, "Cannot write: %s", strerror(errno));

        return status;
}
