/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Guest
 *
 * All guests of a tree are in one Tree of their own, one after the other. Who is in there without
 * anybody listening is being ended; when that is proven, the next one's turn has come.
 *
 * Their cgroup is made anew for each: Linux 6.14 and later kill whoever is born into one that was
 * killed once, and the tree's own has to be without children to be used again.
 */

#include <fcntl.h>

#include "io/guest.h"
#include "io/payload.h"
#include "io/tree-news.h"
#include "util/crashpoint.h"
#include "util/duration.h"

#define LEAF "sidecard-probe" /* beside whatever the sidecar makes in its cgroup */
#define PAUSE_USEC (20 * USEC_PER_MSEC)

struct Guest {
        Guests *guests; /* NULL: it will not be told anything any more */
        Guest *next;
        int payload_fd;
        const GuestObserver *observer;
        void *userdata;
        int exec_error;
};

struct Guests {
        Tree *host;
        Tree *tree;
        uint64_t generation; /* of the last one */
        Guest *inside;       /* NULL: nobody is, or nobody listens any more */
        Guest *waiting;      /* Guest::next */
        sd_event_source *pause;
};

Tree *guests_tree(const Guests *guests) {
        return guests ? guests->tree : NULL;
}

/* It may be freed from within. */
static void tell_end(Guest *guest, const GuestEnd *end) {
        guest->guests = NULL;
        guest->observer->on_ended(end, guest->userdata);
}

/* Nobody listens any more. Who is yet to be born in there is killed then. */
static void end_inside(Guests *guests) {
        const Cgroup *cgroup = guests->tree->cgroup;

        guests->inside = NULL;
        if (!cgroup || cgroup_is_populated(cgroup) != 0)
                (void) tree_kill(guests->tree);
}

/* Coming in */

static int make_cgroup(const Guests *guests) {
        const Cgroup *host = guests->host->cgroup;

        if (!host || !keeper_client_uses_cgroups(guests->tree->client))
                return 0;
        return cgroup_new(&guests->tree->cgroup, cgroup_fd(host), cgroup_path(host), LEAF);
}

static void drop_cgroup(const Guests *guests) {
        if (guests->tree->cgroup)
                (void) cgroup_remove(guests->tree->cgroup);
        tree_forget_cgroup(guests->tree);
}

static int spawn(Guests *guests, Guest *guest) {
        _cleanup_close_ int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        const SpawnSpec spec = {
                .generation = ++guests->generation,
                .stdin_fd = -1,
                .stdout_fd = null_fd,
                .stderr_fd = null_fd,
                .kept_stdout_fd = -1,
                .kept_stderr_fd = -1,
                .kept_notify_fd = -1,
                .kept_stdin_fd = -1,
        };
        int r;

        if (null_fd < 0)
                return -errno;
        r = make_cgroup(guests);
        CRASHPOINT("guest-leaf-made");
        if (r >= 0)
                r = tree_send_spawn(guests->tree, &spec, guest->payload_fd);
        CRASHPOINT("guest-sent");
        if (r < 0) {
                drop_cgroup(guests);
                return r;
        }
        guests->inside = guest;
        return 0;
}

/*
 * After a brain's death there may be some of what it had let in, and a guardian has yet to tell of
 * its main. Both are over in a moment, and no event of ours tells of the first.
 */
static int come_in(Guests *guests, Guest *guest) {
        return guests->host->state == TREE_RUNNING ? spawn(guests, guest) : -EBUSY;
}

static int on_pause_over(sd_event_source *source, uint64_t usec, void *userdata);

