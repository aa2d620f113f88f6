/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * user-manager ADDRESS FILE
 *
 * Stands in for systemd on a private bus: has its name, says "there", and answers whoever asks for
 * the property Environment with the lines of FILE. Where there is no FILE it never answers. It says
 * "asked" each time.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-bus.h>

#include "util/strv.h"

#define NAME "org.freedesktop.systemd1"

static void say(const char *line) {
        (void) printf("%s\n", line);
        (void) fflush(stdout);
}

static int answer(sd_bus_message *call, const char *path) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(strv_freep) char **lines = NULL;
        char line[4096];
        FILE *file = fopen(path, "re");
        int r = 0;

        say("asked");
        if (!file)
                return 1;
        while (r >= 0 && fgets(line, sizeof(line), file)) {
                line[strcspn(line, "\n")] = '\0';
                r = strv_extend(&lines, line);
        }
        (void) fclose(file);

        if (r >= 0)
                r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(reply, lines);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        return r < 0 ? r : 1;
}

static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error _unused_) {
        return sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Properties", "Get") > 0
                       ? answer(message, userdata)
                       : 0;
}

int main(int argc, char *argv[]) {
        sd_bus *bus;
        int r;

        if (argc != 3)
                return 2;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, argv[1]);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, 1);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_add_filter(bus, NULL, on_message, argv[2]);
        if (r >= 0)
                r = sd_bus_request_name(bus, NAME, 0);
        if (r >= 0)
                say("there");
        while (r >= 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }

        return EXIT_FAILURE;
}
