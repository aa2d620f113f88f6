/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Storm options
 *
 * What each of the storms takes: --kills N, --seed N to play one again, and --flood: every sidecar
 * floods all the time. The seed is the time where none is given, and the storm prints it.
 */

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

/*
 * *n_kills is the default, and is kept where no other is given. ret_floods may be NULL: it has no
 * such form. -EINVAL: that is not understood.
 */
static inline int storm_read_options(
        int argc, char *argv[], unsigned int *n_kills, unsigned int *ret_seed, bool *ret_floods) {
        static const struct option options[] = {
                { "kills", required_argument, NULL, 'k' },
                { "seed", required_argument, NULL, 's' },
                { "flood", no_argument, NULL, 'f' },
                { 0 },
        };
        int option;

        *ret_seed = (unsigned int) time(NULL);
        while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
                if (option == '?' || (option == 'f' && !ret_floods))
                        return -EINVAL;
                if (option == 'f')
                        *ret_floods = true;
                else
                        *(option == 'k' ? n_kills : ret_seed) =
                                (unsigned int) strtoul(optarg, NULL, 10);
        }

        return *n_kills > 0 && optind == argc ? 0 : -EINVAL;
}
