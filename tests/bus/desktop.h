/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Desktop
 *
 * What a desktop has that shows things to a person, on the connection of the world's client:
 * org.freedesktop.Notifications, and the two that show files. It remembers what it was told, and
 * clicks where the test does. WORLD_AWAIT() goes on when something came.
 */

#include "world.h"

/* One call of Notify. */
typedef struct Shown {
        uint32_t id;
        uint32_t replaces_id;
        char *app_name;
        char *icon;
        char *summary;
        char *body;
        char *actions; /* "key=label," ... */
        char *desktop_entry;
        char *category;
        int urgency;
} Shown;

typedef struct Desktop {
        World *world;
        const char *capabilities; /* with commas between them */
        bool is_mute;             /* takes Notify, and never answers */
        bool has_portal;          /* which opens files, or else refuses to */
        Shown shown[64];
        size_t n_shown;
        uint32_t closed[64]; /* what CloseNotification was called for */
        size_t n_closed;
        char *opened; /* what was in the file that the portal got */
        char *uri;    /* ... that the file manager got */
} Desktop;

/* With all that a desktop of today can do. */
Desktop *desktop_new(World *w);
Desktop *desktop_free(Desktop *desktop);
DEFINE_CLEANUP(Desktop, desktop_free);

/* Gives the name of the server up, or takes it again. */
void desktop_leave(Desktop *desktop);
void desktop_come_back(Desktop *desktop);

/* A person clicks, or does it away. */
void desktop_click(const Desktop *desktop, uint32_t id, const char *action);
void desktop_dismiss(const Desktop *desktop, uint32_t id);

/* Waits for the N-th call of Notify, from 1 on. */
const Shown *desktop_await(const Desktop *desktop, size_t n);

/* How often such a title was shown. */
size_t desktop_count(const Desktop *desktop, const char *summary);
bool desktop_was_closed(const Desktop *desktop, uint32_t id);
