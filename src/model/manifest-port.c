/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ManifestPort
 *
 * "port" and "ports". No two sidecars of an app may want the same number: whatever the mode, any
 * of them may be started by hand, so all may be up at once (contract P4).
 */

#include <string.h>

#include "model/manifest-kind.h"
#include "util/strv.h"

#define PORTS_MAX 16
#define SHORT_NAME "http" /* what "port" is short for, and what the endpoint goes by */

static const char expects_port[] = "a whole number from 1 to 65535 or \"auto\"";

/* The number stays 0 for "auto". */
static int number_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        int64_t number = 0;

        if (json_object_is_type(place->value, json_type_int)) {
                number = json_object_get_int64(place->value);
                if (number < 1 || number > UINT16_MAX)
                        return reader_fail(reader, place, "port %lld: a port must be %s",
                                           (long long) number, expects_port);
        } else if (!streq(place_string(place), "auto"))
                return reader_fail(reader, place, "port \"%s\": a port must be %s",
                                   place_string(place), expects_port);

        *(uint16_t *) field = (uint16_t) number;
        return 0;
}

static int number_write(const Row *row _unused_, const void *field, json_object **ret) {
        uint16_t number = *(const uint16_t *) field;

        *ret = number > 0 ? json_object_new_int(number) : json_object_new_string("auto");
        return *ret ? 0 : -ENOMEM;
}

static const Kind kind_number = { expects_port, TYPE(int) | TYPE(string), number_read, NULL,
                                  number_write };

static int conflict_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        const char *text = place_string(place);

        if (!streq(text, "fail") && !streq(text, "reassign"))
                return reader_fail(reader, place, "\"%s\": write \"fail\" or \"reassign\"", text);

        *(bool *) field = streq(text, "reassign");
        return 0;
}

static int conflict_write(const Row *row _unused_, const void *field, json_object **ret) {
        *ret = json_object_new_string(*(const bool *) field ? "reassign" : "fail");
        return *ret ? 0 : -ENOMEM;
}

static const Kind kind_conflict = { "\"fail\" or \"reassign\"", TYPE(string), conflict_read, NULL,
                                    conflict_write };

static const Row rows[] = {
        { .name = "port",
          .kind = &kind_number,
          .offset = offsetof(PortSpec, number),
          .is_required = true },
        { .name = "onConflict", .kind = &kind_conflict, .offset = offsetof(PortSpec, reassign) },
        { .name = "socket", .kind = &kind_boolean, .offset = offsetof(PortSpec, is_socket) },
};

static const Table table = { .rows = rows, .n_rows = ELEMENTSOF(rows) };

static const PortSpec *find_number(const SidecarSpec *spec, uint16_t number) {
        for (size_t i = 0; i < spec->n_ports; i++)
                if (number > 0 && spec->ports[i].number == number)
                        return &spec->ports[i];

        return NULL;
}

static int check_number(Reader *reader, const Place *place, const char *name, uint16_t number) {
        const SidecarSpec *owner = reader->spec;
        const PortSpec *port = find_number(owner, number);

        for (size_t i = 0; i < reader->manifest->n_sidecars && !port; i++) {
                owner = reader->manifest->sidecars[i];
                port = find_number(owner, number);
        }
        if (!port)
                return 0;

        return reader_fail(reader, place,
                           "port %u is both \"%s\" of \"%s\" and \"%s\" of \"%s\": give one of them"
                           " another number, or \"auto\"",
                           number, port->name, owner->name, name, reader->spec->name);
}

/* The port that the endpoint goes by becomes the first. */
static int port_add(SidecarSpec *spec, const char *name, const PortSpec *port) {
        size_t at = streq(name, SHORT_NAME) ? 0 : spec->n_ports;
        _cleanup_free_ char *copy = strdup(name);
        PortSpec *ports;

        ports = reallocarray(spec->ports, spec->n_ports + 1, sizeof(PortSpec));
        if (ports)
                spec->ports = ports;
        if (!ports || !copy)
                return -ENOMEM;

        memmove(ports + at + 1, ports + at, (spec->n_ports - at) * sizeof(PortSpec));
        ports[at] = *port;
        ports[at].name = TAKE_PTR(copy);
        spec->n_ports++;
        return 0;
}

static int port_read_one(Reader *reader, const Place *place, const char *name) {
        PortSpec port = { 0 };
        Place number = *place;
        int r;

        if (json_object_is_type(place->value, json_type_object)) {
                r = table_read(reader, place, &table, &port);
                (void) place_find(place, "port", &number);
        } else
                r = number_read(reader, place, NULL, &port.number);
        if (r < 0)
                return r;

        r = check_number(reader, &number, name, port.number);
        return r < 0 ? r : port_add(reader->spec, name, &port);
}

static int
port_read(Reader *reader, const Place *place, const Row *row _unused_, void *field _unused_) {
        return port_read_one(reader, place, SHORT_NAME);
}

const Kind kind_port = { expects_port, TYPE(int) | TYPE(string), port_read, NULL, NULL };

static int ports_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        const SidecarSpec *spec = field;
        int r;

        if (json_object_object_length(place->value) > PORTS_MAX)
                return reader_fail(reader, place,
                                   "\"ports\" has %d ports, of at most %d: take some out",
                                   json_object_object_length(place->value), PORTS_MAX);

        for (Place member = place_first(place); place_is_there(&member); place_next(&member)) {
                r = reader_check_name(reader, &member);
                if (r < 0)
                        return r;
                if (sidecar_spec_find_port(spec, member.key))
                        return reader_fail(reader, &member,
                                           "\"port\" is short for this one: take one of them out");
                r = reader_check_type(reader, &member, TYPE(int) | TYPE(string) | TYPE(object),
                                      "a whole number from 1 to 65535, \"auto\" or an object");
                if (r < 0)
                        return r;
                r = port_read_one(reader, &member, member.key);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int ports_write(const Row *row _unused_, const void *field, json_object **ret) {
        _cleanup_(json_object_putp) json_object *object = json_object_new_object();
        const SidecarSpec *spec = field;
        int r;

        for (size_t i = 0; object && i < spec->n_ports; i++) {
                json_object *port = NULL;

                r = kind_object.write(&(const Row){ .table = &table }, &spec->ports[i], &port);
                if (r >= 0)
                        r = json_put(object, spec->ports[i].name, port);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(object);
        return *ret ? 0 : -ENOMEM;
}

const Kind kind_ports = { "an object of names and ports", TYPE(object), ports_read, NULL,
                          ports_write };
