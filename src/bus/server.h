/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Server
 *
 * The bus, as one thing: the connection, the name, the objects, who calls, what waits for an
 * answer, what has changed and is told at the end of the turn.
 */

#include <stdbool.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "bus/sender.h"
#include "core/supervisor.h"

typedef struct Server Server;
typedef struct Owner Owner;
typedef struct StdinCall StdinCall;
typedef struct Waiter Waiter;
typedef struct LogPipe LogPipe;
typedef struct AppObject AppObject;
typedef struct SidecarObject SidecarObject;

struct Server {
        sd_bus *bus; /* NULL until server_connect() */
        Supervisor *supervisor;
        SenderFilter *senders;
        bool has_name;
        bool has_user_manager;    /* that can be asked for the session's environment */
        sd_event_source *watcher; /* after each event: is the connection still there? */
        sd_event_source *retry;   /* the bus is tried again */
        uint64_t retry_pause_usec;
        sd_event_source *status_teller; /* before all else in the next turn: statuses, events */
        sd_bus_message **statuses;      /* StatusChanged that are to be sent, the oldest first */
        size_t n_statuses;
        sd_event_source *flusher; /* once a turn, after all else: tells what has changed */
        SidecarObject *dirty;     /* SidecarObject::next_dirty */
        AppObject *dirty_apps;    /* AppObject::next_dirty */
        Waiter *waiters;          /* Waiter::next */
        StdinCall *stdin_calls;   /* of WriteStdin that wait for room */
        LogPipe *log_pipes;       /* LogPipe::next */
        Owner *owners;            /* Owner::next */
};

int server_new(Server **ret, Supervisor *supervisor);
Server *server_free(Server *server);
DEFINE_CLEANUP(Server, server_free);

/*
 * Connects to the session bus, exports all and asks for the name, queued. When it is ours the
 * keeper is told. A bus that is lost later is another brain's business; one that was lost before
 * us is tried for ten seconds, while everything else goes on (contract D5).
 */
int server_connect(Server *server);

/* Sends each StatusChanged that is due: before anybody is told more than they say. */
void server_tell_statuses(Server *server);

/* Each adds its vtables to Server::bus. */
int server_add_manager(Server *server);
int server_add_apps(Server *server);
int server_add_sidecars(Server *server);
int server_add_log_control(Server *server);
