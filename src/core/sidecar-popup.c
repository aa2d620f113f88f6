/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: what the desktop was told
 *
 * Nobody in core asks for it. It is here because it outlives the brain: a failure is told once, and
 * what is shown of it is replaced, and goes, by whichever brain there is then.
 */

#include "core/records.h"
#include "core/sidecar.h"
#include "util/strv.h"

int sidecar_set_popup(Sidecar *s, uint64_t failed_at_usec, uint32_t id, const char *server) {
        int r = free_and_strdup(&s->popup.server, server);

        if (r < 0)
                return r;

        s->popup.failed_at_usec = failed_at_usec;
        s->popup.id = id;
        record_sidecar(s);
        return 0;
}

void sidecar_forget_popup(Sidecar *s) {
        (void) sidecar_set_popup(s, s->popup.failed_at_usec, 0, NULL);
}
