/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The brain's end of the socket, alone: the test is the keeper, of either version, and says what
 * no real one can be made to say at a given moment.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "io/keeper-wire-client.h"
#include "io/tree.h"
#include "test.h"

#define PATIENCE_MSEC 30000

static sd_event *event;
static KeeperClient *client;
static int keeper_fd = -1; /* the keeper's end */
static int n_terminated;

static void on_terminate(_unused_ void *userdata) {
        n_terminated++;
}

static void setup(void) {
        int pair[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        keeper_fd = pair[0];
        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_eq(keeper_client_new(&client, event, pair[1], NULL, on_terminate, NULL), 0);
}

static void teardown(void) {
        client = keeper_client_free(client);
        event = sd_event_unref(event);
        keeper_fd = safe_close(keeper_fd);
}

static void say(WireMessage message, const int *fds, size_t n_fds) {
        ck_assert_int_eq(wire_send(keeper_fd, &message, fds, n_fds), 0);
}

static void say_hello(unsigned version) {
        say((WireMessage){ .kind = WIRE_HELLO, .version = version }, NULL, 0);
}

static void say_end(void) {
        say((WireMessage){ .kind = WIRE_TABLE_END }, NULL, 0);
}

/* The next order, which must be this one. */
static WireMessage expect_order(WireKind kind, size_t n_fds) {
        WireMessage message = { 0 };
        int fds[WIRE_FDS_MAX];
        size_t n = 0;

        ck_assert_int_eq(wire_receive(keeper_fd, &message, fds, &n), 1);
        wire_close_fds(fds, n);
        ck_assert_uint_eq(message.kind, kind);
        ck_assert_uint_eq(n, n_fds);
        return message;
}

static void expect_no_order(void) {
        struct pollfd end = { .fd = keeper_fd, .events = POLLIN };

        ck_assert_int_eq(poll(&end, 1, 0), 0);
}

/* All that there is to do now. */
static void run_loop(void) {
        while (sd_event_run(event, 0) > 0)
                ;
}

static int make_memory(void) {
        int fd = memfd_create("test", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

/* The table */

START_TEST(the_table_is_read_to_its_end_and_no_further) {
        _cleanup_close_ int memory = make_memory();
        WireMessage hello = { .kind = WIRE_HELLO,
                              .version = WIRE_VERSION,
                              .flags = WIRE_HELLO_FIRST | WIRE_HELLO_SAFE };
        _cleanup_close_ int ledger = -1;
        KeptSlot *kept = NULL;

        say(hello, &memory, 1);
        say((WireMessage){ .kind = WIRE_ENTRY, .slot = 5, .flags = WIRE_ENTRY_MEMORY }, &memory, 1);
        say((WireMessage){ .kind = WIRE_HOLDER, .slot = 9 }, &memory, 1);
        say_end();
        say((WireMessage){ .kind = WIRE_TERMINATE }, NULL, 0);

        ck_assert_int_eq(keeper_client_read_table(client), 0);
        ck_assert(keeper_client_is_first(client) && keeper_client_is_safe_mode(client));
        ledger = keeper_client_take_ledger(client);
        ck_assert_int_ge(ledger, 0);
        ck_assert_int_eq(keeper_client_take_ledger(client), -EBADF);
        ck_assert_int_eq(keeper_client_find_kept_slot(client, 5, &kept), 0);
        ck_assert_int_ge(kept->memory_fd, 0);
        ck_assert_int_eq(keeper_client_find_kept_slot(client, 4, &kept), -ENOENT);
        ck_assert_int_eq(n_terminated, 0);
        run_loop();
        ck_assert_int_eq(n_terminated, 1);
        expect_no_order();
        keeper_client_end_unclaimed(client);
        ck_assert_uint_eq(expect_order(WIRE_DROP_HOLDER, 0).slot, 9);
        run_loop();
        ck_assert_uint_eq(expect_order(WIRE_RELEASE, 0).slot, 5);
}
END_TEST

/* It comes in pieces, and each is waited for. */
START_TEST(a_slow_keeper_is_waited_for) {
        pid_t pid = fork();
        int status = 0;

        if (pid == 0) {
                say_hello(WIRE_VERSION);
                for (uint32_t slot = 0; slot < WIRE_SLOTS_MAX; slot++) {
                        WireMessage entry = { .kind = WIRE_ENTRY, .slot = slot, .generation = 1 };
                        struct pollfd room = { .fd = keeper_fd, .events = POLLOUT };

                        while (wire_send(keeper_fd, &entry, NULL, 0) == -EAGAIN)
                                (void) poll(&room, 1, PATIENCE_MSEC);
                }
                say_end();
                _exit(EXIT_SUCCESS);
        }
        ck_assert_int_eq(keeper_client_read_table(client), 0);
        for (uint32_t slot = 0; slot < WIRE_SLOTS_MAX; slot++)
                ck_assert_ptr_nonnull(keeper_client_kept_slot(client, slot));
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_keeper_of_another_version_is_refused) {
        say_hello(WIRE_VERSION + 1);
        ck_assert_int_eq(keeper_client_read_table(client), -EPROTONOSUPPORT);
}
END_TEST

START_TEST(a_keeper_that_is_gone_has_no_table) {
        say_hello(WIRE_VERSION);
        keeper_fd = safe_close(keeper_fd);
        ck_assert_int_eq(keeper_client_read_table(client), -EPIPE);
}
END_TEST

START_TEST(a_descriptor_that_did_not_come_is_an_error) {
        say_hello(WIRE_VERSION);
        say((WireMessage){ .kind = WIRE_ENTRY, .flags = WIRE_ENTRY_OUTPUT }, NULL, 0);
        ck_assert_int_eq(keeper_client_read_table(client), -EMFILE);
}
END_TEST

START_TEST(a_ping_is_answered) {
        say_hello(WIRE_VERSION);
        say_end();
        ck_assert_int_eq(keeper_client_read_table(client), 0);
        expect_no_order();
        say((WireMessage){ .kind = WIRE_PING }, NULL, 0);
        run_loop();
        (void) expect_order(WIRE_ALIVE, 0);
}
END_TEST

/* Trees */

static Tree *tree;
static unsigned n_forked, n_exec, n_exited, n_emptied;
static bool respawns;

static void spawn(uint64_t generation) {
        char *argv[] = { (char *) "true", NULL };
        _cleanup_close_ int fd = make_memory();
        SpawnSpec spec = {
                .generation = generation,
                .path = "/bin/true",
                .argv = argv,
                .envp = argv,
                .working_directory = "/",
                .stdin_fd = -1,
                .kept_stdin_fd = -1,
                .stdout_fd = fd,
                .stderr_fd = fd,
                .kept_stdout_fd = fd,
                .kept_stderr_fd = fd,
                .kept_notify_fd = fd,
        };

        ck_assert_int_eq(tree_spawn(tree, &spec), 0);
}

static void on_forked(_unused_ void *userdata, _unused_ pid_t pid) {
        n_forked++;
}

static void on_fork_failed(_unused_ void *userdata, _unused_ int error) {
        ck_abort_msg("no fork fails here");
}

static void on_exec(_unused_ void *userdata, _unused_ int error) {
        n_exec++;
}

static void on_exited(_unused_ void *userdata, int code, int status) {
        ck_assert_int_eq(code, CLD_EXITED);
        ck_assert_int_eq(status, 7);
        n_exited++;
}

/* Nothing is acknowledged yet. */
static void on_emptied(_unused_ void *userdata) {
        expect_no_order();
        n_emptied++;
        if (respawns)
                spawn(n_emptied + 1);
}

static const TreeObserver observer = {
        .on_forked = on_forked,
        .on_fork_failed = on_fork_failed,
        .on_exec = on_exec,
        .on_exited = on_exited,
        .on_emptied = on_emptied,
};

static void say_news(WireKind kind, uint64_t generation) {
        _cleanup_close_ int pidfd = make_memory();
        WireMessage message = {
                .kind = kind,
                .slot = tree_slot(tree),
                .generation = generation,
                .pid = 1,
                .code = CLD_EXITED,
                .status = 7,
        };

        say(message, &pidfd, kind == WIRE_FORKED);
}

static void say_whole_life(uint64_t generation) {
        say_news(WIRE_FORKED, generation);
        say_news(WIRE_EXEC, generation);
        say_news(WIRE_EXITED, generation);
        run_loop();
}

static void begin(unsigned version) {
        say_hello(version);
        if (version != WIRE_VERSION_WITHOUT_TABLE)
                say_end();
        ck_assert_int_eq(keeper_client_read_table(client), 0);
        ck_assert_int_eq(tree_new(&tree, client, "a", &observer, NULL), 0);
}

START_TEST(an_end_is_acknowledged_when_it_has_been_told) {
        begin(WIRE_VERSION);
        spawn(1);
        ck_assert_uint_eq(expect_order(WIRE_SPAWN, 6).flags, WIRE_SPAWN_KEEP | WIRE_SPAWN_NOTIFY);
        say_whole_life(1);
        ck_assert_uint_eq(n_emptied, 1);
        ck_assert_uint_eq(expect_order(WIRE_ACKNOWLEDGE, 0).generation, 1);
        tree = tree_free(tree);
        (void) expect_order(WIRE_RELEASE, 0);
        expect_no_order();
}
END_TEST

START_TEST(the_next_order_is_an_acknowledgement) {
        begin(WIRE_VERSION);
        respawns = true;
        spawn(1);
        (void) expect_order(WIRE_SPAWN, 6);
        say_whole_life(1);
        ck_assert_uint_eq(expect_order(WIRE_SPAWN, 6).generation, 2);
        expect_no_order();
        respawns = false;
        say_whole_life(2);
        ck_assert_uint_eq(expect_order(WIRE_ACKNOWLEDGE, 0).generation, 2);
        tree = tree_free(tree);
}
END_TEST

START_TEST(a_keeper_of_version_1_is_told_what_it_understands) {
        begin(WIRE_VERSION_WITHOUT_TABLE);
        ck_assert_int_eq(keeper_client_take_ledger(client), -EBADF);
        respawns = true;
        spawn(1);
        ck_assert_uint_eq(expect_order(WIRE_SPAWN, 3).flags, 0);
        say_whole_life(1);
        ck_assert_uint_eq(expect_order(WIRE_ACKNOWLEDGE, 0).generation, 1);
        ck_assert_uint_eq(expect_order(WIRE_SPAWN, 3).generation, 2);
        expect_no_order();
        respawns = false;
        say_whole_life(2);
        ck_assert_uint_eq(expect_order(WIRE_ACKNOWLEDGE, 0).generation, 2);
        tree = tree_free(tree);
}
END_TEST

START_TEST(news_that_comes_again_is_told_once) {
        begin(WIRE_VERSION);
        spawn(1);
        (void) expect_order(WIRE_SPAWN, 6);
        for (int i = 0; i < 3; i++)
                say_news(WIRE_FORKED, 1);
        for (int i = 0; i < 3; i++)
                say_news(WIRE_EXEC, 1);
        say_news(WIRE_FORKED, 1);
        for (int i = 0; i < 3; i++)
                say_news(WIRE_EXITED, 1);
        say_whole_life(1);
        ck_assert(n_forked == 1 && n_exec == 1 && n_exited == 1 && n_emptied == 1);
        tree = tree_free(tree);
}
END_TEST

/* From the table, from after it, and once more. */
START_TEST(news_that_comes_before_the_adoption_is_not_lost) {
        _cleanup_close_ int pidfd = make_memory();
        WireMessage entry = {
                .kind = WIRE_ENTRY,
                .slot = 3,
                .generation = 8,
                .flags = WIRE_ENTRY_THERE | WIRE_ENTRY_MAIN_FD,
                .pid = 1,
        };

        say_hello(WIRE_VERSION);
        say(entry, &pidfd, 1);
        say_end();
        ck_assert_int_eq(keeper_client_read_table(client), 0);
        say((WireMessage){ .kind = WIRE_EXEC, .slot = 3, .generation = 8 }, NULL, 0);
        run_loop();
        ck_assert_int_eq(tree_adopt(&tree, client, "a", 3, 8, &observer, NULL), 0);
        say_news(WIRE_EXITED, 8);
        run_loop();
        ck_assert_uint_eq(n_forked + n_exec + n_exited, 0);

        ck_assert_int_eq(tree_resume(tree), 1);
        ck_assert(n_forked == 1 && n_exec == 1 && n_exited == 1 && n_emptied == 1);
        ck_assert_uint_eq(expect_order(WIRE_ACKNOWLEDGE, 0).generation, 8);
        say_whole_life(8);
        ck_assert_uint_eq(n_exited, 1);
        tree = tree_free(tree);
}
END_TEST

START_TEST(what_runs_is_not_given_back) {
        begin(WIRE_VERSION);
        spawn(1);
        (void) expect_order(WIRE_SPAWN, 6);
        say_news(WIRE_FORKED, 1);
        run_loop();
        tree = tree_free(tree);
        expect_no_order();
}
END_TEST

TEST_MAIN("client",
          setup,
          teardown,
          the_table_is_read_to_its_end_and_no_further,
          a_slow_keeper_is_waited_for,
          a_keeper_of_another_version_is_refused,
          a_keeper_that_is_gone_has_no_table,
          a_descriptor_that_did_not_come_is_an_error,
          a_ping_is_answered,
          an_end_is_acknowledged_when_it_has_been_told,
          the_next_order_is_an_acknowledgement,
          a_keeper_of_version_1_is_told_what_it_understands,
          news_that_comes_again_is_told_once,
          news_that_comes_before_the_adoption_is_not_lost,
          what_runs_is_not_given_back)
