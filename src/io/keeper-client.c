/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * KeeperClient
 *
 * The keeper reads at once and never waits, so there is room for an order but in a burst; what
 * finds none is queued here, since the brain has a heap and the keeper has not. So while the table
 * is read, which is the one time that we wait for the keeper, it never waits for us.
 *
 * When the keeper dies the kernel sends us SIGUSR2. That handler is no event source: it must work
 * when the loop does not come round, and all it does is a write and an exit.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "io/cgroup.h"
#include "io/keeper-client.h"
#include "io/keeper-wire-client.h"
#include "io/unclaimed.h"
#include "util/cgroup-dir.h"
#include "util/clock.h"
#include "util/crashpoint.h"
#include "util/log.h"
#include "util/strv.h"

#define RECEIVE_MAX 64 /* a turn: others are to have theirs */
#define TABLE_LIMIT_USEC (10 * UINT64_C(1000000))

typedef struct Order Order;

/* An order that found no room. Its descriptors are its own. */
struct Order {
        Order *next;
        WireMessage message;
        size_t n_fds;
        int fds[WIRE_FDS_MAX];
};

typedef struct Slot {
        keeper_news_handler_t on_news; /* NULL: nobody has claimed it */
        void *userdata;
        bool is_guest;  /* none of a sidecar */
        KeptSlot *kept; /* NULL: nothing, or taken */
} Slot;

struct KeeperClient {
        sd_event *event;
        sd_event_source *source;
        int socket_fd;
        int trees_fd;
        bool is_leaving;
        bool cgroups_dropped; /* they cannot be used for a spawn; those that are there stay */
        char *trees_cgroup;
        Order *first; /* Order::next */
        Order **last;
        keeper_terminate_handler_t on_terminate;
        void *userdata;
        unsigned version;                 /* of the keeper; 0: not told yet */
        unsigned hello_flags;             /* WIRE_HELLO_... */
        int ledger_fd;                    /* -1: none, or taken */
        int holder_fds[WIRE_HOLDERS_MAX]; /* likewise */
        Unclaimed *unclaimed;             /* NULL: nothing to end */
        uint32_t next_slot;               /* where to look for a free one */
        unsigned n_sidecars;              /* that have claimed one */
        Slot slots[WIRE_SLOTS_MAX];
};

/* For the signal handler. */
static pid_t keeper_pid;
static int kill_fd = -1; /* cgroup.kill of all trees */

static void kill_all_trees(void) {
        if (kill_fd >= 0)
                (void) !write(kill_fd, "1", 1);
}

/* The keeper's death is the end of everything: guardians and mains are told by the kernel too. */
static void on_sigusr2(_unused_ int signal) {
        int saved = errno;

        if (getppid() != keeper_pid) {
                kill_all_trees();
                _exit(EXIT_FAILURE);
        }
        errno = saved;
}

static int watch_keeper(int trees_fd) {
        struct sigaction action = { .sa_handler = on_sigusr2, .sa_flags = SA_RESTART };

        if (trees_fd >= 0) {
                kill_fd = openat(trees_fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);
                if (kill_fd < 0)
                        return -errno;
        }
        keeper_pid = getppid();
        return sigaction(SIGUSR2, &action, NULL) < 0 ? -errno : 0;
}

static Order *order_free(Order *order) {
        if (!order)
                return NULL;

        wire_close_fds(order->fds, order->n_fds);
        free(order);
        return NULL;
}
DEFINE_CLEANUP(Order, order_free);

static int order_new(Order **ret, const WireMessage *message, const int *fds, size_t n_fds) {
        _cleanup_(order_freep) Order *order = calloc(1, sizeof(*order));

        if (!order)
                return -ENOMEM;
        order->message = *message;
        for (; order->n_fds < n_fds; order->n_fds++) {
                order->fds[order->n_fds] = fcntl(fds[order->n_fds], F_DUPFD_CLOEXEC, 3);
                if (order->fds[order->n_fds] < 0)
                        return -errno;
        }
        *ret = TAKE_PTR(order);
        return 0;
}

