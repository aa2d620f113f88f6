/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * NotifySocket
 *
 * Where one generation of a sidecar says how it is: what NOTIFY_SOCKET in its environment names,
 * see sd_notify(3). One a generation, so that what an old one still says is not heard as the new
 * one's. Messages wait in the socket while no brain runs, if somebody keeps its descriptor.
 *
 * It has a name in the runtime directory and not in the abstract namespace: there other users
 * could write to it, and sandboxes with a network of their own could not, while a path is bound
 * into them like any other file.
 */

#include <systemd/sd-event.h>

#include "model/notify-message.h"
#include "util/macro.h"

typedef struct NotifySocket NotifySocket;

/*
 * message is borrowed during the call, and said is never 0. sender: whose it is has to be proven
 * before the handler returns, for a sender that waits for the barrier is sure to be there until
 * then; others may be gone already. May free the socket.
 */
typedef void (*notify_handler_t)(const NotifyMessage *message, pid_t sender, void *userdata);

/*
 * Nothing is heard before notify_socket_listen(): who may speak has to be known first. Binds path,
 * whose folder is there and belongs to us alone; whatever had the name is gone then. -ENAMETOOLONG:
 * 107 bytes are all that the address of a socket has room for, unix(7).
 */
int notify_socket_new(NotifySocket **ret,
                      sd_event *event,
                      const char *path,
                      notify_handler_t handler,
                      void *userdata);

/* Goes on with a descriptor that notify_socket_fd() once answered; taken over on success. */
int notify_socket_adopt(
        NotifySocket **ret, sd_event *event, int fd, notify_handler_t handler, void *userdata);

/* Closes the descriptor; the name stays, with those who keep the socket over the brain's death. */
NotifySocket *notify_socket_free(NotifySocket *socket);
DEFINE_CLEANUP(NotifySocket, notify_socket_free);

/* Once the generation is over. */
void notify_socket_remove_path(const NotifySocket *socket);

/* From now on; what is said before waits. */
int notify_socket_listen(NotifySocket *socket);
/* Hears what is there right now: whoever spoke is about to be forgotten. No handler may free it. */
void notify_socket_drain(NotifySocket *socket);

const char *notify_socket_path(const NotifySocket *socket);
int notify_socket_fd(const NotifySocket *socket); /* borrowed */
