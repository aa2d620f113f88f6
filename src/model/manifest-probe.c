/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ManifestProbe
 *
 * "http", "tcp" and "exec", the ways to ask a sidecar how it is, and "log" and "notify", by which
 * it says so unasked. What goes into a request is checked here for what would end a line of HTTP or
 * a URL: a manifest is the only hand that writes them.
 */

#include <stdio.h>
#include <string.h>

#include "model/log-pattern.h"
#include "model/manifest-kind.h"
#include "util/strv.h"

#define PATHS_MAX 8
#define STATUS_LOW 200 /* what is alive by default (contract R2) */
#define STATUS_HIGH 399

/* RFC 9110, section 5.6.2: what a field name is made of */
#define TOKEN LOWER_CASE UPPER_CASE DIGITS "!#$%&'*+-.^_`|~"

static bool has_control(const char *text, unsigned char least) {
        for (const unsigned char *c = (const unsigned char *) text; *c; c++)
                if (*c < least || *c == 0x7F)
                        return true;

        return false;
}

/* A number that is declared stands for its port, which may move. */
static int number_read(Reader *reader, const Place *place, ProbeSpec *probe) {
        const SidecarSpec *spec = reader->spec;
        int64_t number = json_object_get_int64(place->value);

        if (number < 1 || number > UINT16_MAX)
                return reader_fail(reader, place, "port %lld: ports are from 1 to 65535",
                                   (long long) number);

        for (size_t i = 0; i < spec->n_ports; i++)
                if (spec->ports[i].number == number)
                        return free_and_strdup(&probe->port_name, spec->ports[i].name);

        probe->port_number = (uint16_t) number;
        return 0;
}

static int port_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        ProbeSpec *probe = field;

        if (json_object_is_type(place->value, json_type_int))
                return number_read(reader, place, probe);
        if (!sidecar_spec_find_port(reader->spec, place_string(place)))
                return reader_fail(reader, place,
                                   "the sidecar has no port \"%s\": declare it under \"ports\"",
                                   place_string(place));

        return free_and_strdup(&probe->port_name, place_string(place));
}

static int port_write(const Row *row _unused_, const void *field, json_object **ret) {
        const ProbeSpec *probe = field;

        if (probe->unix_socket)
                return 0;

        *ret = probe->port_name ? json_object_new_string(probe->port_name)
                                : json_object_new_int(probe->port_number);
        return *ret ? 0 : -ENOMEM;
}

static const Kind kind_probe_port = { "a number or the name of a port", TYPE(int) | TYPE(string),
                                      port_read, NULL, port_write };

static int socket_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        const char *text = place_string(place);
        int r;

        if (text[0] != '/' && !startswith(text, "{stateDir}") && !startswith(text, "{runtimeDir}"))
                return reader_fail(reader, place,
                                   "\"%s\" is not absolute: begin it with \"/\" or {runtimeDir}",
                                   text);
        r = reader_check_template(reader, place);
        return r < 0 ? r : free_and_strdup(field, text);
}

static int text_write_if(const Row *row, const void *field, json_object **ret) {
        return *(char *const *) field ? kind_text.write(row, field, ret) : 0;
}

static const Kind kind_socket = { "the path of a socket", TYPE(string), socket_read, NULL,
                                  text_write_if };

int reader_check_path(Reader *reader, const Place *place) {
        const char *text;
        int r;

        r = reader_check_type(reader, place, TYPE(string), "a path such as \"/health\"");
        if (r < 0)
                return r;

        text = place_string(place);
        if (text[0] != '/')
                return reader_fail(reader, place, "\"%s\": a path begins with \"/\"", text);
        if (has_control(text, ' ' + 1))
                return reader_fail(reader, place,
                                   "a path has no spaces or control characters: write %%20");

        return reader_check_template(reader, place);
}

static int path_read(Reader *reader, const Place *place, char ***paths) {
        int r = reader_check_path(reader, place);

        return r < 0 ? r : strv_extend(paths, place_string(place));
}