static bool is_no_room(int r) {
        return r == -EAGAIN || r == -ETOOMANYREFS;
}

static int want_room(KeeperClient *client, bool wanted) {
        return sd_event_source_set_io_events(client->source, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void send_queued(KeeperClient *client) {
        while (client->first) {
                Order *order = client->first;

                if (is_no_room(wire_send(client->socket_fd, &order->message, order->fds,
                                         order->n_fds)))
                        return;
                client->first = order->next;
                (void) order_free(order);
        }
        client->last = &client->first;
        (void) want_room(client, false);
}

int keeper_client_send(KeeperClient *client,
                       const WireMessage *message,
                       const int *fds,
                       size_t n_fds) {
        Order *order = NULL;
        int r = -EAGAIN;

        if (!client->first)
                r = wire_send(client->socket_fd, message, fds, n_fds);
        if (!is_no_room(r))
                return r;

        r = order_new(&order, message, fds, n_fds);
        if (r < 0)
                return r;
        *client->last = order;
        client->last = &order->next;
        CRASHPOINT("order-queued");
        return want_room(client, true);
}

static int send_alone(KeeperClient *client, WireKind kind) {
        return keeper_client_send(client, &(WireMessage){ .kind = kind }, NULL, 0);
}

static void pass_on_news(KeeperClient *client, const WireMessage *message, int descriptor) {
        _cleanup_close_ int unclaimed = descriptor;
        const Slot *slot = &client->slots[message->slot];

        if (slot->kept)
                kept_slot_add_news(slot->kept, message);
        else if (slot->on_news)
                slot->on_news(message, TAKE_FD(unclaimed), slot->userdata);
}

static void on_message(KeeperClient *client, const WireMessage *message, int descriptor) {
        _cleanup_close_ int unclaimed = descriptor;

        switch (message->kind) {
        case WIRE_TERMINATE:
                client->on_terminate(client->userdata);
                break;
        case WIRE_PING:
                (void) send_alone(client, WIRE_ALIVE);
                break;
        default:
                if (message->slot < WIRE_SLOTS_MAX)
                        pass_on_news(client, message, TAKE_FD(unclaimed));
        }
}

static int
on_socket(_unused_ sd_event_source *source, _unused_ int fd, uint32_t revents, void *userdata) {
        KeeperClient *client = userdata;
        int fds[WIRE_FDS_MAX], r = 1;
        WireMessage message = { 0 };
        size_t n_fds = 0;

        if (revents & EPOLLOUT)
                send_queued(client);
        for (int i = 0; i < RECEIVE_MAX; i++) {
                r = wire_receive(client->socket_fd, &message, fds, &n_fds);
                if (r <= 0)
                        break;
                if (n_fds > 1)
                        wire_close_fds(fds + 1, n_fds - 1);
                on_message(client, &message, n_fds > 0 ? fds[0] : -1);
        }
        /* Nobody is there any more; the signal is about to say the same. */
        if (r == 0) {
                kill_all_trees();
                return sd_event_exit(client->event, -EPIPE);
        }
        return 0;
}

/* The table */

static int on_hello(KeeperClient *client, const WireMessage *message, int *fds, size_t n_fds) {
        if (message->version != WIRE_VERSION && message->version != WIRE_VERSION_WITHOUT_TABLE) {
                log_debug("keeper speaks version %u, not %d", (unsigned) message->version,
                          WIRE_VERSION);
                return -EPROTONOSUPPORT;
        }
        client->version = message->version;
        /* One of version 1 has ended all that there was before us. */
        client->hello_flags = keeper_client_has_table(client) ? message->flags : WIRE_HELLO_FIRST;
        if (n_fds > 0)
                client->ledger_fd = TAKE_FD(fds[0]);
        return keeper_client_has_table(client) ? 0 : 1;
}

static int on_entry(KeeperClient *client, const WireMessage *message, int *fds, size_t n_fds) {
        Slot *slot;

        if (message->slot >= WIRE_SLOTS_MAX)
                return -EPROTO;
        slot = &client->slots[message->slot];
        slot->kept = kept_slot_free(slot->kept);
        return kept_slot_new(&slot->kept, message, fds, n_fds);
}

static int on_holder(KeeperClient *client, const WireMessage *message, int *fds, size_t n_fds) {
        int *place;

        if (message->slot >= WIRE_HOLDERS_MAX)
                return -EPROTO;
        if (n_fds == 0)
                return -EMFILE;
        place = &client->holder_fds[message->slot];
        safe_close(*place);
        *place = TAKE_FD(fds[0]);
        return 0;
}

/* 1: that was all. Takes those descriptors over that it sets to -1. */
static int
on_table_message(KeeperClient *client, const WireMessage *message, int *fds, size_t n_fds) {
        switch (message->kind) {
        case WIRE_HELLO:
                return on_hello(client, message, fds, n_fds);
        case WIRE_ENTRY:
                return on_entry(client, message, fds, n_fds);
        case WIRE_HOLDER:
                return on_holder(client, message, fds, n_fds);
        case WIRE_TABLE_END:
                return 1;
        default:
                return -EPROTO;
        }
}

static int wait_for_message(const KeeperClient *client, uint64_t until_usec) {
        struct pollfd event = { .fd = client->socket_fd, .events = POLLIN };
        uint64_t now = clock_monotonic_usec();
        struct timespec left;

        if (now >= until_usec)
                return -ETIMEDOUT;
        left.tv_sec = (time_t) ((until_usec - now) / 1000000);
        left.tv_nsec = (long) ((until_usec - now) % 1000000) * 1000;
        return ppoll(&event, 1, &left, NULL) < 0 && errno != EINTR ? -errno : 0;
}

int keeper_client_read_table(KeeperClient *client) {
        uint64_t until = clock_monotonic_usec() + TABLE_LIMIT_USEC;
        int fds[WIRE_FDS_MAX], r = 0;
        WireMessage message = { 0 };
        size_t n_fds = 0;

        while (r == 0) {
                r = wire_receive(client->socket_fd, &message, fds, &n_fds);
                if (r == -EAGAIN) {
                        r = wait_for_message(client, until);
                        continue;
                }
                if (r == 0) {
                        kill_all_trees();
                        return -EPIPE;
                }
                if (r < 0)
                        return r;
                r = on_table_message(client, &message, fds, n_fds);
                wire_close_fds(fds, n_fds);
        }
        return r < 0 ? r : 0;
}

bool keeper_client_has_table(const KeeperClient *client) {
        return client->version != WIRE_VERSION_WITHOUT_TABLE;
}

bool keeper_client_is_first(const KeeperClient *client) {
        return client->hello_flags & WIRE_HELLO_FIRST;
}

bool keeper_client_is_safe_mode(const KeeperClient *client) {
        return client->hello_flags & WIRE_HELLO_SAFE;
}

int keeper_client_take_ledger(KeeperClient *client) {
        return client->ledger_fd < 0 ? -EBADF : TAKE_FD(client->ledger_fd);
}

/* Not queued: should we die meanwhile, all that was written into it would be lost with us. */
int keeper_client_keep_ledger(KeeperClient *client, int fd) {
        const WireMessage message = { .kind = WIRE_KEEP_LEDGER };

        return client->first ? -EAGAIN : wire_send(client->socket_fd, &message, &fd, 1);
}

int keeper_client_take_holder(KeeperClient *client, uint32_t index) {
        if (index >= WIRE_HOLDERS_MAX || client->holder_fds[index] < 0)
                return -EBADF;
        return TAKE_FD(client->holder_fds[index]);
}

int keeper_client_keep_holder(KeeperClient *client, uint32_t index, int pidfd) {
        WireMessage message = { .kind = WIRE_KEEP_HOLDER, .slot = index };

        return keeper_client_send(client, &message, &pidfd, 1);
}

void keeper_client_drop_holder(KeeperClient *client, uint32_t index) {
        WireMessage message = { .kind = WIRE_DROP_HOLDER, .slot = index };

        (void) keeper_client_send(client, &message, NULL, 0);
}

void keeper_client_end_unclaimed(KeeperClient *client) {
        for (uint32_t i = 0; i < WIRE_HOLDERS_MAX; i++)
                if (client->holder_fds[i] >= 0) {
                        client->holder_fds[i] = safe_close(client->holder_fds[i]);
                        keeper_client_drop_holder(client, i);
                }
        if (!client->unclaimed)
                (void) unclaimed_new(&client->unclaimed, client);
}

void keeper_client_leave_all(KeeperClient *client) {
        client->is_leaving = true;
}

/* The client's life */

int keeper_client_new(KeeperClient **ret,
                      sd_event *event,
                      int socket_fd,
                      const char *trees_path,
                      keeper_terminate_handler_t on_terminate,
                      void *userdata) {
        _cleanup_(keeper_client_freep) KeeperClient *client = NULL;
        int r;

        client = calloc(1, sizeof(*client));
        if (!client)
                return -ENOMEM;
        client->event = sd_event_ref(event);
        client->socket_fd = client->trees_fd = client->ledger_fd = -1;
        for (size_t i = 0; i < WIRE_HOLDERS_MAX; i++)
                client->holder_fds[i] = -1;
        client->last = &client->first;
        client->on_terminate = on_terminate;
        client->userdata = userdata;

        if (trees_path) {
                client->trees_fd = open(trees_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (client->trees_fd < 0)
                        return -errno;
                r = cgroup_path_beside_own(&client->trees_cgroup, "trees");
                if (r < 0)
                        return r;
        }
        r = watch_keeper(client->trees_fd);
        if (r < 0)
                return r;
        if (fcntl(socket_fd, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;
        r = sd_event_add_io(event, &client->source, socket_fd, EPOLLIN, on_socket, client);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(client->source, "keeper");
        client->socket_fd = socket_fd;
        *ret = TAKE_PTR(client);
        return 0;
}

KeeperClient *keeper_client_free(KeeperClient *client) {
        if (!client)
                return NULL;

        (void) unclaimed_free(client->unclaimed);
        while (client->first) {
                Order *order = client->first;

                client->first = order->next;
                (void) order_free(order);
        }
        for (size_t i = 0; i < WIRE_SLOTS_MAX; i++)
                (void) kept_slot_free(client->slots[i].kept);
        wire_close_fds(client->holder_fds, WIRE_HOLDERS_MAX);
        safe_close(client->ledger_fd);
        sd_event_source_disable_unref(client->source);
        sd_event_unref(client->event);
        safe_close(client->socket_fd);
        safe_close(client->trees_fd);
        kill_fd = safe_close(kill_fd);
        free(client->trees_cgroup);
        free(client);
        return NULL;
}

const char *keeper_client_containment(const KeeperClient *client) {
        return keeper_client_uses_cgroups(client) ? "cgroup" : "reaper";
}

int keeper_client_send_ready(KeeperClient *client) {
        return send_alone(client, WIRE_READY);
}

int keeper_client_send_summary(KeeperClient *client, size_t n_running, size_t n_failed) {
        const WireMessage message = {
                .kind = WIRE_SUMMARY,
                .code = (int32_t) n_running,
                .status = (int32_t) n_failed,
        };

        return keeper_client_send(client, &message, NULL, 0);
}

int keeper_client_send_terminate(KeeperClient *client) {
        return send_alone(client, WIRE_TERMINATE);
}

int keeper_client_send_upgrade(KeeperClient *client) {
        return send_alone(client, WIRE_UPGRADE);
}

/* Slots */

/* The first free one from there on. */
static int claim(KeeperClient *client, uint32_t from, const Slot *claimed, uint32_t *ret_slot) {
        for (uint32_t i = 0; i < WIRE_SLOTS_MAX; i++) {
                uint32_t slot = (from + i) % WIRE_SLOTS_MAX;

                if (client->slots[slot].on_news || client->slots[slot].kept)
                        continue;
                client->slots[slot] = *claimed;
                *ret_slot = slot;
                return 0;
        }
        return -EUSERS;
}

int keeper_client_claim_slot(KeeperClient *client,
                             keeper_news_handler_t on_news,
                             void *userdata,
                             uint32_t *ret_slot) {
        const Slot claimed = { .on_news = on_news, .userdata = userdata };
        int r;

        if (client->n_sidecars >= WIRE_SIDECARS_MAX)
                return -EUSERS;
        r = claim(client, client->next_slot, &claimed, ret_slot);
        if (r < 0)
                return r;
        client->next_slot = (*ret_slot + 1) % WIRE_SIDECARS_MAX;
        client->n_sidecars++;
        return 0;
}

/* The lowest, since the keeper's table has pages as far as slots are used. */
int keeper_client_claim_guest_slot(KeeperClient *client,
                                   keeper_news_handler_t on_news,
                                   void *userdata,
                                   uint32_t *ret_slot) {
        const Slot claimed = { .on_news = on_news, .userdata = userdata, .is_guest = true };

        return claim(client, 0, &claimed, ret_slot);
}

static void unclaim(KeeperClient *client, Slot *slot) {
        if (slot->on_news && !slot->is_guest)
                client->n_sidecars--;
        slot->on_news = NULL;
}

void keeper_client_release_slot(KeeperClient *client, uint32_t slot) {
        WireMessage message = { .kind = WIRE_RELEASE, .slot = slot };

        if (!client->is_leaving)
                (void) keeper_client_send(client, &message, NULL, 0);
        unclaim(client, &client->slots[slot]);
        (void) kept_slot_free(client->slots[slot].kept);
        client->slots[slot] = (Slot){ 0 };
}

void keeper_client_leave_slot(KeeperClient *client, uint32_t slot) {
        unclaim(client, &client->slots[slot]);
}

int keeper_client_find_kept_slot(const KeeperClient *client, uint32_t slot, KeptSlot **ret) {
        if (slot >= WIRE_SLOTS_MAX)
                return -ENOENT;
        if (client->slots[slot].on_news)
                return -EBUSY;
        if (!client->slots[slot].kept)
                return -ENOENT;
        *ret = client->slots[slot].kept;
        return 0;
}

void keeper_client_claim_kept_slot(KeeperClient *client,
                                   uint32_t slot,
                                   keeper_news_handler_t on_news,
                                   void *userdata) {
        client->slots[slot].on_news = on_news;
        client->slots[slot].userdata = userdata;
        client->n_sidecars++;
}

KeptSlot *keeper_client_kept_slot(const KeeperClient *client, uint32_t slot) {
        return client->slots[slot].kept;
}

KeptSlot *keeper_client_take_kept_slot(KeeperClient *client, uint32_t slot) {
        return TAKE_PTR(client->slots[slot].kept);
}

sd_event *keeper_client_event(const KeeperClient *client) {
        return client->event;
}

int keeper_client_trees_fd(const KeeperClient *client) {
        return client->trees_fd;
}

bool keeper_client_uses_cgroups(const KeeperClient *client) {
        return client->trees_fd >= 0 && !client->cgroups_dropped;
}

const char *keeper_client_trees_cgroup(const KeeperClient *client) {
        return client->trees_cgroup;
}

void keeper_client_drop_cgroups(KeeperClient *client) {
        client->cgroups_dropped = true;
}