static int make_pause(Guests *guests) {
        int r;

        if (!guests->pause)
                return sd_event_add_time_relative(keeper_client_event(guests->tree->client),
                                                  &guests->pause, CLOCK_MONOTONIC, PAUSE_USEC, 0,
                                                  on_pause_over, guests);
        r = sd_event_source_set_time_relative(guests->pause, PAUSE_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(guests->pause, SD_EVENT_ONESHOT);
}

static void let_next_in(Guests *guests) {
        while (guests->waiting && guests->tree->state == TREE_EMPTY) {
                Guest *guest = guests->waiting;
                int r = come_in(guests, guest);

                if (r == -EBUSY)
                        r = make_pause(guests);
                if (r >= 0 && !guests->inside)
                        return;
                guests->waiting = guest->next;
                if (r >= 0)
                        guest->observer->on_started(guest->userdata);
                else
                        tell_end(guest, &(GuestEnd){ .error = -r });
        }
}

static int on_pause_over(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        let_next_in(userdata);
        return 0;
}

/* What becomes of it */

static void on_forked(void *userdata, _unused_ pid_t pid) {
        Guests *guests = userdata;

        if (!guests->inside)
                (void) tree_kill(guests->tree);
}

static void on_exec(void *userdata, int error) {
        const Guests *guests = userdata;

        if (guests->inside)
                guests->inside->exec_error = error;
}

static void on_exited(void *userdata, int code, int status) {
        Guests *guests = userdata;
        Guest *guest = guests->inside;

        CRASHPOINT("guest-exited");
        end_inside(guests);
        if (guest)
                tell_end(guest, &(GuestEnd){ guest->exec_error, code, status });
}

static void on_emptied(void *userdata) {
        Guests *guests = userdata;

        drop_cgroup(guests);
        let_next_in(guests);
        tree_settle_if_empty(guests->host);
}

static void on_fork_failed(void *userdata, int error) {
        Guests *guests = userdata;
        Guest *guest = TAKE_PTR(guests->inside);

        if (guest)
                tell_end(guest, &(GuestEnd){ .error = error });
        on_emptied(guests);
}

static const TreeObserver observer = {
        .on_forked = on_forked,
        .on_fork_failed = on_fork_failed,
        .on_exec = on_exec,
        .on_exited = on_exited,
        .on_emptied = on_emptied,
};

static int guests_new(Tree *host) {
        Guests *guests = calloc(1, sizeof(*guests));
        int r;

        if (!guests)
                return -ENOMEM;
        r = tree_new_guest(&guests->tree, host, &observer, guests);
        if (r < 0) {
                free(guests);
                return r;
        }
        guests->host = host;
        host->guests = guests;
        return 0;
}

Guests *guests_free(Guests *guests) {
        if (!guests)
                return NULL;

        if (guests->inside)
                guests->inside->guests = NULL;
        for (Guest *guest = guests->waiting; guest; guest = guest->next)
                guest->guests = NULL;
        sd_event_source_disable_unref(guests->pause);
        (void) tree_free(guests->tree);
        free(guests);
        return NULL;
}

void guests_end_former(const Tree *host) {
        _cleanup_(cgroup_freep) Cgroup *cgroup = NULL;

        if (host->cgroup &&
            cgroup_open(&cgroup, cgroup_fd(host->cgroup), cgroup_path(host->cgroup), LEAF) >= 0)
                (void) cgroup_kill(cgroup);
}

void tree_end_guests(Tree *tree) {
        static const GuestEnd end = { .error = ECANCELED };
        Guests *guests = tree->guests;
        Guest *guest;

        if (!guests)
                return;
        guest = guests->inside;
        if (guest) {
                end_inside(guests);
                tell_end(guest, &end);
        }
        while ((guest = guests->waiting)) {
                guests->waiting = guest->next;
                tell_end(guest, &end);
        }
}

/* The life of one */

static void wait_for_turn(Guests *guests, Guest *guest) {
        Guest **last = &guests->waiting;

        while (*last)
                last = &(*last)->next;
        *last = guest;
}

int guest_start(Guest **ret,
                Tree *tree,
                const SpawnSpec *spec,
                const GuestObserver *guest_observer,
                void *userdata) {
        _cleanup_(guest_freep) Guest *guest = NULL;
        Guests *guests;
        int r;

        if (tree->state != TREE_RUNNING && tree->state != TREE_REQUESTED)
                return -ESRCH;
        r = tree->guests ? 0 : guests_new(tree);
        if (r < 0)
                return r;
        guests = tree->guests;
        guest = calloc(1, sizeof(*guest));
        if (!guest)
                return -ENOMEM;
        guest->payload_fd = -1;
        guest->observer = guest_observer;
        guest->userdata = userdata;
        r = payload_new(spec, &guest->payload_fd);
        if (r < 0)
                return r;

        if (!guests->waiting && guests->tree->state == TREE_EMPTY) {
                r = come_in(guests, guest);
                if (r == -EBUSY)
                        r = make_pause(guests);
                if (r < 0)
                        return r;
        }
        guest->guests = guests;
        if (guests->inside == guest)
                guest_observer->on_started(userdata);
        else
                wait_for_turn(guests, guest);
        *ret = TAKE_PTR(guest);
        return 0;
}

static void forget(Guests *guests, Guest *guest) {
        if (guests->inside == guest) {
                end_inside(guests);
                return;
        }
        for (Guest **link = &guests->waiting; *link; link = &(*link)->next)
                if (*link == guest) {
                        *link = guest->next;
                        return;
                }
}

Guest *guest_free(Guest *guest) {
        if (!guest)
                return NULL;

        if (guest->guests)
                forget(guest->guests, guest);
        safe_close(guest->payload_fd);
        free(guest);
        return NULL;
}
