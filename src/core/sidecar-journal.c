/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: its lines in other logs
 *
 * Where the manifest says so each line goes to systemd's journal, as soon as it is in the ring; at
 * level debug to the log of the supervisor, which may be the journal as well. What is secret is in
 * neither.
 *
 * Nobody waits for the journal: what it has no room for is tried again, and nothing tells when, so
 * every 10 ms; what the ring has lost by then is counted. A brain that is killed takes along what
 * it had not sent yet, which most often is nothing; nothing is there twice.
 */

#include <inttypes.h>
#include <string.h>

#include "core/sidecar-parts.h"
#include "core/supervisor.h"
#include "util/duration.h"
#include "util/journal.h"
#include "util/log.h"
#include "util/strv.h"

#define BLANK "***"
#define RETRY_PAUSE_USEC (10 * USEC_PER_MSEC)

static int refresh_secrets(Sidecar *s) {
        _cleanup_(strv_freep) char **texts = NULL;
        int r;

        if (s->secrets && s->secrets_of == s->life.generation)
                return 0;

        s->secrets = secrets_free(s->secrets);
        r = sidecar_list_secrets(s, &texts);
        if (r >= 0)
                r = secrets_new(&s->secrets, texts);
        if (r >= 0)
                s->secrets_of = s->life.generation;
        return r;
}

/* What follows in the next piece of a long line may be the rest of a secret that begins here. */
static int blank_piece(const Secrets *secrets, char *bytes, size_t *n_bytes, bool *ret_is_inside) {
        char last[sizeof(BLANK)] = { 0 };
        size_t n_before = *n_bytes, n_last = n_before < strlen(BLANK) ? n_before : strlen(BLANK);
        int r;

        memcpy(last, bytes + n_before - n_last, n_last);
        r = secrets_blank(secrets, bytes, n_bytes, true);
        if (r < 0)
                return r;

        *ret_is_inside =
                *n_bytes != n_before || memcmp(last, bytes + n_before - n_last, n_last) != 0;
        return 0;
}

/* The bytes of a line without what is secret; answers how many there are. */
static size_t blank_line(Sidecar *s,
                         bool ends_in_secret[static 2],
                         const LogLine *line,
                         char ret[static LOG_LINE_BYTES_MAX]) {
        bool *is_inside = &ends_in_secret[line->stream == LOG_STDERR];
        size_t n_bytes = line->n_bytes;
        int r = *is_inside ? -EPERM : refresh_secrets(s);

        *is_inside = false;
        if (r >= 0) {
                memcpy(ret, line->bytes, n_bytes);
                r = secrets_blank(s->secrets, ret, &n_bytes, false);
        }
        if (r >= 0 && line->ending == LOG_ENDING_SPLIT)
                r = blank_piece(s->secrets, ret, &n_bytes, is_inside);
        if (r >= 0)
                return n_bytes;

        *is_inside = line->ending == LOG_ENDING_SPLIT;
        memcpy(ret, BLANK, strlen(BLANK));
        return strlen(BLANK);
}

static int send_line(Sidecar *s, const LogLine *line) {
        char bytes[LOG_LINE_BYTES_MAX];
        JournalEntry entry = {
                .priority = line->stream == LOG_STDERR ? LOG_WARNING : LOG_INFO,
                .identifier = sidecar_name(s),
                .app = s->app->id,
                .name = sidecar_name(s),
                .generation = line->generation,
                .bytes = bytes,
        };
        bool ends_in_secret[2] = { s->journal_ends_in_secret[0], s->journal_ends_in_secret[1] };
        int r;

        entry.n_bytes = blank_line(s, ends_in_secret, line, bytes);
        r = journal_send(&entry);
        if (r >= 0)
                memcpy(s->journal_ends_in_secret, ends_in_secret, sizeof(ends_in_secret));
        return r;
}

