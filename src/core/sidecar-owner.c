/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: whose its port is
 *
 * A probe counts only if every listener on the port belongs to the tree (contract R3). Sockets that
 * were made in its cgroup are its own, so what a former generation made in the same directory and
 * hid from the proof that the tree is empty, in a process that it moved elsewhere, would pass. But
 * where it listens by then the port is refused before the start (contract P1), so only one that
 * begins to listen after that, from a socket made before, gets away with it.
 */

#include <string.h>

#include "core/sidecar-parts.h"
#include "util/log.h"

/* What was made for it and handed over was made outside of its cgroup. */
static bool are_all_handed_over(const Sidecar *s, Listeners *listeners) {
        _cleanup_(sockets_done) Sockets sockets = { 0 };
        bool is_any = listeners->n > 0;

        if (sockets_unpack(s->sockets_fd, &sockets) < 0)
                return false;
        sockets_strike(&sockets, listeners);
        return is_any && listeners->n == 0;
}

/* Its processes are listed after the listeners, or the one that was forked since is a stranger. */
static PortOwner ask(const Sidecar *s, uint16_t port, PortHolder *ret_stranger) {
        _cleanup_(listeners_done) Listeners listeners = { 0 };
        _cleanup_free_ pid_t *pids = NULL;
        int n_pids, r;

        r = listeners_find(&listeners, port);
        if (r < 0) {
                log_debug("[%s] the kernel does not tell who listens on port %u: %s",
                          sidecar_name(s), port, strerror(-r));
                return PORT_OWNER_UNKNOWN;
        }

        if (are_all_handed_over(s, &listeners))
                return PORT_OWNER_TREE;

        n_pids = tree_list_pids(s->tree, &pids);
        return listeners_judge(&listeners, tree_cgroup_id(s->tree), pids,
                               n_pids > 0 ? (size_t) n_pids : 0, ret_stranger);
}

/* Asked twice before anybody is called a stranger: he may have left, or be a child just born. */
PortOwner sidecar_find_port_owner(const Sidecar *s, uint16_t port, PortHolder *ret_stranger) {
        PortOwner owner;

        owner = ask(s, port, ret_stranger);
        return owner == PORT_OWNER_STRANGER ? ask(s, port, ret_stranger) : owner;
}
