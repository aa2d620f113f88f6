/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Address
 *
 * Only guid= is taken out: all other keys say where the bus is, and several addresses stay several.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/address.h"
#include "util/macro.h"

#define VARIABLE "DBUS_SESSION_BUS_ADDRESS"

/* With one of the commas around it; it may be the first key, the last, or the only one. */
static void drop_guids(char *address) {
        for (char *at = address; (at = strstr(at, "guid="));) {
                size_t length = strcspn(at, ",;");

                if (at == address || !strchr(":,", at[-1])) {
                        at++;
                        continue;
                }

                if (at[length] == ',')
                        length++;
                else if (at[-1] == ',') {
                        at--;
                        length++;
                }
                memmove(at, at + length, strlen(at + length) + 1);
        }
}

int address_forget_guid(void) {
        const char *given = getenv(VARIABLE);
        _cleanup_free_ char *address = NULL;

        if (!given)
                return 0;

        address = strdup(given);
        if (!address)
                return -ENOMEM;

        drop_guids(address);
        return setenv(VARIABLE, address, 1) < 0 ? -errno : 0;
}
