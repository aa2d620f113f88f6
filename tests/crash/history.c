/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * History
 *
 * An event is looked at as what it says of a life, and remembered as a digest of all of its text.
 */

#include <check.h>
#include <string.h>

#include "calls.h"
#include "flaws.h"
#include "history.h"

#define N_REMEMBERED 64
#define N_READ_AGAIN 8

typedef struct Event {
        uint64_t seq;
        uint64_t digest;
        char type[32];
        char sidecar[32];
        char sub_state[32];
        uint64_t generation;
        bool has_exit;
        int32_t exit_code;
        int32_t signal;
} Event;

HistoryFigures history_figures;

static uint64_t last_seq;
static uint64_t digests[N_REMEMBERED];

/* FNV-1a */
static void digest(uint64_t *value, const void *bytes, size_t size) {
        for (size_t i = 0; i < size; i++)
                *value = (*value ^ ((const uint8_t *) bytes)[i]) * UINT64_C(1099511628211);
}

/* Basic types are all that an event has. */
static void read_entry(sd_bus_message *reply, Event *event) {
        union {
                const char *s;
                uint64_t t;
                uint32_t u;
                int32_t i;
        } value = { 0 };
        const char *key, *content;
        char type;

        ck_assert_int_gt(sd_bus_message_read(reply, "s", &key), 0);
        ck_assert_int_gt(sd_bus_message_peek_type(reply, NULL, &content), 0);
        if (strlen(content) != 1) {
                ck_assert_int_gt(sd_bus_message_skip(reply, "v"), 0);
                return;
        }

        type = content[0];
        ck_assert_int_gt(sd_bus_message_read(reply, "v", content, &value), 0);
        digest(&event->digest, key, strlen(key));
        if (type == 's')
                digest(&event->digest, value.s, strlen(value.s));
        else
                digest(&event->digest, &value, sizeof(value));

        if (streq(key, "seq"))
                event->seq = value.t;
        else if (streq(key, "type"))
                (void) snprintf(event->type, sizeof(event->type), "%s", value.s);
        else if (streq(key, "sidecar"))
                (void) snprintf(event->sidecar, sizeof(event->sidecar), "%s", value.s);
        else if (streq(key, "sub-state"))
                (void) snprintf(event->sub_state, sizeof(event->sub_state), "%s", value.s);
        else if (streq(key, "generation"))
                event->generation = value.t;
        else if (streq(key, "signal"))
                event->signal = value.i;
        else if (streq(key, "exit-code")) {
                event->has_exit = true;
                event->exit_code = value.i;
        }
}

static void note_exit(const Event *event) {
        Life *life = NULL;

        for (size_t i = 0; i < N_SIDECARS; i++)
                if (streq(sidecars[i].name, event->sidecar)) {
                        lives_read(&sidecars[i]);
                        life = lives_find(&sidecars[i], event->generation);
                }

        history_figures.n_exits++;
        /* A SIGTERM may come before the first instruction of main(): then no stamp tells of it. */
        if (!life && event->signal == SIGTERM)
                return;
        if (!life || life->ended_usec == 0 || event->signal != 0 || event->exit_code != life->code)
                flaw(FLAW_EXIT_CODE,
                     "event %" PRIu64 ", %s %s: generation %" PRIu64 " with code %d, signal %d; %s "
                     "%d",
                     event->seq, event->sidecar, event->sub_state, event->generation,
                     event->exit_code, event->signal,
                     !life                   ? "there was no such life,"
                     : life->ended_usec == 0 ? "it has not ended by itself,"
                                             : "it was",
                     life ? life->code : 0);
        if (life)
                life->n_exits_told++;
}

static void take(const Event *event) {
        uint64_t *known = &digests[event->seq % N_REMEMBERED];

        if (event->seq <= last_seq) {
                if (*known != event->digest)
                        flaw(FLAW_EVENT, "event %" PRIu64 " (%s %s %s) is not what it was",
                             event->seq, event->type, event->sidecar, event->sub_state);
                return;
        }

        if (event->seq != last_seq + 1 && last_seq > 0)
                flaw(FLAW_EVENT, "event %" PRIu64 " (%s %s %s) comes after %" PRIu64, event->seq,
                     event->type, event->sidecar, event->sub_state, last_seq);
        last_seq = event->seq;
        *known = event->digest;
        history_figures.n_events++;
        history_figures.n_adopted += streq(event->type, "adopted");
        history_figures.n_brain_restarted += streq(event->type, "brain-restarted");
        history_figures.n_log_dropped += streq(event->type, "log-dropped");
        if (event->has_exit)
                note_exit(event);
}

static uint64_t read_page(World *w, uint64_t after, uint64_t wait_usec) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t last;
        int r;

        r = world_call(w, WORLD_PATH, "Manager", "GetEvents", &error, &reply, "ta{sv}", after, 1,
                       "wait-usec", "t", wait_usec);
        ck_assert_msg(r >= 0, "GetEvents: %s: %s", error.name, error.message);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "a{sv}"), 0);
        while (sd_bus_message_enter_container(reply, 'a', "{sv}") > 0) {
                Event event = { .digest = UINT64_C(14695981039346656037) };

                while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                        read_entry(reply, &event);
                        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                }
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                take(&event);
        }
        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        ck_assert_int_gt(sd_bus_message_read(reply, "t", &last), 0);
        return last;
}

void history_read(World *w, uint64_t wait_usec) {
        uint64_t before = last_seq, last;

        last = read_page(w, last_seq > N_READ_AGAIN ? last_seq - N_READ_AGAIN : 0, 0);
        if (last < last_seq)
                flaw(FLAW_EVENT, "the last event is %" PRIu64 ", and was %" PRIu64, last, last_seq);
        if (last_seq == before && wait_usec > 0)
                (void) read_page(w, last_seq, wait_usec);
}

void history_check_exits(void) {
        for (size_t i = 0; i < N_SIDECARS; i++)
                for (size_t k = 0; k < sidecars[i].n_lives; k++) {
                        const Life *life = &sidecars[i].lives[k];

                        if (life->ended_usec > 0 &&
                            (life->n_exits_told > 1 || (life->was_told && life->n_exits_told < 1)))
                                flaw(FLAW_EXIT_CODE,
                                     "%s: %zu events tell that generation %" PRIu64
                                     " exited with %d",
                                     sidecars[i].name, life->n_exits_told, life->generation,
                                     life->code);
                }
}
