/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ShowLog
 *
 * First org.freedesktop.portal.OpenURI, which opens the file in the person's viewer of texts; it
 * takes a descriptor, so that it sees what we may see. Where there is none, or it has no way to
 * open anything, org.freedesktop.FileManager1 shows where the file is.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "bus/show-log.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/strv.h"
#include "util/uri.h"

#define PORTAL "org.freedesktop.portal.Desktop"
#define FILE_MANAGER "org.freedesktop.FileManager1"

bool show_log_is_possible(char *const *names) {
        return strv_contains(names, PORTAL) || strv_contains(names, FILE_MANAGER);
}

static int
on_items_shown(sd_bus_message *reply, void *userdata _unused_, sd_bus_error *ret_error _unused_) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        if (error)
                log_notice("The log cannot be shown: %s", error->message);

        return 1;
}

static int show_item(sd_bus *bus, const char *path) {
        _cleanup_free_ char *uri = uri_of_path(path);

        if (!uri)
                return -ENOMEM;

        return sd_bus_call_method_async(bus, NULL, FILE_MANAGER, "/org/freedesktop/FileManager1",
                                        FILE_MANAGER, "ShowItems", on_items_shown, NULL, "ass", 1,
                                        uri, "");
}

static int on_opened(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error _unused_) {
        int r = 0;

        if (sd_bus_message_is_method_error(reply, NULL))
                r = show_item(sd_bus_message_get_bus(reply), userdata);
        if (r < 0)
                (void) log_warning_errno(r, "The log cannot be shown");

        return 1;
}

static int open_file(sd_bus *bus, const char *path) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        _cleanup_free_ char *copy = strdup(path);
        int r;

        if (fd < 0)
                return -errno;
        if (!copy)
                return -ENOMEM;

        r = sd_bus_call_method_async(bus, &slot, PORTAL, "/org/freedesktop/portal/desktop",
                                     "org.freedesktop.portal.OpenURI", "OpenFile", on_opened, copy,
                                     "sha{sv}", "", fd, 0);
        if (r >= 0)
                r = sd_bus_slot_set_destroy_callback(slot, free);
        if (r < 0)
                return r;

        /* It goes with the answer, and the path with it. */
        (void) TAKE_PTR(copy);
        return sd_bus_slot_set_floating(slot, true);
}

void show_log(sd_bus *bus, const char *path) {
        int r = open_file(bus, path);

        if (r < 0)
                (void) log_warning_errno(r, "%s cannot be shown", path);
}