static int paths_read(Reader *reader, const Place *place, const Row *row, void *field) {
        size_t n;
        int r;

        if (json_object_is_type(place->value, json_type_string))
                return path_read(reader, place, field);

        n = json_object_array_length(place->value);
        if (n < 1 || n > PATHS_MAX)
                return reader_fail(reader, place, "\"%s\" has %zu paths, and must have 1 to %d",
                                   row->name, n, PATHS_MAX);

        for (Place item = place_first(place); place_is_there(&item); place_next(&item)) {
                r = path_read(reader, &item, field);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int paths_write(const Row *row _unused_, const void *field, json_object **ret) {
        return json_new_strv(ret, *(char **const *) field);
}

static const Kind kind_paths = { "a path such as \"/health\", or a list of them",
                                 TYPE(string) | TYPE(array), paths_read, NULL, paths_write };

static int header_check(Reader *reader, const Place *place) {
        int r;

        if (!place->key[0] || !text_is_of(place->key, TOKEN))
                return reader_fail(reader, place,
                                   "\"%s\" is no name of a header: take letters, digits and \"-\"",
                                   place->key);
        r = reader_check_type(reader, place, TYPE(string), "a string");
        if (r < 0)
                return r;
        if (has_control(place_string(place), ' '))
                return reader_fail(reader, place,
                                   "a header is one line without control characters");

        return reader_check_secret_template(reader, place);
}

static int headers_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        char ***headers = field;
        int r;

        for (Place member = place_first(place); place_is_there(&member); place_next(&member)) {
                r = header_check(reader, &member);
                if (r >= 0)
                        r = strv_extendf(headers, "%s: %s", member.key, place_string(&member));
                if (r < 0)
                        return r;
        }

        return 0;
}

static int headers_write(const Row *row _unused_, const void *field, json_object **ret) {
        _cleanup_(json_object_putp) json_object *object = json_object_new_object();
        int r;

        if (!object)
                return -ENOMEM;

        STRV_FOREACH (header, *(char **const *) field) {
                size_t n = strcspn(*header, ":");
                _cleanup_free_ char *name = strndup(*header, n);

                r = !name ? -ENOMEM
                          : json_put(object, name, json_object_new_string(*header + n + 2));
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(object);
        return 0;
}

const Kind kind_headers = { "an object of names and strings", TYPE(object), headers_read, NULL,
                            headers_write };

/* Three digits, the first from 1 to 5; goes behind them. */
static int status_code_parse(const char **text, uint16_t *ret) {
        const char *at = *text;

        if (at[0] < '1' || at[0] > '5' || at[1] < '0' || at[1] > '9' || at[2] < '0' || at[2] > '9')
                return -EINVAL;

        *ret = (uint16_t) ((at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0'));
        *text += 3;
        return 0;
}

static int status_range_parse(const char **text, StatusRange *ret) {
        StatusRange range;
        int r;

        r = status_code_parse(text, &range.low);
        if (r < 0)
                return r;

        range.high = range.low;
        if (**text == '-') {
                (*text)++;
                r = status_code_parse(text, &range.high);
                if (r < 0)
                        return r;
        }
        if (range.high < range.low)
                return -EINVAL;

        *ret = range;
        return 0;
}

static int probe_add_status(ProbeSpec *probe, const StatusRange *range) {
        StatusRange *grown = reallocarray(probe->alive, probe->n_alive + 1, sizeof(StatusRange));

        if (!grown)
                return -ENOMEM;

        probe->alive = grown;
        probe->alive[probe->n_alive++] = *range;
        return 0;
}

static int status_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        const char *text = place_string(place);
        int r;

        for (;;) {
                StatusRange range;

                r = status_range_parse(&text, &range);
                if (r < 0 || (*text && *text != ','))
                        return reader_fail(
                                reader, place,
                                "\"%s\" is no list of status codes: write one as \"200-399,401\"",
                                place_string(place));
                r = probe_add_status(field, &range);
                if (r < 0 || !*text)
                        return r;
                text++;
        }
}

static int status_write(const Row *row _unused_, const void *field, json_object **ret) {
        const ProbeSpec *probe = field;
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return -ENOMEM;

        for (size_t i = 0; i < probe->n_alive; i++) {
                (void) fprintf(out, "%s%u", i > 0 ? "," : "", probe->alive[i].low);
                if (probe->alive[i].high > probe->alive[i].low)
                        (void) fprintf(out, "-%u", probe->alive[i].high);
        }
        if (fclose(out) < 0)
                return -ENOMEM;

        *ret = json_object_new_string(text);
        return *ret ? 0 : -ENOMEM;
}

static const Kind kind_status = { "status codes such as \"200-399\"", TYPE(string), status_read,
                                  NULL, status_write };

static const Row http_rows[] = {
        { .name = "path", .kind = &kind_paths, .offset = offsetof(ProbeSpec, paths) },
        { .name = "port", .kind = &kind_probe_port },
        { .name = "unixSocket", .kind = &kind_socket, .offset = offsetof(ProbeSpec, unix_socket) },
        { .name = "headers", .kind = &kind_headers, .offset = offsetof(ProbeSpec, headers) },
        { .name = "status", .kind = &kind_status },
};

static const Table http_table = { .rows = http_rows, .n_rows = ELEMENTSOF(http_rows) };

static const Row tcp_rows[] = {
        { .name = "port", .kind = &kind_probe_port },
        { .name = "unixSocket", .kind = &kind_socket, .offset = offsetof(ProbeSpec, unix_socket) },
};

static const Table tcp_table = { .rows = tcp_rows, .n_rows = ELEMENTSOF(tcp_rows) };

static int kind_take(Reader *reader, const Place *place, ProbeKind kind, ProbeSpec *probe) {
        if (probe->kind != PROBE_NONE)
                return reader_fail(reader, place, "%s has another way already: take one out",
                                   place->parent->key);

        probe->kind = kind;
        return 0;
}

/* What http and tcp have in common: a port, or a socket with a name. */
static int probe_read(
        Reader *reader, const Place *place, const Table *table, ProbeKind kind, ProbeSpec *probe) {
        const SidecarSpec *spec = reader->spec;
        bool has_port;
        int r;

        r = kind_take(reader, place, kind, probe);
        if (r >= 0)
                r = table_read(reader, place, table, probe);
        if (r < 0)
                return r;

        has_port = probe->port_name || probe->port_number > 0;
        if (has_port && probe->unix_socket)
                return reader_fail(reader, place,
                                   "a probe goes to a port or to a socket: take one out");
        if (has_port || probe->unix_socket)
                return 0;
        if (spec->n_ports == 0)
                return reader_fail(reader, place,
                                   "there is no port to probe: declare \"port\" for the sidecar");
        return free_and_strdup(&probe->port_name, spec->ports[0].name);
}

static int http_fill(ProbeSpec *probe) {
        static const char *const paths[] = { "/health", "/docs", "/" };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(paths) && strv_length(probe->paths) == i; i++) {
                r = strv_extend(&probe->paths, paths[i]);
                if (r < 0)
                        return r;
        }

        return probe->n_alive > 0
                       ? 0
                       : probe_add_status(probe, &(StatusRange){ STATUS_LOW, STATUS_HIGH });
}

static int http_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        int r;

        r = probe_read(reader, place, &http_table, PROBE_HTTP, field);
        return r < 0 ? r : http_fill(field);
}

static int tcp_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        return probe_read(reader, place, &tcp_table, PROBE_TCP, field);
}

