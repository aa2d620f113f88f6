/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Explanation
 *
 * What is there in numbers, as generations are, is read as far as there is room for it.
 */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ctl/dictionary.h"
#include "ctl/explanation.h"
#include "ctl/text.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/format.h"

static int read_generation(sd_bus_message *reply, Explanation *why) {
        ExplainedGeneration generation = { .reason = "" };
        const DictionaryMember members[] = {
                { "generation", "t", &generation.number },
                { "started-at", "t", &generation.started_at },
                { "ready-at", "t", &generation.ready_at },
                { "ended-at", "t", &generation.ended_at },
                { "reason", "s", &generation.reason },
        };
        int r = dictionary_read(reply, members, ELEMENTSOF(members));

        if (r >= 0 && why->n_generations < EXPLANATION_GENERATIONS_MAX)
                why->generations[why->n_generations++] = generation;

        return r;
}

static int read_generations(sd_bus_message *reply, void *target) {
        int r;

        r = sd_bus_message_enter_container(reply, 'v', "aa{sv}");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "a{sv}");
        while (r >= 0 && (r = sd_bus_message_at_end(reply, false)) == 0)
                r = read_generation(reply, target);
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);

        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static int read_missing_limits(sd_bus_message *reply, void *target) {
        Explanation *why = target;
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

static int read_last_probe(sd_bus_message *reply, void *target) {
        ExplainedProbe *probe = &((Explanation *) target)->last_probe;
        const DictionaryMember members[] = {
                { "realtime-usec", "t", &probe->at }, { "healthy", "b", &probe->is_healthy },
                { "status", "u", &probe->status },    { "latency-usec", "t", &probe->latency_usec },
                { "error", "s", &probe->error },
        };
        int r;

        r = sd_bus_message_enter_container(reply, 'v', "a{sv}");
        if (r >= 0)
                r = dictionary_read(reply, members, ELEMENTSOF(members));

        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

int explanation_read(Explanation *ret, sd_bus_message *reply) {
        Explanation why = { "", "", "", "", "", .last_probe.error = "" };
        const DictionaryMember members[] = {
                { "status", "s", &why.status },
                { "sub-state", "s", &why.sub_state },
                { "reason", "s", &why.reason },
                { "since", "t", &why.since },
                { "next-action", "s", &why.next_action },
                { "next-action-at", "t", &why.next_action_at },
                { "unblocked-by", "s", &why.unblocked_by },
                { "last-probe", NULL, &why, read_last_probe },
                { "limits-missing", NULL, &why, read_missing_limits },
                { "generations", NULL, &why, read_generations },
        };
        int r = dictionary_read(reply, members, ELEMENTSOF(members));

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
