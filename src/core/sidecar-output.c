/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: what it writes
 *
 * Ring, file and pipes are made here and know each other by these callbacks alone. Its lines go on
 * to whoever reads them, and to the pattern that says that it is ready.
 */

#include <stdio.h>

#include "core/message-ids.h"
#include "core/sidecar-parts.h"
#include "core/supervisor.h"
#include "util/clock.h"
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

static void on_file_state(int error, void *userdata) {
        Sidecar *s = userdata;
        LogSubject subject = sidecar_subject(s, error != 0 ? MESSAGE_LOG_FILE : NULL);

        if (error != 0)
                log_about(&subject, LOG_WARNING, error,
                          "[%s] its log file %s cannot be written; lines are kept in memory only "
                          "until it can",
                          sidecar_name(s), s->log_path);
        else
                log_about(&subject, LOG_NOTICE, 0, "[%s] its log file is written again",
                          sidecar_name(s));
}

int sidecar_open_logs(Sidecar *s) {
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
                r = log_file_new(&s->file, s->supervisor->writer, &spec, on_room, on_file_state, s);
        if (r >= 0)
                r = output_new(&s->output, s->supervisor->event, s->ring, s->file, on_lines,
                               on_memory, s);

        return r;
}
