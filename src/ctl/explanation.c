/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Explanation
 *
 * Keys that it does not know are passed over: a later daemon may say more.
 */

#include <string.h>

#include "ctl/explanation.h"
#include "ctl/text.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/format.h"
#include "util/strv.h"

typedef struct Member {
        const char *key, *type;
        void *target;
} Member;

/* One entry of a dictionary, the key of which has been read. */
static int read_member(sd_bus_message *reply, const char *key, const Member *members, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (streq(members[i].key, key))
                        return sd_bus_message_read(reply, "v", members[i].type, members[i].target);

        return sd_bus_message_skip(reply, "v");
}

/* What is left of a dictionary that has been entered. */
static int read_members(sd_bus_message *reply, const Member *members, size_t n) {
        const char *key;
        int r;

        while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = sd_bus_message_read_basic(reply, 's', &key);
                if (r >= 0)
                        r = read_member(reply, key, members, n);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }

        return r;
}

static int read_generation(sd_bus_message *reply, Explanation *why) {
        ExplainedGeneration generation = { .reason = "" };
        const Member members[] = {
                { "generation", "t", &generation.number },
                { "started-at", "t", &generation.started_at },
                { "ready-at", "t", &generation.ready_at },
                { "ended-at", "t", &generation.ended_at },
                { "reason", "s", &generation.reason },
        };
        int r = read_members(reply, members, ELEMENTSOF(members));

        if (r >= 0 && why->n_generations < EXPLANATION_GENERATIONS_MAX)
                why->generations[why->n_generations++] = generation;

        return r;
}

static int read_generations(sd_bus_message *reply, Explanation *why) {
        int r;

        r = sd_bus_message_enter_container(reply, 'v', "aa{sv}");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "a{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'a', "{sv}")) > 0) {
                r = read_generation(reply, why);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);

        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static int read_missing_limits(sd_bus_message *reply, Explanation *why) {
        const char *sentence;
        int r;

        r = sd_bus_message_enter_container(reply, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read_basic(reply, 's', &sentence)) > 0)
                if (why->n_missing_limits < EXPLANATION_LIMITS_MAX)
                        why->missing_limits[why->n_missing_limits++] = sentence;
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);

        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static int read_last_probe(sd_bus_message *reply, ExplainedProbe *probe) {
        const Member members[] = {
                { "realtime-usec", "t", &probe->at }, { "healthy", "b", &probe->is_healthy },
                { "status", "u", &probe->status },    { "latency-usec", "t", &probe->latency_usec },
                { "error", "s", &probe->error },
        };
        int r;

        r = sd_bus_message_enter_container(reply, 'v', "a{sv}");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = read_members(reply, members, ELEMENTSOF(members));
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);

        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static int read_entry(sd_bus_message *reply,
                      const char *key,
                      Explanation *why,
                      const Member *members,
                      size_t n_members) {
        if (streq(key, "generations"))
                return read_generations(reply, why);
        if (streq(key, "limits-missing"))
                return read_missing_limits(reply, why);
        if (streq(key, "last-probe"))
                return read_last_probe(reply, &why->last_probe);

        return read_member(reply, key, members, n_members);
}

int explanation_read(Explanation *ret, sd_bus_message *reply) {
        Explanation why = { "", "", "", "", "", .last_probe.error = "" };
        const Member members[] = {
                { "status", "s", &why.status },
                { "sub-state", "s", &why.sub_state },
                { "reason", "s", &why.reason },
                { "since", "t", &why.since },
                { "next-action", "s", &why.next_action },
                { "next-action-at", "t", &why.next_action_at },
                { "unblocked-by", "s", &why.unblocked_by },
        };
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                const char *key;

                r = sd_bus_message_read_basic(reply, 's', &key);
                if (r >= 0)
                        r = read_entry(reply, key, &why, members, ELEMENTSOF(members));
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        *ret = why;
        return 0;
}

char *explanation_next(const Explanation *explanation) {
        uint64_t now = clock_realtime_usec(), at = explanation->next_action_at;
        char in[DURATION_TEXT_MAX];

        if (at <= now)
                return strdup(explanation->next_action);

        return format_text("%s, in %s", explanation->next_action, duration_say(in, at - now));
}

/* "HTTP 200 after 3 ms, 2 s ago" */
char *explanation_last_probe(const Explanation *explanation) {
        const ExplainedProbe *probe = &explanation->last_probe;
        char latency[DURATION_TEXT_MAX], ago[DURATION_TEXT_MAX], status[32] = "healthy";
        uint64_t now = clock_realtime_usec();

        if (probe->at == 0)
                return strdup("");

        (void) duration_say(ago, now > probe->at ? now - probe->at : 0);
        if (!probe->is_healthy)
                return format_text("%s, %s ago", *probe->error ? probe->error : "unhealthy", ago);

        if (probe->status > 0)
                (void) snprintf(status, sizeof(status), "HTTP %u", probe->status);
        return format_text("%s after %s, %s ago", status,
                           duration_say(latency, probe->latency_usec), ago);
}
