/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <systemd/sd-daemon.h>

#include "io/notify-socket.h"
#include "test.h"
#include "util/strv.h"

static char folder[] = "/tmp/test-notify-XXXXXX";
static char path[64];
static sd_event *event;
static NotifySocket *heard_by;
static pid_t client;

/* What the handler was told last. */
static NotifyMessage heard;
static pid_t heard_from;
static unsigned n_heard;

static void hear(const NotifyMessage *message, pid_t sender, _unused_ void *userdata) {
        heard = *message;
        heard_from = sender;
        n_heard++;
}

static void set_up(void) {
        ck_assert_ptr_nonnull(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/socket", folder);
        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_eq(notify_socket_new(&heard_by, event, path, hear, NULL), 0);
        ck_assert_int_ge(notify_socket_listen(heard_by), 0);
        ck_assert_int_eq(setenv("NOTIFY_SOCKET", path, true), 0);
}

static void tear_down(void) {
        if (client > 0) {
                (void) kill(client, SIGKILL);
                (void) waitpid(client, NULL, 0);
        }
        heard_by = notify_socket_free(heard_by);
        event = sd_event_unref(event);
        (void) unlink(path);
        (void) rmdir(folder);
}

static void hear_next(void) {
        unsigned n_before = n_heard;

        while (n_heard == n_before)
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
}

/* What was sent is in the socket already, so nothing is waited for. */
static void hear_all(void) {
        while (sd_event_run(event, 0) > 0)
                ;
}

static void send_raw(const void *bytes, size_t n_bytes, const int *fds, size_t n_fds) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un to = { .sun_family = AF_UNIX };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(64 * sizeof(int))];
        } control = { 0 };
        struct iovec iov = { (void *) (uintptr_t) bytes, n_bytes };
        struct msghdr msg = {
                .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &iov, .msg_iovlen = 1
        };

        (void) strcpy(to.sun_path, path);
        if (n_fds > 0) {
                msg.msg_control = &control;
                msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
        }
        ck_assert_int_eq(sendmsg(fd, &msg, MSG_NOSIGNAL), n_bytes);
}

static pid_t run(const char *const argv[]) {
        client = fork();
        ck_assert_int_ge(client, 0);
        if (client == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) execv(argv[0], (char *const *) (uintptr_t) argv);
                _exit(127);
        }
        return client;
}

static int client_status(void) {
        int status;

        ck_assert_int_eq(waitpid(client, &status, 0), client);
        client = 0;
        return status;
}

START_TEST(the_library_of_systemd_is_heard_with_its_pid) {
        ck_assert_int_gt(sd_notify(false, "READY=1\nSTATUS=up"), 0);
        hear_next();
        ck_assert_uint_eq(heard.said, NOTIFY_READY | NOTIFY_STATUS);
        ck_assert_str_eq(heard.status, "up");
        ck_assert_int_eq(heard_from, getpid());
}
END_TEST

/* It ends once its barrier's descriptor is closed: and is alive while the handler runs. */
static void
hear_and_look_at_the_sender(const NotifyMessage *message, pid_t sender, void *userdata) {
        siginfo_t info = { 0 };

        hear(message, sender, userdata);
        ck_assert_int_eq(waitid(P_PID, (id_t) client, &info, WEXITED | WNOHANG | WNOWAIT), 0);
        ck_assert_int_eq(info.si_pid, 0);
}

START_TEST(systemd_notify_waits_for_its_barrier_and_is_there_when_it_is_heard) {
        static const char *const argv[] = { "/usr/bin/systemd-notify", "--ready", NULL };
        int fd = dup(notify_socket_fd(heard_by));

        heard_by = notify_socket_free(heard_by);
        ck_assert_int_eq(
                notify_socket_adopt(&heard_by, event, fd, hear_and_look_at_the_sender, NULL), 0);
        ck_assert_int_ge(notify_socket_listen(heard_by), 0);

        (void) run(argv);
        hear_next();
        ck_assert_uint_eq(heard.said, NOTIFY_READY);
        /* Where it may, as root, it speaks for its parent, which is sure to live on. */
        ck_assert_int_eq(heard_from, geteuid() == 0 ? getpid() : client);
        hear_next();
        ck_assert_uint_eq(heard.said, NOTIFY_BARRIER);
        ck_assert_int_eq(client_status(), 0);
}
END_TEST

