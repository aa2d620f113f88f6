/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Desktop
 *
 * Numbers begin at 1, and a call that replaces something keeps its number, as the specification
 * asks.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "desktop.h"

#define NOTIFICATIONS "org.freedesktop.Notifications"
#define NOTIFICATIONS_PATH "/org/freedesktop/Notifications"
#define PORTAL "org.freedesktop.portal.Desktop"
#define FILE_MANAGER "org.freedesktop.FileManager1"

static int on_get_capabilities(sd_bus_message *call, void *userdata, sd_bus_error *error _unused_) {
        const Desktop *desktop = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(strv_freep) char **names = NULL;

        ck_assert_int_ge(strv_split(&names, desktop->capabilities, ','), 0);
        ck_assert_int_ge(sd_bus_message_new_method_return(call, &reply), 0);
        ck_assert_int_ge(sd_bus_message_append_strv(reply, names), 0);
        return sd_bus_send(NULL, reply, NULL);
}

static void read_hint(sd_bus_message *call, Shown *shown) {
        const char *key, *text = NULL;

        ck_assert_int_gt(sd_bus_message_read(call, "s", &key), 0);
        if (streq(key, "urgency")) {
                uint8_t urgency;

                ck_assert_int_gt(sd_bus_message_read(call, "v", "y", &urgency), 0);
                shown->urgency = urgency;
                return;
        }

        ck_assert_int_gt(sd_bus_message_read(call, "v", "s", &text), 0);
        if (streq(key, "desktop-entry"))
                shown->desktop_entry = strdup(text);
        else if (streq(key, "category"))
                shown->category = strdup(text);
        else
                ck_abort_msg("nobody knows the hint %s", key);
}

static char *join_actions(char *const *actions) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        for (size_t i = 0; actions && actions[i]; i += 2)
                ck_assert_int_gt(fprintf(out, "%s=%s,", actions[i], actions[i + 1]), 0);
        ck_assert_int_eq(fclose(out), 0);
        return text;
}