static void tell_loss(const Sidecar *s, int error) {
        LogSubject subject = sidecar_subject(s, NULL);

        if (error == -EAGAIN || error == -ENOBUFS)
                log_about(&subject, LOG_WARNING, 0,
                          "[%s] the journal does not keep up with its lines; those that it does "
                          "not take are in %s",
                          sidecar_name(s), s->log_path);
        else
                log_about(&subject, LOG_WARNING, error,
                          "[%s] its lines are in %s, and not in the journal", sidecar_name(s),
                          s->log_path);
}

static void count_lost(Sidecar *s, uint64_t n, int error) {
        if (n > 0 && s->n_not_in_journal == 0)
                tell_loss(s, error);
        s->n_not_in_journal += n;
}

static int on_retry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata);

static int retry_later(Sidecar *s) {
        int r;

        if (!s->journal_timer)
                return sd_event_add_time_relative(s->supervisor->event, &s->journal_timer,
                                                  CLOCK_MONOTONIC, RETRY_PAUSE_USEC, USEC_PER_MSEC,
                                                  on_retry, s);

        r = sd_event_source_set_time_relative(s->journal_timer, RETRY_PAUSE_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(s->journal_timer, SD_EVENT_ONESHOT);
}

/* 0: all that there is; -EAGAIN: there is no room for more. */
static int send_what_fits(Sidecar *s) {
        LogLine line;

        while (log_ring_get(s->ring, s->journal_next, &line)) {
                int r = send_line(s, &line);

                if (r == -EAGAIN || r == -ENOBUFS)
                        return -EAGAIN;
                count_lost(s, line.number - s->journal_next, -EAGAIN);
                count_lost(s, r < 0 ? 1 : 0, r);
                s->journal_next = line.number + 1;
        }
        return 0;
}

static int on_retry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        if (send_what_fits(userdata) < 0)
                (void) retry_later(userdata);

        return 0;
}

static bool is_for_journal(const Sidecar *s) {
        return s->running && s->running->log_journal;
}

static void journal_lines(Sidecar *s, uint64_t first) {
        int is_waiting = SD_EVENT_OFF;

        if (s->journal_timer)
                (void) sd_event_source_get_enabled(s->journal_timer, &is_waiting);
        if (is_waiting != SD_EVENT_OFF)
                return;

        if (s->journal_next == 0)
                s->journal_next = first;
        if (send_what_fits(s) < 0)
                (void) retry_later(s);
}

/* The line and its form are promised (contract G5). */
static void log_lines(Sidecar *s, uint64_t first) {
        LogSubject subject = sidecar_subject(s, NULL);
        char bytes[LOG_LINE_BYTES_MAX];
        LogLine line;

        for (uint64_t n = first; log_ring_get(s->ring, n, &line); n = line.number + 1) {
                size_t n_bytes = blank_line(s, s->log_ends_in_secret, &line, bytes);

                subject.generation = line.generation;
                log_about(&subject, line.stream == LOG_STDERR ? LOG_WARNING : LOG_INFO, 0,
                          "[%s] %.*s", sidecar_name(s), (int) n_bytes, bytes);
        }
}

void sidecar_tell_lines(Sidecar *s, uint64_t first) {
        if (log_get_max_level() >= LOG_DEBUG)
                log_lines(s, first);
        if (is_for_journal(s))
                journal_lines(s, first);
}

void sidecar_end_journal(Sidecar *s) {
        LogSubject subject = sidecar_subject(s, NULL);

        /* The next generation has other secrets, so this is the last time. */
        if (s->journal_next != 0 && send_what_fits(s) < 0)
                count_lost(s, log_ring_next(s->ring) - s->journal_next, -EAGAIN);
        if (s->n_not_in_journal > 0)
                log_about(&subject, LOG_NOTICE, 0,
                          "[%s] %" PRIu64 " of its lines are not in the journal", sidecar_name(s),
                          s->n_not_in_journal);

        s->journal_timer = sd_event_source_disable_unref(s->journal_timer);
        s->journal_next = 0;
        s->n_not_in_journal = 0;
        memset(s->journal_ends_in_secret, 0, sizeof(s->journal_ends_in_secret));
        memset(s->log_ends_in_secret, 0, sizeof(s->log_ends_in_secret));
}
