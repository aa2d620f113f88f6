/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * SenderFilter
 *
 * A sender is asked about once: the bus never gives a unique name twice, so what was found out
 * stays true, and the table of known senders only has to be bounded. The pid that the bus names
 * is pinned by a pidfd and then asked for again: if the name still has the same pid while the
 * pidfd is held, it was not reused in between.
 */

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/pidfd.h>

#include "bus/sender.h"
#include "io/caller.h"
#include "util/duration.h"
#include "util/log.h"
#include "util/strv.h"

#define SENDERS_MAX 256
#define PARKED_PER_SENDER_MAX 16
#define IDENTIFY_LIMIT_USEC (2 * USEC_PER_SEC)

#define BUS_CALL "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"

typedef struct Sender {
        SenderFilter *filter;
        char *name; /* unique name; NULL: the entry is free */
        bool is_known;
        bool is_served;
        char *denial; /* why not, for the error */
        uint64_t last_used;

        /* while it is being identified */
        sd_bus_message *parked[PARKED_PER_SENDER_MAX];
        size_t n_parked;
        sd_bus_slot *question;
        char *label;

        /* who it is; kept, because the process is pinned only as long as its pidfd is */
        pid_t pid;
        int pidfd;
} Sender;

struct SenderFilter {
        sd_bus *bus;
        sd_bus_slot *slot;
        uint64_t n_calls;
        Sender senders[SENDERS_MAX];
};

static void sender_forget_question(Sender *sender) {
        sender->question = sd_bus_slot_unref(sender->question);
        sender->label = (free(sender->label), NULL);
}

static void sender_clear(Sender *sender) {
        sender_forget_question(sender);
        safe_close(sender->pidfd);
        for (size_t i = 0; i < sender->n_parked; i++)
                sd_bus_message_unref(sender->parked[i]);
        free(sender->name);
        free(sender->denial);
        *sender = (Sender){ .filter = sender->filter, .pidfd = -1 };
}

static Sender *find(SenderFilter *filter, const char *name) {
        for (size_t i = 0; i < SENDERS_MAX; i++)
                if (filter->senders[i].name && streq(filter->senders[i].name, name))
                        return &filter->senders[i];

        return NULL;
}

/* A free entry, else the known one that was silent longest; NULL: all are being asked about. */
static Sender *make_room(SenderFilter *filter) {
        Sender *oldest = NULL;

        for (size_t i = 0; i < SENDERS_MAX; i++) {
                Sender *sender = &filter->senders[i];

                if (!sender->name)
                        return sender;
                if (sender->is_known && (!oldest || sender->last_used < oldest->last_used))
                        oldest = sender;
        }

        if (oldest)
                sender_clear(oldest);
        return oldest;
}

/* The verdict stands: what was parked is read again, and meets it in the filter. */
static void sender_settle(Sender *sender, const char *denial) {
        sender_forget_question(sender);
        sender->is_known = true;
        sender->is_served = !denial;
        if (denial)
                (void) free_and_strdup(&sender->denial, denial);

        for (size_t i = 0; i < sender->n_parked; i++) {
                (void) sd_bus_enqueue_for_read(sender->filter->bus, sender->parked[i]);
                sd_bus_message_unref(sender->parked[i]);
        }
        sender->n_parked = 0;
}

static void classify(Sender *sender) {
        CallerKind kind = caller_identify(sender->pid, sender->pidfd, sender->label);

        if (kind == CALLER_HOST)
                sender_settle(sender, NULL);
        else if (kind == CALLER_UNKNOWN)
                sender_settle(sender, "the caller cannot be identified");
        else
                sender_settle(sender, "sandboxed callers are not supported yet");
}

static int on_pid_again(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error _unused_) {
        Sender *sender = userdata;
        uint32_t pid = 0;

        if (sd_bus_message_is_method_error(reply, NULL) ||
            sd_bus_message_read(reply, "u", &pid) < 0 || (pid_t) pid != sender->pid)
                sender_settle(sender, "the caller cannot be identified: it has gone");
        else
                classify(sender);

        return 1;
}

typedef struct Credentials {
        bool has_uid;
        uint32_t uid, pid;
        char *label;
} Credentials;

static int read_label(sd_bus_message *reply, char **ret) {
        const void *bytes;
        char *label;
        size_t n;
        int r;

        r = sd_bus_message_enter_container(reply, 'v', "ay");
        if (r >= 0)
                r = sd_bus_message_read_array(reply, 'y', &bytes, &n);
        if (r < 0)
                return r;

        label = strndup(bytes, n);
        if (!label)
                return -ENOMEM;

        free(*ret);
        *ret = label;
        return sd_bus_message_exit_container(reply);
}

