/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Dictionary
 *
 * Members are a handful, so they are looked through for each entry.
 */

#include "ctl/dictionary.h"
#include "util/strv.h"

static int
read_member(sd_bus_message *message, const char *key, const DictionaryMember *members, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (streq(members[i].key, key))
                        return members[i].type ? sd_bus_message_read(message, "v", members[i].type,
                                                                     members[i].target)
                                               : members[i].read(message, members[i].target);

        return sd_bus_message_skip(message, "v");
}

int dictionary_read(sd_bus_message *message, const DictionaryMember *members, size_t n) {
        const char *key;
        int r;

        r = sd_bus_message_enter_container(message, 'a', "{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = sd_bus_message_read_basic(message, 's', &key);
                if (r >= 0)
                        r = read_member(message, key, members, n);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }

        return r < 0 ? r : sd_bus_message_exit_container(message);
}
