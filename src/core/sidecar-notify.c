/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: what it says of itself
 *
 * Messages of sd_notify(3) from any process of the tree, proven to be one at receipt. MAINPID= is
 * checked and not acted on: the main process is the one that was started, whose end the keeper
 * sees. A text (STATUS=) is told twice a second at most.
 */

#include <inttypes.h>
#include <stdio.h>

#include "core/records.h"
#include "core/sidecar-parts.h"
#include "core/supervisor.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/log.h"
#include "util/mkdir.h"
#include "util/strv.h"

#define STATUS_PAUSE_USEC (500 * USEC_PER_MSEC)
#define STATUS_ACCURACY_USEC (50 * USEC_PER_MSEC)

/* What makes a next step thinkable. Food for the watchdog does not: its timer looks when it fires.
 */
#define MAKES_A_STEP \
        (NOTIFY_READY | NOTIFY_EXTEND_TIMEOUT | NOTIFY_WATCHDOG_TRIGGER | NOTIFY_WATCHDOG_TIMEOUT)

static bool is_its_own(const Sidecar *s, pid_t pid) {
        return pid == s->main_pid || tree_has(s->tree, pid);
}

static int on_status_pause(sd_event_source *source, uint64_t usec, void *userdata);

static int arm_status_timer(Sidecar *s) {
        if (!s->status_timer)
                return sd_event_add_time_relative(s->supervisor->event, &s->status_timer,
                                                  CLOCK_MONOTONIC, STATUS_PAUSE_USEC,
                                                  STATUS_ACCURACY_USEC, on_status_pause, s);

        (void) sd_event_source_set_time_relative(s->status_timer, STATUS_PAUSE_USEC);
        return sd_event_source_set_enabled(s->status_timer, SD_EVENT_ONESHOT);
}

static void tell_status_text(Sidecar *s) {
        s->status_is_news = false;
        (void) arm_status_timer(s);
        record_sidecar(s);
        s->supervisor->observer->on_sidecar_changed(s, s->supervisor->observer_userdata);
}

static int
on_status_pause(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Sidecar *s = userdata;

        if (s->status_is_news)
                tell_status_text(s);
        return 0;
}

static void take_status_text(Sidecar *s, const char *text) {
        int is_pausing = SD_EVENT_OFF;

        if (s->status_text && streq(s->status_text, text))
                return;
        if (free_and_strdup(&s->status_text, text) < 0)
                return;

        if (s->status_timer)
                (void) sd_event_source_get_enabled(s->status_timer, &is_pausing);
        s->status_is_news = true;
        if (is_pausing == SD_EVENT_OFF)
                tell_status_text(s);
}

static void take_facts(Sidecar *s, const NotifyMessage *message) {
        uint64_t now = clock_monotonic_usec();
        Lifecycle *life = &s->life;

        if (message->said & (NOTIFY_RELOADING | NOTIFY_STOPPING))
                lifecycle_on_said_busy(life, true, now);
        if (message->said & NOTIFY_READY) {
                lifecycle_on_said_busy(life, false, now);
                if (s->running->readiness.kind == PROBE_NOTIFY)
                        lifecycle_on_said_ready(life, now);
        }
        if (message->said & NOTIFY_EXTEND_TIMEOUT)
                lifecycle_on_extended(life, message->extend_timeout_usec, now);
        if (message->said & NOTIFY_WATCHDOG_TIMEOUT)
                lifecycle_on_watchdog_set(life, message->watchdog_timeout_usec, now);
        if (message->said & NOTIFY_WATCHDOG)
                lifecycle_on_fed(life, now);
        if (message->said & NOTIFY_WATCHDOG_TRIGGER)
                lifecycle_on_watchdog_triggered(life, now);
}

static void on_message(const NotifyMessage *message, pid_t sender, void *userdata) {
        Sidecar *s = userdata;

        if (!is_its_own(s, sender)) {
                log_debug("[%s] pid %d is none of its processes, and is not heard", sidecar_name(s),
                          (int) sender);
                return;
        }
        if (message->said & NOTIFY_MAIN_PID && !is_its_own(s, message->main_pid))
                log_warning("[%s] it says MAINPID=%d, which is none of its processes",
                            sidecar_name(s), (int) message->main_pid);

        /* The text wakes who waits, and is so told after the state that goes with it. */
        take_facts(s, message);
        if (message->said & MAKES_A_STEP)
                sidecar_converge(s);
        if (message->said & NOTIFY_STATUS)
                take_status_text(s, message->status);
}

static int make_socket(Sidecar *s) {
        _cleanup_free_ char *folder = NULL, *path = NULL;
        sd_event *event = s->supervisor->event;
        int r;

        /* By its slot, since the address of a socket has room for 107 bytes. */
        if (asprintf(&folder, "%s/notify", s->supervisor->runtime_dir) < 0 ||
            asprintf(&path, "%s/%" PRIu32, folder, tree_slot(s->tree)) < 0)
                return -ENOMEM;

        r = notify_socket_new(&s->notify, event, path, on_message, s);
        if (r != -ENOENT)
                return r;

        r = mkdir_parents(folder, 0700);
        return r < 0 ? r : notify_socket_new(&s->notify, event, path, on_message, s);
}

int sidecar_open_notify(Sidecar *s) {
        sidecar_close_notify(s);
        return make_socket(s);
}

void sidecar_adopt_notify(Sidecar *s, int fd) {
        int r;

        if (fd < 0)
                return;

        r = notify_socket_adopt(&s->notify, s->supervisor->event, fd, on_message, s);
        if (r < 0) {
                (void) log_warning_errno(r, "[%s] what it says of itself is not heard any more",
                                         sidecar_name(s));
                safe_close(fd);
        }
}

void sidecar_hear_notify(Sidecar *s) {
        int r = s->notify ? notify_socket_listen(s->notify) : 0;

        if (r < 0)
                (void) log_warning_errno(r, "[%s] what it says of itself is not heard",
                                         sidecar_name(s));
}

void sidecar_drain_notify(Sidecar *s) {
        if (s->notify)
                notify_socket_drain(s->notify);
}

void sidecar_close_notify(Sidecar *s) {
        if (s->notify)
                notify_socket_remove_path(s->notify);
        s->notify = notify_socket_free(s->notify);
        s->status_timer = sd_event_source_disable_unref(s->status_timer);
        s->status_text = (free(s->status_text), NULL);
        s->status_is_news = false;
}