static int
probe_write(const Table *table, ProbeKind kind, const ProbeSpec *probe, json_object **ret) {
        if (probe->kind != kind)
                return 0;

        return kind_object.write(&(const Row){ .table = table }, probe, ret);
}

static int http_write(const Row *row _unused_, const void *field, json_object **ret) {
        return probe_write(&http_table, PROBE_HTTP, field, ret);
}

static int tcp_write(const Row *row _unused_, const void *field, json_object **ret) {
        return probe_write(&tcp_table, PROBE_TCP, field, ret);
}

const Kind kind_http = { "an object", TYPE(object), http_read, NULL, http_write };
const Kind kind_tcp = { "an object", TYPE(object), tcp_read, NULL, tcp_write };

static int exec_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        ProbeSpec *probe = field;
        int r;

        r = kind_take(reader, place, PROBE_EXEC, probe);
        return r < 0 ? r : argv_read(reader, place, &probe->command);
}

static int exec_write(const Row *row _unused_, const void *field, json_object **ret) {
        const ProbeSpec *probe = field;

        return probe->kind == PROBE_EXEC ? json_new_strv(ret, probe->command) : 0;
}

const Kind kind_exec = { "a list of strings such as [\"pg_isready\", \"-q\"]", TYPE(array),
                         exec_read, NULL, exec_write };

