/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * JsonMessage
 *
 * Recursion is bounded by D-Bus, which allows 64 containers within each other and which sd-bus
 * checks on arrival.
 */

#include "ctl/json-message.h"
#include "util/macro.h"

typedef union Basic {
        const char *text;
        uint64_t t;
        int64_t x;
        uint32_t u;
        int32_t i; /* of booleans and descriptors, too */
        uint16_t q;
        int16_t n;
        uint8_t y;
        double d;
} Basic;

static int write_number(JsonWriter *writer, char type, const Basic *value) {
        switch (type) {

        case 't':
                json_unsigned(writer, value->t);
                return 1;

        case 'x':
                json_signed(writer, value->x);
                return 1;

        case 'u':
                json_unsigned(writer, value->u);
                return 1;

        case 'i':
        case 'h':
                json_signed(writer, value->i);
                return 1;

        case 'q':
                json_unsigned(writer, value->q);
                return 1;

        case 'n':
                json_signed(writer, value->n);
                return 1;

        case 'y':
                json_unsigned(writer, value->y);
                return 1;

        case 'd':
                json_double(writer, value->d);
                return 1;

        default:
                return -EBADMSG;
        }
}

static int write_basic(JsonWriter *writer, sd_bus_message *message, char type) {
        Basic value;
        int r;

        r = sd_bus_message_read_basic(message, type, &value);
        if (r < 0)
                return r;

        if (type == 's' || type == 'o' || type == 'g')
                json_string(writer, value.text);
        else if (type == 'b')
                json_bool(writer, value.i);
        else
                return write_number(writer, type, &value);

        return 1;
}

/* Keys of our interfaces are strings, without exception. */
static int write_entries(JsonWriter *writer, sd_bus_message *message) {
        const char *key;
        int r;

        while ((r = sd_bus_message_at_end(message, false)) == 0) {
                r = sd_bus_message_enter_container(message, 'e', NULL);
                if (r >= 0)
                        r = sd_bus_message_read_basic(message, 's', &key);
                if (r < 0)
                        return r;
                json_key(writer, key);
                r = json_message_value(writer, message);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }

        return r;
}

static int write_values(JsonWriter *writer, sd_bus_message *message) {
        int r;

        do
                r = json_message_value(writer, message);
        while (r > 0);

        return r;
}

int json_message_members(JsonWriter *writer, sd_bus_message *message) {
        int r;

        r = sd_bus_message_enter_container(message, 'a', NULL);
        if (r >= 0)
                r = write_entries(writer, message);

        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int write_list(JsonWriter *writer, sd_bus_message *message, char type) {
        int r;

        r = sd_bus_message_enter_container(message, type, NULL);
        if (r < 0)
                return r;

        if (type != 'v')
                json_open(writer, '[');
        r = write_values(writer, message);
        if (r < 0)
                return r;
        if (type != 'v')
                json_close(writer, ']');

        return sd_bus_message_exit_container(message);
}

int json_message_value(JsonWriter *writer, sd_bus_message *message) {
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(message, &type, &contents);
        if (r <= 0)
                return r;

        if (type == 'a' && *contents == '{') {
                json_open(writer, '{');
                r = json_message_members(writer, message);
                json_close(writer, '}');
        } else if (type == 'a' || type == 'r' || type == 'v')
                r = write_list(writer, message, type);
        else
                r = write_basic(writer, message, type);

        return r < 0 ? r : 1;
}
