/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Dictionary
 *
 * Those entries of an a{sv} that somebody knows, each to where it belongs. Others are passed over:
 * a later daemon may say more.
 */

#include <stddef.h>
#include <systemd/sd-bus.h>

/* Reads a variant, which has not been entered. */
typedef int (*dictionary_read_t)(sd_bus_message *message, void *target);

typedef struct DictionaryMember {
        const char *key;
        const char *type; /* a basic one; text is borrowed from the message */
        void *target;
        dictionary_read_t read; /* instead of type, if that is NULL */
} DictionaryMember;

/* Enters it and leaves it. */
int dictionary_read(sd_bus_message *message, const DictionaryMember *members, size_t n);