static int read_credential(sd_bus_message *reply, Credentials *credentials) {
        const char *key;
        int r;

        r = sd_bus_message_read_basic(reply, 's', &key);
        if (r < 0)
                return r;

        if (streq(key, "UnixUserID")) {
                credentials->has_uid = true;
                return sd_bus_message_read(reply, "v", "u", &credentials->uid);
        }
        if (streq(key, "ProcessID"))
                return sd_bus_message_read(reply, "v", "u", &credentials->pid);
        if (streq(key, "LinuxSecurityLabel"))
                return read_label(reply, &credentials->label);

        return sd_bus_message_skip(reply, "v");
}

static int read_credentials(sd_bus_message *reply, Credentials *credentials) {
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = read_credential(reply, credentials);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }

        return r;
}

static int ask(Sender *sender, const char *method, sd_bus_message_handler_t handler) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        sd_bus *bus = sender->filter->bus;
        int r;

        sender->question = sd_bus_slot_unref(sender->question);
        r = sd_bus_message_new_method_call(bus, &call, BUS_CALL, method);
        if (r >= 0)
                r = sd_bus_message_append(call, "s", sender->name);
        if (r >= 0)
                r = sd_bus_call_async(bus, &sender->question, call, handler, sender,
                                      IDENTIFY_LIMIT_USEC);

        return r;
}

static int on_credentials(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error _unused_) {
        Sender *sender = userdata;
        Credentials credentials = { 0 };
        int r;

        if (sd_bus_message_is_method_error(reply, NULL))
                r = -EIO;
        else
                r = read_credentials(reply, &credentials);

        sender->label = TAKE_PTR(credentials.label);
        if (r < 0 || !credentials.has_uid || credentials.pid == 0)
                sender_settle(sender, "the caller cannot be identified: the bus does not know it");
        else if (credentials.uid != geteuid())
                sender_settle(sender, "the caller is another user");
        else {
                sender->pid = (pid_t) credentials.pid;
                sender->pidfd = pidfd_open(sender->pid, 0);
                if (sender->pidfd < 0 ||
                    ask(sender, "GetConnectionUnixProcessID", on_pid_again) < 0)
                        sender_settle(sender, "the caller cannot be identified: it has gone");
        }

        return 1;
}

static int deny(sd_bus_message *call, const char *why) {
        const char *sender = sd_bus_message_get_sender(call);
        int r;

        log_notice("Refused %s of %s: %s", sd_bus_message_get_member(call),
                   sender ? sender : "nobody", why);
        r = sd_bus_reply_method_errorf(call, SD_BUS_ERROR_ACCESS_DENIED, "Access denied: %s", why);
        return r < 0 ? r : 1;
}

static int park(Sender *sender, sd_bus_message *call) {
        if (sender->n_parked >= PARKED_PER_SENDER_MAX)
                return deny(call, "too many calls before the caller was identified");

        sender->parked[sender->n_parked++] = sd_bus_message_ref(call);
        return 1;
}

static int identify(SenderFilter *filter, const char *name, sd_bus_message *call) {
        Sender *sender = make_room(filter);

        if (!sender)
                return deny(call, "too many callers at once");

        sender->name = strdup(name);
        if (!sender->name)
                return -ENOMEM;
        if (ask(sender, "GetConnectionCredentials", on_credentials) < 0) {
                sender_clear(sender);
                return deny(call, "the caller cannot be identified");
        }

        return park(sender, call);
}

static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *ret_error _unused_) {
        SenderFilter *filter = userdata;
        const char *name = sd_bus_message_get_sender(message);
        Sender *sender;

        if (!sd_bus_message_is_method_call(message, NULL, NULL))
                return 0;
        if (!name)
                return deny(message, "the caller has no name on the bus");

        sender = find(filter, name);
        if (!sender)
                return identify(filter, name, message);
        if (!sender->is_known)
                return park(sender, message);

        sender->last_used = ++filter->n_calls;
        return sender->is_served ? 0 : deny(message, sender->denial);
}

int sender_filter_new(SenderFilter **ret, sd_bus *bus) {
        _cleanup_(sender_filter_freep) SenderFilter *filter = NULL;
        int r;

        filter = calloc(1, sizeof(*filter));
        if (!filter)
                return -ENOMEM;

        filter->bus = bus;
        for (size_t i = 0; i < SENDERS_MAX; i++)
                filter->senders[i] = (Sender){ .filter = filter, .pidfd = -1 };

        r = sd_bus_add_filter(bus, &filter->slot, on_message, filter);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(filter);
        return 0;
}

SenderFilter *sender_filter_free(SenderFilter *filter) {
        if (!filter)
                return NULL;

        sd_bus_slot_unref(filter->slot);
        for (size_t i = 0; i < SENDERS_MAX; i++)
                sender_clear(&filter->senders[i]);
        free(filter);
        return NULL;
}

int sender_filter_pin(SenderFilter *filter, const char *name, pid_t *ret_pid, int *ret_pidfd) {
        const Sender *sender = find(filter, name);
        int fd;

        if (!sender || sender->pidfd < 0)
                return -ESRCH;

        fd = fcntl(sender->pidfd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;

        *ret_pid = sender->pid;
        *ret_pidfd = fd;
        return 0;
}
