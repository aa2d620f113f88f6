/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ManifestStop
 *
 * "http" of "stop": the request that asks a sidecar to end. It is a probe that is sent once, to the
 * port that the endpoint goes by, or else to the socket that its health is asked at.
 */

#include "model/manifest-kind.h"
#include "util/duration.h"
#include "util/strv.h"

#define ANSWER_WITHIN_USEC (2 * USEC_PER_SEC)

static int method_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        static const char *const methods[] = { "POST", "GET", "DELETE" };

        for (size_t i = 0; i < ELEMENTSOF(methods); i++)
                if (streq(methods[i], place_string(place))) {
                        *(const char **) field = methods[i];
                        return 0;
                }

        return reader_fail(reader, place, "\"%s\": write \"POST\", \"GET\" or \"DELETE\"",
                           place_string(place));
}

static void method_fill(const Row *row _unused_, void *field) {
        *(const char **) field = "POST";
}

static int method_write(const Row *row _unused_, const void *field, json_object **ret) {
        *ret = json_object_new_string(*(const char *const *) field);
        return *ret ? 0 : -ENOMEM;
}

static const Kind kind_method = { "\"POST\", \"GET\" or \"DELETE\"", TYPE(string), method_read,
                                  method_fill, method_write };

static int path_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        int r = reader_check_path(reader, place);

        return r < 0 ? r : strv_extend(field, place_string(place));
}

static int path_write(const Row *row _unused_, const void *field, json_object **ret) {
        *ret = json_object_new_string((*(char **const *) field)[0]);
        return *ret ? 0 : -ENOMEM;
}

static const Kind kind_path = { "a path such as \"/shutdown\"", TYPE(string), path_read, NULL,
                                path_write };

static const Row rows[] = {
        { .name = "method", .kind = &kind_method, .offset = offsetof(ProbeSpec, method) },
        { .name = "headers", .kind = &kind_headers, .offset = offsetof(ProbeSpec, headers) },
        { .name = "path",
          .kind = &kind_path,
          .offset = offsetof(ProbeSpec, paths),
          .is_required = true },
};

static const Table table = { .rows = rows, .n_rows = ELEMENTSOF(rows) };

static const char *find_socket(const SidecarSpec *spec) {
        return spec->readiness.unix_socket ? spec->readiness.unix_socket
                                           : spec->liveness.probe.unix_socket;
}

static bool has_somebody_to_ask(const SidecarSpec *spec) {
        return spec->n_ports > 0 || find_socket(spec);
}

static int find_address(const SidecarSpec *spec, ProbeSpec *http) {
        return spec->n_ports > 0 ? free_and_strdup(&http->port_name, spec->ports[0].name)
                                 : free_and_strdup(&http->unix_socket, find_socket(spec));
}

/* "defaults" come before any sidecar, and own nothing: this is only whether they would do. */
static int check_default(Reader *reader, const Place *place) {
        ProbeSpec http = { 0 };
        int r;

        r = table_read(reader, place, &table, &http);
        strv_free(http.paths);
        strv_free(http.headers);
        return r;
}

/* Any other answer, a redirect too, is none that it will end. */
static int set_alive(ProbeSpec *http) {
        http->alive = calloc(1, sizeof(StatusRange));
        if (!http->alive)
                return -ENOMEM;

        http->alive[0] = (StatusRange){ 200, 299 };
        http->n_alive = 1;
        return 0;
}

static int
stop_http_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        ProbeSpec *http = field;
        int r;

        if (!reader->spec)
                return check_default(reader, place);
        if (!has_somebody_to_ask(reader->spec))
                return reader_fail(reader, place,
                                   "there is no port to ask at: declare \"port\" for the sidecar");

        table_fill(&table, http);
        r = table_read(reader, place, &table, http);
        if (r >= 0)
                r = find_address(reader->spec, http);
        if (r >= 0)
                r = set_alive(http);
        if (r < 0)
                return r;

        http->kind = PROBE_HTTP;
        http->timeout_usec = ANSWER_WITHIN_USEC;
        return 0;
}

static int stop_http_write(const Row *row _unused_, const void *field, json_object **ret) {
        if (((const ProbeSpec *) field)->kind == PROBE_NONE)
                return 0;

        return kind_object.write(&(const Row){ .table = &table }, field, ret);
}

const Kind kind_stop_http = { "an object", TYPE(object), stop_http_read, NULL, stop_http_write };

int stop_imply(Reader *reader, const Place *sidecar) {
        const Place *document = sidecar->parent->parent;
        ProbeSpec *http = &reader->spec->stop_http;
        Place defaults, stop, place;

        if (http->kind != PROBE_NONE || !has_somebody_to_ask(reader->spec) ||
            !place_find(document, "defaults", &defaults) || !place_find(&defaults, "stop", &stop) ||
            !place_find(&stop, "http", &place))
                return 0;

        return stop_http_read(reader, &place, NULL, http);
}
