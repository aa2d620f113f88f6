/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: what it writes
 *
 * Ring, file and pipes are made here and know each other by these callbacks alone. Its lines go on
 * to whoever reads them, and to the pattern that says that it is ready.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/message-ids.h"
#include "core/sidecar-parts.h"
#include "core/supervisor.h"
#include "util/clock.h"
#include "util/format.h"
#include "util/log.h"

static void on_lines(uint64_t first, void *userdata) {
        Sidecar *s = userdata;

        sidecar_tell_lines(s, first);
        s->supervisor->observer->on_log(s, s->supervisor->observer_userdata);
        sidecar_match_lines(s, first);
}

static void on_memory(int memory_fd, void *userdata) {
        const Sidecar *s = userdata;
        int r;

        r = tree_keep_memory(s->tree, memory_fd);
        if (r < 0)
                (void) log_warning_errno(r, "[%s] its output would not survive this daemon",
                                         sidecar_name(s));
}

static void on_room(void *userdata) {
        Sidecar *s = userdata;

        output_resume(s->output);
}

/* text is taken over; NULL: there was no memory for it, and it is told without. */
static void tell(const Sidecar *s, EventType type, char *text) {
        _cleanup_free_ char *words = text;

        (void) supervisor_add_event(s->supervisor, &(Event){ .type = type,
                                                             .app = s->app->id,
                                                             .sidecar = s->spec->name,
                                                             .text = words });
}

/* One notice, however often it is tried (contract G3). */
static void on_file_state(int error, void *userdata) {
        Sidecar *s = userdata;
        LogSubject subject = sidecar_subject(s, error != 0 ? MESSAGE_LOG_FILE : NULL);
        char *text;

        if (error == 0) {
                log_about(&subject, LOG_NOTICE, 0, "[%s] its log file is written again",
                          sidecar_name(s));
                return;
        }

        text = format_text("its log file %s cannot be written; lines are kept in memory only until "
                           "it can: %s",
                           s->log_path, strerror(error));
        log_about(&subject, LOG_WARNING, 0, "[%s] %s", sidecar_name(s),
                  text ? text : strerror(error));
        tell(s, EVENT_NOTICE, text);
}

static void on_lost(uint64_t n_bytes, void *userdata) {
        const Sidecar *s = userdata;

        tell(s, EVENT_LOG_DROPPED,
             format_text("%" PRIu64 " bytes of its output are missing in its log file", n_bytes));
}

int sidecar_open_logs(Sidecar *s) {
        const LogFileHandlers handlers = { on_room, on_file_state, on_lost };
        LogFileSpec spec = {
                .max_size_bytes = s->spec->log_max_size_bytes,
                .max_files = s->spec->log_max_files,
        };
        int r;

        if (asprintf(&s->log_path, "%s/log/%s/%s.log", s->supervisor->state_dir, s->spec->app_id,
                     s->spec->name) < 0)
                return -ENOMEM;
        spec.path = s->log_path;

        r = log_ring_new(&s->ring, s->supervisor->log_base);
        if (r >= 0)
                r = log_file_new(&s->file, s->supervisor->writer, &spec, &handlers, s);
        if (r >= 0)
                r = output_new(&s->output, s->supervisor->event, s->ring, s->file, on_lines,
                               on_memory, s);

        return r;
}