static int pattern_read(Reader *reader, const Place *place, const Row *row, void *field) {
        _cleanup_(log_pattern_freep) LogPattern *pattern = NULL;
        _cleanup_free_ char *message = NULL;
        int r;

        r = log_pattern_new(&pattern, place_string(place), &message);
        if (r == -EINVAL)
                return reader_fail(reader, place, "this is no regular expression: %s", message);

        return r < 0 ? r : kind_text.read(reader, place, row, field);
}

const Kind kind_pattern = { "a regular expression", TYPE(string), pattern_read, NULL,
                            text_write_if };

static const char *const streams[] = {
        [LOG_CHOICE_ANY] = "any",
        [LOG_CHOICE_STDOUT] = "stdout",
        [LOG_CHOICE_STDERR] = "stderr",
};

static int stream_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        for (size_t i = 0; i < ELEMENTSOF(streams); i++)
                if (streq(streams[i], place_string(place))) {
                        *(LogChoice *) field = (LogChoice) i;
                        return 0;
                }

        return reader_fail(reader, place, "\"%s\": write \"stdout\", \"stderr\" or \"any\"",
                           place_string(place));
}

static int stream_write(const Row *row _unused_, const void *field, json_object **ret) {
        *ret = json_object_new_string(streams[*(const LogChoice *) field]);
        return *ret ? 0 : -ENOMEM;
}

static const Kind kind_stream = { "\"stdout\", \"stderr\" or \"any\"", TYPE(string), stream_read,
                                  NULL, stream_write };

static const Row log_rows[] = {
        { .name = "stream", .kind = &kind_stream, .offset = offsetof(ProbeSpec, log_stream) },
        { .name = "pattern",
          .kind = &kind_pattern,
          .offset = offsetof(ProbeSpec, log_pattern),
          .most = 1024,
          .is_required = true },
};

static const Table log_table = { .rows = log_rows, .n_rows = ELEMENTSOF(log_rows) };

static int log_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        int r;

        r = kind_take(reader, place, PROBE_LOG, field);
        return r < 0 ? r : table_read(reader, place, &log_table, field);
}

static int log_write(const Row *row _unused_, const void *field, json_object **ret) {
        return probe_write(&log_table, PROBE_LOG, field, ret);
}

static int notify_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        if (!json_object_get_boolean(place->value))
                return reader_fail(reader, place, "\"notify\" is true, or not there");

        return kind_take(reader, place, PROBE_NOTIFY, field);
}

static int notify_write(const Row *row _unused_, const void *field, json_object **ret) {
        if (((const ProbeSpec *) field)->kind != PROBE_NOTIFY)
                return 0;

        *ret = json_object_new_boolean(true);
        return *ret ? 0 : -ENOMEM;
}

const Kind kind_log = { "an object", TYPE(object), log_read, NULL, log_write };
const Kind kind_notify = { "true", TYPE(boolean), notify_read, NULL, notify_write };
