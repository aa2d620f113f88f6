/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Explain
 *
 * Nothing is found out here: what a failure left behind was gathered when it happened.
 */

#include "bus/explain.h"
#include "bus/sidecar-object.h"
#include "model/next-action.h"
#include "util/clock.h"

static int append_state(sd_bus_message *reply, const Sidecar *s) {
        _cleanup_free_ char *reason = sidecar_reason(s);
        const char *code = reason_code_to_string(lifecycle_reason_code(&s->life));

        if (!reason)
                return -ENOMEM;

        return sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}", "status", "s",
                                     status_to_string(s->life.status), "sub-state", "s",
                                     sub_state_to_string(s->life.sub_state), "reason-code", "s",
                                     code, "reason", "s", reason, "since", "t", s->changed_at_usec);
}

static int open_entry(sd_bus_message *reply, const char *key, const char *contents) {
        int r;

        r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append_basic(reply, 's', key);

        return r < 0 ? r : sd_bus_message_open_container(reply, 'v', contents);
}

static int close_entry(sd_bus_message *reply) {
        int r;

        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_facts(sd_bus_message *reply, const Sidecar *s) {
        int r;

        r = open_entry(reply, "facts", "a{sv}");
        if (r >= 0)
                r = sidecar_append_facts(reply, s);

        return r < 0 ? r : close_entry(reply);
}

/* Empty where nothing was asked. */
static int append_last_probe(sd_bus_message *reply, const Sidecar *s) {
        const LastProbe *last = &s->last_probe;
        int r;

        r = open_entry(reply, "last-probe", "a{sv}");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0 && last->at_usec != 0)
                r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}", "realtime-usec", "t",
                                          last->at_usec, "healthy", "b", last->is_healthy, "status",
                                          "u", last->status, "latency-usec", "t",
                                          last->latency_usec, "error", "s",
                                          s->probe_error ? s->probe_error : "");
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : close_entry(reply);
}

static int append_missing_limits(sd_bus_message *reply, const Sidecar *s) {
        int r;

        r = open_entry(reply, "limits-missing", "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(reply, s->missing_limits);

        return r < 0 ? r : close_entry(reply);
}

static int append_last_words(sd_bus_message *reply, const Sidecar *s) {
        bool applies = s->life.failed || s->life.backoff;
        char *words[] = { applies ? s->evidence.last_words : NULL, NULL };
        int r;

        r = open_entry(reply, "last-words", "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(reply, words);

        return r < 0 ? r : close_entry(reply);
}

static int append_next(sd_bus_message *reply, const Sidecar *s) {
        uint64_t now = clock_monotonic_usec(), at;
        _cleanup_free_ char *text = next_action_text(&s->life, s->waits_for, now, &at);

        if (!text)
                return -ENOMEM;
        if (at != 0)
                at = clock_realtime_usec() + at - now;

        return sd_bus_message_append(reply, "{sv}{sv}{sv}", "next-action", "s", text,
                                     "next-action-at", "t", at, "unblocked-by", "s",
                                     next_action_remedy(&s->life, s->evidence.port != 0,
                                                        s->evidence.last_words != NULL));
}

static int append_generation(sd_bus_message *reply, const Generation *generation) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(
                        reply, "{sv}{sv}{sv}{sv}", "generation", "t", generation->number,
                        "started-at", "t", generation->started_at_usec, "ready-at", "t",
                        generation->ready_at_usec, "ended-at", "t", generation->ended_at_usec);
        if (r >= 0 && generation->ended_at_usec != 0)
                r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}", "reason-code", "s",
                                          reason_code_to_string(generation->reason_code), "reason",
                                          "s", generation->reason ? generation->reason : "",
                                          "exit-code", "i", generation->exit_code, "signal", "i",
                                          generation->exit_signal);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_generations(sd_bus_message *reply, const Sidecar *s) {
        int r;

        r = open_entry(reply, "generations", "aa{sv}");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < GENERATIONS_KEPT; i++)
                if (s->generations[i].number != 0)
                        r = append_generation(reply, &s->generations[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : close_entry(reply);
}

int method_explain(sd_bus_message *message, void *userdata, sd_bus_error *ret_error _unused_) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Sidecar *s = userdata;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = append_state(reply, s);
        if (r >= 0)
                r = append_facts(reply, s);
        if (r >= 0)
                r = append_last_words(reply, s);
        if (r >= 0)
                r = append_last_probe(reply, s);
        if (r >= 0)
                r = append_missing_limits(reply, s);
        if (r >= 0)
                r = append_next(reply, s);
        if (r >= 0)
                r = append_generations(reply, s);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