static unsigned count_fds(void) {
        unsigned n = 0;

        for (int fd = 0; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

START_TEST(descriptors_that_come_along_are_closed) {
        int ends[2], many[64];
        struct pollfd other_end;
        unsigned n_fds;

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        for (size_t i = 0; i < ELEMENTSOF(many); i++)
                many[i] = ends[1];
        n_fds = count_fds();

        /* More than there is room for: what came with them is not heard either. */
        send_raw("READY=1", 7, many, ELEMENTSOF(many));
        send_raw("FDSTORE=1", 9, ends, 1);
        send_raw("STOPPING=1", 10, ends + 1, 1);
        hear_all();
        ck_assert_uint_eq(n_heard, 1);
        ck_assert_uint_eq(heard.said, NOTIFY_STOPPING);
        ck_assert_uint_eq(count_fds(), n_fds);

        close(ends[1]);
        other_end = (struct pollfd){ .fd = ends[0], .events = POLLIN };
        ck_assert_int_eq(poll(&other_end, 1, 0), 1);
        ck_assert_int_eq(other_end.revents & POLLHUP, POLLHUP);
        close(ends[0]);
}
END_TEST

START_TEST(what_is_cut_short_or_makes_no_sense_is_not_heard) {
        char text[NOTIFY_BYTES_MAX + 1];

        memset(text, '\n', sizeof(text));
        memcpy(text, "READY=1", 7);
        send_raw(text, sizeof(text), NULL, 0);
        send_raw("READY=1\0X", 9, NULL, 0);
        send_raw("", 0, NULL, 0);
        send_raw("HELLO=1", 7, NULL, 0);
        hear_all();
        ck_assert_uint_eq(n_heard, 0);

        send_raw(text, sizeof(text) - 1, NULL, 0);
        hear_all();
        ck_assert_uint_eq(n_heard, 1);
}
END_TEST

START_TEST(another_user_is_not_heard) {
        if (geteuid() != 0) {
                puts("SKIP: being two users takes root");
                return;
        }

        /* Let in by hand: the folder and the mode keep others out beforehand. */
        ck_assert_int_eq(chmod(folder, 0755), 0);
        ck_assert_int_eq(chmod(path, 0666), 0);
        client = fork();
        ck_assert_int_ge(client, 0);
        if (client == 0)
                _exit(setuid(65534) == 0 && sd_notify(false, "READY=1") > 0 ? 0 : 1);
        ck_assert_int_eq(client_status(), 0);

        hear_all();
        ck_assert_uint_eq(n_heard, 0);
        (void) sd_notify(false, "READY=1");
        hear_all();
        ck_assert_uint_eq(n_heard, 1);
}
END_TEST

START_TEST(the_name_is_for_its_owner_alone_and_stays_until_it_is_removed) {
        struct stat st;

        ck_assert_str_eq(notify_socket_path(heard_by), path);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert(S_ISSOCK(st.st_mode));
        ck_assert_uint_eq(st.st_mode & 0777, 0600);

        heard_by = notify_socket_free(heard_by);
        ck_assert_int_eq(access(path, F_OK), 0);

        /* A name that a dead brain left is no obstacle. */
        ck_assert_int_eq(notify_socket_new(&heard_by, event, path, hear, NULL), 0);
        ck_assert_int_ge(notify_socket_listen(heard_by), 0);
        (void) sd_notify(false, "READY=1");
        hear_next();
        notify_socket_remove_path(heard_by);
        ck_assert_int_lt(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_name_that_no_address_has_room_for_is_refused) {
        char name[PATH_MAX];
        NotifySocket *other = NULL;

        (void) snprintf(name, sizeof(name), "%s/%0108d", folder, 0);
        ck_assert_int_eq(notify_socket_new(&other, event, name, hear, NULL), -ENAMETOOLONG);
        (void) snprintf(name, sizeof(name), "%s/nowhere/socket", folder);
        ck_assert_int_eq(notify_socket_new(&other, event, name, hear, NULL), -ENOENT);
        ck_assert_ptr_null(other);
}
END_TEST

START_TEST(what_was_said_while_nobody_listened_is_heard_by_the_next_one) {
        int kept = fcntl(notify_socket_fd(heard_by), F_DUPFD_CLOEXEC, 3);

        heard_by = notify_socket_free(heard_by);
        ck_assert_int_gt(sd_notify(false, "MAINPID=77"), 0);
        ck_assert_int_gt(sd_notify(false, "READY=1"), 0);

        ck_assert_int_eq(notify_socket_adopt(&heard_by, event, kept, hear, NULL), 0);
        ck_assert_int_ge(notify_socket_listen(heard_by), 0);
        ck_assert_str_eq(notify_socket_path(heard_by), path);
        hear_next();
        ck_assert_int_eq(heard.main_pid, 77);
        hear_next();
        ck_assert_uint_eq(heard.said, NOTIFY_READY);
        ck_assert_int_eq(heard_from, getpid());
}
END_TEST

static void hear_and_free(const NotifyMessage *message, pid_t sender, void *userdata) {
        hear(message, sender, userdata);
        heard_by = notify_socket_free(heard_by);
}

START_TEST(the_handler_may_free_the_socket_and_fds_are_closed_all_the_same) {
        unsigned n_fds;
        int null;

        heard_by = notify_socket_free(heard_by);
        n_fds = count_fds();
        null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(notify_socket_new(&heard_by, event, path, hear_and_free, NULL), 0);
        ck_assert_int_ge(notify_socket_listen(heard_by), 0);

        send_raw("READY=1", 7, &null, 1);
        send_raw("READY=1", 7, NULL, 0);
        close(null);
        hear_all();
        ck_assert_uint_eq(n_heard, 1);
        ck_assert_uint_eq(count_fds(), n_fds);
}
END_TEST

static int say_it_was_my_turn(sd_event_source *source, void *userdata) {
        *(unsigned *) userdata = n_heard;
        sd_event_source_unref(source);
        return 0;
}

START_TEST(who_never_stops_talking_leaves_others_their_turn) {
        unsigned heard_before = 0;
        sd_event_source *other = NULL;

        for (size_t i = 0; i < 8; i++)
                ck_assert_int_gt(sd_notify(false, "WATCHDOG=1"), 0);
        ck_assert_int_ge(sd_event_add_defer(event, &other, say_it_was_my_turn, &heard_before), 0);

        hear_all();
        ck_assert_uint_eq(n_heard, 8);
        ck_assert_uint_eq(heard_before, 4);
}
END_TEST

TEST_MAIN("notify-socket",
          set_up,
          tear_down,
          the_library_of_systemd_is_heard_with_its_pid,
          systemd_notify_waits_for_its_barrier_and_is_there_when_it_is_heard,
          descriptors_that_come_along_are_closed,
          what_is_cut_short_or_makes_no_sense_is_not_heard,
          another_user_is_not_heard,
          the_name_is_for_its_owner_alone_and_stays_until_it_is_removed,
          a_name_that_no_address_has_room_for_is_refused,
          what_was_said_while_nobody_listened_is_heard_by_the_next_one,
          the_handler_may_free_the_socket_and_fds_are_closed_all_the_same,
          who_never_stops_talking_leaves_others_their_turn)
