/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ManifestHealth
 *
 * "readiness", "liveness" and "watchdog": when to ask, how often, and what follows. How to ask is
 * manifest-probe.c. Both have the same default paths; liveness takes none over from readiness,
 * since a manifest that says one thing in two places is easier to read than one that has to be
 * thought through.
 */

#include <string.h>

#include "model/manifest-kind.h"
#include "util/duration.h"
#include "util/strv.h"

#define LEAST_USEC (50 * USEC_PER_MSEC)

/* What both say of a missing way to ask. */
static int
check_kind(Reader *reader, const Place *place, const ProbeSpec *probe, const char *kinds) {
        if (probe->kind != PROBE_NONE)
                return 0;

        return reader_fail(reader, place, "%s does not say how to probe: add %s", place->key,
                           kinds);
}

static const Row readiness_rows[] = {
        { .name = "http", .kind = &kind_http },
        { .name = "tcp", .kind = &kind_tcp },
        { .name = "exec", .kind = &kind_exec },
        { .name = "log", .kind = &kind_log },
        { .name = "notify", .kind = &kind_notify },
        { .name = "timeout",
          .kind = &kind_duration,
          .offset = offsetof(ProbeSpec, timeout_usec),
          .least = LEAST_USEC,
          .fallback = 2 * USEC_PER_SEC },
        { .name = "interval",
          .kind = &kind_duration,
          .offset = offsetof(ProbeSpec, interval_usec),
          .least = LEAST_USEC,
          .fallback = 500 * USEC_PER_MSEC },
        { .name = "anyOwner", .kind = &kind_boolean, .offset = offsetof(ProbeSpec, any_owner) },
};

static const Table readiness_table = { .rows = readiness_rows,
                                       .n_rows = ELEMENTSOF(readiness_rows) };

static int
readiness_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        int r;

        r = table_read(reader, place, &readiness_table, field);
        return r < 0 ? r
                     : check_kind(reader, place, field,
                                  "\"http\", \"tcp\", \"exec\", \"log\" or \"notify\"");
}

static void readiness_fill(const Row *row _unused_, void *field) {
        table_fill(&readiness_table, field);
}

static int readiness_write(const Row *row _unused_, const void *field, json_object **ret) {
        const ProbeSpec *probe = field;

        if (probe->kind == PROBE_NONE)
                return 0;

        return kind_object.write(&(const Row){ .table = &readiness_table }, field, ret);
}

const Kind kind_readiness = { "an object", TYPE(object), readiness_read, readiness_fill,
                              readiness_write };

/* Of a socket that is handed over tcp says nothing, so what is left of readiness is the exec. */
int probe_imply(SidecarSpec *spec) {
        if (spec->readiness.kind != PROBE_NONE || spec->n_ports == 0 || spec->ports[0].is_socket)
                return 0;

        spec->readiness.kind = PROBE_TCP;
        return free_and_strdup(&spec->readiness.port_name, spec->ports[0].name);
}

static int
on_failure_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        const char *text = place_string(place);

        if (!streq(text, "report") && !streq(text, "restart"))
                return reader_fail(reader, place, "\"%s\": write \"report\" or \"restart\"", text);

        *(bool *) field = streq(text, "restart");
        return 0;
}

static int on_failure_write(const Row *row _unused_, const void *field, json_object **ret) {
        *ret = json_object_new_string(*(const bool *) field ? "restart" : "report");
        return *ret ? 0 : -ENOMEM;
}

static const Kind kind_on_failure = { "\"report\" or \"restart\"", TYPE(string), on_failure_read,
                                      NULL, on_failure_write };

#define PROBE_FIELD(name) (offsetof(LivenessSpec, probe) + offsetof(ProbeSpec, name))

static const Row liveness_rows[] = {
        { .name = "http", .kind = &kind_http, .offset = offsetof(LivenessSpec, probe) },
        { .name = "tcp", .kind = &kind_tcp, .offset = offsetof(LivenessSpec, probe) },
        { .name = "exec", .kind = &kind_exec, .offset = offsetof(LivenessSpec, probe) },
        { .name = "timeout",
          .kind = &kind_duration,
          .offset = PROBE_FIELD(timeout_usec),
          .least = LEAST_USEC,
          .fallback = 2 * USEC_PER_SEC },
        { .name = "interval",
          .kind = &kind_duration,
          .offset = PROBE_FIELD(interval_usec),
          .least = LEAST_USEC,
          .fallback = 10 * USEC_PER_SEC },
        { .name = "failures",
          .kind = &kind_count,
          .offset = offsetof(LivenessSpec, failures),
          .least = 1,
          .most = UINT32_MAX,
          .fallback = 3 },
        { .name = "onFailure",
          .kind = &kind_on_failure,
          .offset = offsetof(LivenessSpec, restart) },
        { .name = "anyOwner", .kind = &kind_boolean, .offset = PROBE_FIELD(any_owner) },
};

static const Table liveness_table = { .rows = liveness_rows, .n_rows = ELEMENTSOF(liveness_rows) };

static int liveness_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        const LivenessSpec *liveness = field;
        int r;

        r = table_read(reader, place, &liveness_table, field);
        return r < 0 ? r
                     : check_kind(reader, place, &liveness->probe, "\"http\", \"tcp\" or \"exec\"");
}

static void liveness_fill(const Row *row _unused_, void *field) {
        table_fill(&liveness_table, field);
}

static int liveness_write(const Row *row _unused_, const void *field, json_object **ret) {
        const LivenessSpec *liveness = field;

        if (liveness->probe.kind == PROBE_NONE)
                return 0;

        return kind_object.write(&(const Row){ .table = &liveness_table }, field, ret);
}

const Kind kind_liveness = { "an object", TYPE(object), liveness_read, liveness_fill,
                             liveness_write };

static int watchdog_read(Reader *reader, const Place *place, const Row *row, void *field) {
        return kind_duration.read(reader, place, row, field);
}

static int watchdog_write(const Row *row, const void *field, json_object **ret) {
        return *(const uint64_t *) field > 0 ? kind_duration.write(row, field, ret) : 0;
}

const Kind kind_watchdog = { "a duration such as \"30s\"", TYPE(string), watchdog_read, NULL,
                             watchdog_write };