static Shown read_notify(sd_bus_message *call) {
        _cleanup_(strv_freep) char **actions = NULL;
        const char *app_name, *icon, *summary, *body;
        Shown shown = { 0 };
        int32_t timeout;

        ck_assert_int_gt(sd_bus_message_read(call, "susss", &app_name, &shown.replaces_id, &icon,
                                             &summary, &body),
                         0);
        ck_assert_int_ge(sd_bus_message_read_strv(call, &actions), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(call, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(call, 'e', "sv") > 0) {
                read_hint(call, &shown);
                ck_assert_int_ge(sd_bus_message_exit_container(call), 0);
        }
        ck_assert_int_ge(sd_bus_message_exit_container(call), 0);
        ck_assert_int_gt(sd_bus_message_read(call, "i", &timeout), 0);
        ck_assert_int_eq(timeout, -1);

        shown.app_name = strdup(app_name);
        shown.icon = strdup(icon);
        shown.summary = strdup(summary);
        shown.body = strdup(body);
        shown.actions = join_actions(actions);
        return shown;
}

static int on_notify(sd_bus_message *call, void *userdata, sd_bus_error *error _unused_) {
        Desktop *desktop = userdata;
        Shown *shown = &desktop->shown[desktop->n_shown];

        ck_assert_uint_lt(desktop->n_shown, ELEMENTSOF(desktop->shown));
        *shown = read_notify(call);
        desktop->n_shown++;
        shown->id = shown->replaces_id != 0 ? shown->replaces_id : (uint32_t) desktop->n_shown;
        return desktop->is_mute ? 1 : sd_bus_reply_method_return(call, "u", shown->id);
}

static int on_close(sd_bus_message *call, void *userdata, sd_bus_error *error _unused_) {
        Desktop *desktop = userdata;

        ck_assert_uint_lt(desktop->n_closed, ELEMENTSOF(desktop->closed));
        ck_assert_int_gt(sd_bus_message_read(call, "u", &desktop->closed[desktop->n_closed]), 0);
        desktop->n_closed++;
        return sd_bus_reply_method_return(call, NULL);
}

static int on_open_file(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        Desktop *desktop = userdata;
        char text[4096] = "";
        const char *parent;
        int fd;

        if (!desktop->has_portal)
                return sd_bus_error_set(error, SD_BUS_ERROR_UNKNOWN_METHOD, "no portal for files");

        ck_assert_int_gt(sd_bus_message_read(call, "sh", &parent, &fd), 0);
        ck_assert_int_ge(pread(fd, text, sizeof(text) - 1, 0), 0);
        free(desktop->opened);
        desktop->opened = strdup(text);
        return sd_bus_reply_method_return(call, "o", "/org/freedesktop/portal/desktop/request/1");
}

static int on_show_items(sd_bus_message *call, void *userdata, sd_bus_error *error _unused_) {
        _cleanup_(strv_freep) char **uris = NULL;
        Desktop *desktop = userdata;

        ck_assert_int_gt(sd_bus_message_read_strv(call, &uris), 0);
        ck_assert_uint_eq(strv_length(uris), 1);
        free(desktop->uri);
        desktop->uri = strdup(uris[0]);
        return sd_bus_reply_method_return(call, NULL);
}

/* clang-format off */
static const sd_bus_vtable notifications_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("GetCapabilities", "", "as", on_get_capabilities, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Notify", "susssasa{sv}i", "u", on_notify, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("CloseNotification", "u", "", on_close, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable portal_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("OpenFile", "sha{sv}", "o", on_open_file, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable file_manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("ShowItems", "ass", "", on_show_items, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
/* clang-format on */

static void add_object(Desktop *desktop,
                       const char *name,
                       const char *path,
                       const char *interface,
                       const sd_bus_vtable *vtable) {
        sd_bus *bus = desktop->world->bus;

        ck_assert_int_ge(sd_bus_add_object_vtable(bus, NULL, path, interface, vtable, desktop), 0);
        ck_assert_int_ge(sd_bus_request_name(bus, name, 0), 0);
}

/* Says that the name could be activated; it never is, since somebody has it. */
static void add_service(const Desktop *desktop, const char *name) {
        _cleanup_free_ char *file = NULL, *text = NULL;

        ck_assert_int_gt(asprintf(&file, "services/%s.service", name), 0);
        ck_assert_int_gt(asprintf(&text, "[D-BUS Service]\nName=%s\nExec=/bin/false\n", name), 0);
        world_write_file(desktop->world, file, 0644, text);
}

Desktop *desktop_new(World *w) {
        Desktop *desktop = calloc(1, sizeof(*desktop));

        ck_assert_ptr_nonnull(desktop);
        desktop->world = w;
        desktop->capabilities = "body,body-markup,actions,persistence";
        desktop->has_portal = true;
        add_object(desktop, NOTIFICATIONS, NOTIFICATIONS_PATH, NOTIFICATIONS, notifications_vtable);
        add_object(desktop, PORTAL, "/org/freedesktop/portal/desktop",
                   "org.freedesktop.portal.OpenURI", portal_vtable);
        add_object(desktop, FILE_MANAGER, "/org/freedesktop/FileManager1", FILE_MANAGER,
                   file_manager_vtable);
        add_service(desktop, PORTAL);
        add_service(desktop, FILE_MANAGER);
        ck_assert_int_ge(sd_bus_call_method(w->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                            "org.freedesktop.DBus", "ReloadConfig", NULL, NULL, ""),
                         0);
        return desktop;
}

Desktop *desktop_free(Desktop *desktop) {
        if (!desktop)
                return NULL;

        for (size_t i = 0; i < desktop->n_shown; i++) {
                Shown *shown = &desktop->shown[i];

                free(shown->app_name);
                free(shown->icon);
                free(shown->summary);
                free(shown->body);
                free(shown->actions);
                free(shown->desktop_entry);
                free(shown->category);
        }
        free(desktop->opened);
        free(desktop->uri);
        free(desktop);
        return NULL;
}

void desktop_leave(Desktop *desktop) {
        ck_assert_int_ge(sd_bus_release_name(desktop->world->bus, NOTIFICATIONS), 0);
}

void desktop_come_back(Desktop *desktop) {
        ck_assert_int_ge(sd_bus_request_name(desktop->world->bus, NOTIFICATIONS, 0), 0);
}

void desktop_click(const Desktop *desktop, uint32_t id, const char *action) {
        ck_assert_int_ge(sd_bus_emit_signal(desktop->world->bus, NOTIFICATIONS_PATH, NOTIFICATIONS,
                                            "ActionInvoked", "us", id, action),
                         0);
}

void desktop_dismiss(const Desktop *desktop, uint32_t id) {
        ck_assert_int_ge(sd_bus_emit_signal(desktop->world->bus, NOTIFICATIONS_PATH, NOTIFICATIONS,
                                            "NotificationClosed", "uu", id, 2),
                         0);
}

const Shown *desktop_await(const Desktop *desktop, size_t n) {
        WORLD_AWAIT(desktop->world, desktop->n_shown >= n);
        return &desktop->shown[n - 1];
}

size_t desktop_count(const Desktop *desktop, const char *summary) {
        size_t n = 0;

        for (size_t i = 0; i < desktop->n_shown; i++)
                n += streq(desktop->shown[i].summary, summary);

        return n;
}

bool desktop_was_closed(const Desktop *desktop, uint32_t id) {
        for (size_t i = 0; i < desktop->n_closed; i++)
                if (desktop->closed[i] == id)
                        return true;

        return false;
}
