/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: the sockets that it is handed over
 *
 * They are the sidecar's, not a generation's: the keeper has them too, so whoever connects while a
 * generation ends, while the next one is awaited, or while there is no brain, is not refused but
 * waits. Where there is none to come they are shut before anybody is told so: nobody is to wait
 * for what does not come. Their ports are in the ledger, as all ports are, and themselves they need
 * no record: a start takes what it has of them, and makes what it has not.
 */

#include <stdio.h>

#include "core/sidecar-parts.h"
#include "util/crashpoint.h"
#include "util/strv.h"

static void close_sockets(Sidecar *s) {
        Sockets sockets = { 0 };

        if (s->sockets_fd < 0)
                return;
        if (sockets_unpack(s->sockets_fd, &sockets) >= 0)
                sockets_shut_but(&sockets, NULL, 0);
        CRASHPOINT("sockets-shut");
        s->sockets_fd = safe_close(s->sockets_fd);
        (void) tree_keep_sockets(s->tree, -1);
        CRASHPOINT("sockets-dropped");
}

int sidecar_keep_sockets(Sidecar *s, const Sockets *sockets) {
        _cleanup_close_ int packed_fd = -1;
        int r;

        if (sockets->n == 0) {
                close_sockets(s);
                return 0;
        }

        r = sockets_pack(sockets, &packed_fd);
        CRASHPOINT("sockets-made");
        if (r >= 0)
                r = tree_keep_sockets(s->tree, packed_fd);
        if (r < 0)
                return r;

        safe_close(s->sockets_fd);
        s->sockets_fd = TAKE_FD(packed_fd);
        CRASHPOINT("sockets-kept");
        return 0;
}

void sidecar_adopt_sockets(Sidecar *s, int fd) {
        safe_close(s->sockets_fd);
        s->sockets_fd = fd;
}

void sidecar_settle_sockets(Sidecar *s) {
        bool is_over = s->life.failed || s->life.exited;

        if (is_over || (s->life.goal == GOAL_DOWN && sidecar_is_gone(s)))
                close_sockets(s);
}

static int join_names(const SidecarSpec *spec, char **ret_names, size_t *ret_n) {
        _cleanup_free_ char *names = strdup("");
        size_t n = 0;

        for (size_t i = 0; names && i < spec->n_ports; i++) {
                char *longer = NULL;

                if (!spec->ports[i].is_socket)
                        continue;
                if (asprintf(&longer, "%s%s%s", names, n > 0 ? ":" : "", spec->ports[i].name) < 0)
                        return -ENOMEM;
                free(names);
                names = longer;
                n++;
        }
        if (!names)
                return -ENOMEM;

        *ret_names = TAKE_PTR(names);
        *ret_n = n;
        return 0;
}

int sidecar_add_sockets(const Sidecar *s, char *const *env, char ***ret) {
        _cleanup_(strv_freep) char **copy = NULL;
        _cleanup_free_ char *names = NULL;
        char number[32];
        size_t n;
        int r;

        STRV_FOREACH (entry, env) {
                r = strv_extend(&copy, *entry);
                if (r < 0)
                        return r;
        }
        r = join_names(s->running, &names, &n);
        if (r < 0)
                return r;

        (void) snprintf(number, sizeof(number), "%zu", n);
        (void) strv_env_set(&copy, "LISTEN_PID", NULL);
        r = strv_env_set(&copy, "LISTEN_FDS", number);
        if (r >= 0)
                r = strv_env_set(&copy, "LISTEN_FDNAMES", names);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(copy);
        return 0;
}
