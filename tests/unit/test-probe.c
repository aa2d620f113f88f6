/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sched.h>
#include <sys/mount.h>

#include "probe-fixture.h"

START_TEST(a_server_that_nobody_here_wrote_is_found_alive) {
        char folder[] = "/tmp/test-probe-XXXXXX"; /* empty: a folder "docs" would answer */
        const char *argv[] = {
                "/usr/bin/python3", "-u",        "-m",          "http.server", "0",
                "--bind",           "127.0.0.1", "--directory", folder,        NULL
        };
        ProbeTarget target = http(0, TEXTS("/health", "/docs", "/"));
        char line[256];
        unsigned port;

        ck_assert_ptr_nonnull(mkdtemp(folder));
        server = child_run(argv);
        (void) child_read_line(&server, line, sizeof(line));
        ck_assert_int_eq(sscanf(line, "Serving HTTP on 127.0.0.1 port %u", &port), 1);
        target.port = (uint16_t) port;

        ck_assert(ask(&target)->alive);
        ck_assert_int_eq(said.path_index, 2);
        ck_assert_uint_eq(said.status, 200);
        ck_assert_str_eq(said_error, "");
        ck_assert_uint_gt(said.latency_usec, 0);

        target = tcp((uint16_t) port);
        ck_assert(ask(&target)->alive);
        ck_assert_int_eq(said.path_index, -1);
        ck_assert_uint_eq(said.status, 0);
        rmdir(folder);
}
END_TEST

static bool libcurl_is_loaded(void) {
        FILE *maps = fopen("/proc/self/maps", "re");
        char line[PATH_MAX];
        bool found = false;

        ck_assert_ptr_nonnull(maps);
        while (!found && fgets(line, sizeof(line), maps))
                found = strstr(line, "libcurl");
        fclose(maps);
        return found;
}

START_TEST(libcurl_is_loaded_at_the_first_http_probe_and_not_before) {
        uint16_t port = serve("127.0.0.1");
        ProbeTarget target = tcp(port);

        ck_assert(!libcurl_is_loaded());
        ck_assert(ask(&target)->alive);
        ck_assert(!libcurl_is_loaded());
        ck_assert(ask_path(port, "/status/200")->alive);
        ck_assert(libcurl_is_loaded());
}
END_TEST

/* Of a process that has loaded it, so that this one need not. */
static void find_libcurl(char *path, size_t n_path) {
        static const char script[] =
                "import ctypes\n"
                "ctypes.CDLL('libcurl.so.4')\n"
                "print([l.split()[-1] for l in open('/proc/self/maps') if 'libcurl' in l][0])";
        const char *argv[] = { "/usr/bin/python3", "-c", script, NULL };
        Child python = child_run(argv);

        (void) child_read_line(&python, path, n_path);
        child_end(&python);
}

START_TEST(a_machine_without_libcurl_is_told_so_and_can_still_probe_tcp) {
        uint16_t port = serve("127.0.0.1");
        ProbeTarget target = http(port, TEXTS("/status/200"));
        char path[PATH_MAX];

        find_libcurl(path, sizeof(path));
        if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0) {
                puts("SKIP: hiding libcurl takes root");
                return;
        }
        ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
        ck_assert_int_eq(mount("/dev/null", path, NULL, MS_BIND, NULL), 0);

        ck_assert_int_eq(probe_start(&probe, prober, &target, note, NULL), -ENOTSUP);
        ck_assert_ptr_null(probe);
        target = tcp(port);
        ck_assert(ask(&target)->alive);
}
END_TEST

START_TEST(where_nobody_listens_the_round_ends_and_names_the_port) {
        _cleanup_close_ int fd = -1;
        uint16_t port = mute_port(&fd);
        ProbeTarget target = http(port, TEXTS("/health", "/docs", "/"));
        char sentence[64];

        (void) snprintf(sentence, sizeof(sentence), "nothing listens on port %u", port);

        ck_assert(!ask(&target)->alive);
        ck_assert_int_eq(said.path_index, -1);
        ck_assert_str_eq(said_error, sentence);

        target = tcp(port);
        ck_assert(!ask(&target)->alive);
        ck_assert_str_eq(said_error, sentence);
}
END_TEST

static void count_refused(const ProbeResult *result, void *userdata) {
        unsigned *n_refused = userdata;

        n_said++;
        *n_refused += strstr(result->error, "nothing listens") != NULL;
}

/* Which libcurl reports in one go. */
START_TEST(probes_that_end_at_the_same_time_are_all_told) {
        _cleanup_close_ int fd = -1;
        ProbeTarget target = http(mute_port(&fd), TEXTS("/"));
        unsigned n_refused = 0;
        Probe *probes[20];

        for (size_t i = 0; i < ELEMENTSOF(probes); i++)
                ck_assert_int_eq(
                        probe_start(&probes[i], prober, &target, count_refused, &n_refused), 0);
        while (n_said < ELEMENTSOF(probes))
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
        ck_assert_uint_eq(n_refused, ELEMENTSOF(probes));

        for (size_t i = 0; i < ELEMENTSOF(probes); i++)
                probes[i] = probe_free(probes[i]);
}
END_TEST

static Probe *other_probe;

/* The last of them, as far as the prober knows. */
static void free_all(_unused_ const ProbeResult *result, _unused_ void *userdata) {
        n_said++;
        probe = probe_free(probe);
        other_probe = probe_free(other_probe);
        prober = prober_free(prober);
}

/* Both are over when the first is told, which takes the second's answer away. */
START_TEST(a_handler_may_free_other_probes_and_the_prober) {
        _cleanup_close_ int fd = -1;
        ProbeTarget target = http(mute_port(&fd), TEXTS("/"));

        ck_assert_int_eq(probe_start(&probe, prober, &target, free_all, NULL), 0);
        ck_assert_int_eq(probe_start(&other_probe, prober, &target, free_all, NULL), 0);
        while (n_said == 0)
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
        let_all_happen();
        ck_assert_uint_eq(n_said, 1);
}
END_TEST

START_TEST(a_server_that_went_away_between_two_paths_ends_the_round) {
        ProbeTarget target = http(serve("127.0.0.1"), TEXTS("/last", "/status/200"));

        ck_assert(!ask(&target)->alive);
        ck_assert_int_eq(said.path_index, -1);
        ck_assert_uint_eq(said.status, 0);
        ck_assert_ptr_nonnull(strstr(said_error, "nothing listens"));
}
END_TEST

START_TEST(a_server_on_ipv6_alone_is_found) {
        uint16_t port = serve("::1");
        ProbeTarget target = http(port, TEXTS("/status/404", "/status/200"));

        ck_assert(ask(&target)->alive);
        ck_assert_int_eq(said.path_index, 1);
        target = tcp(port);
        ck_assert(ask(&target)->alive);
}
END_TEST

/* A folder and the path of a socket in it, which goes with end_socket(). */
static char socket_folder[] = "/tmp/test-probe-XXXXXX";
static char socket_path[64];

static void begin_socket(void) {
        ck_assert_ptr_nonnull(mkdtemp(socket_folder));
        (void) snprintf(socket_path, sizeof(socket_path), "%s/socket", socket_folder);
}

static void end_socket(void) {
        (void) unlink(socket_path);
        ck_assert_int_eq(rmdir(socket_folder), 0);
}

static ProbeTarget at_socket(ProbeTarget target) {
        target.unix_path = socket_path;
        return target;
}

START_TEST(a_server_at_a_socket_with_a_name_is_found) {
        ProbeTarget over_http = at_socket(http(0, TEXTS("/status/404", "/status/204")));
        ProbeTarget over_tcp = at_socket(tcp(0));

        begin_socket();
        (void) serve(socket_path);

        ck_assert(ask(&over_http)->alive);
        ck_assert_int_eq(said.path_index, 1);
        ck_assert_uint_eq(said.status, 204);
        ck_assert(ask(&over_tcp)->alive);

        over_http.paths = TEXTS("/status/503");
        ck_assert(!ask(&over_http)->alive);
        ck_assert(said.is_loading);
        end_socket();
}
END_TEST

START_TEST(a_socket_that_is_not_there_or_was_left_behind_is_named) {
        ProbeTarget targets[] = { at_socket(http(0, TEXTS("/status/200", "/"))),
                                  at_socket(tcp(0)) };
        char sentence[128];

        begin_socket();
        (void) snprintf(sentence, sizeof(sentence), "nothing listens on %s", socket_path);
        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                ck_assert(!ask(&targets[i])->alive);
                ck_assert_str_eq(said_error, sentence);
        }

        (void) serve(socket_path);
        ck_assert(ask(&targets[0])->alive);
        child_end(&server);
        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                ck_assert(!ask(&targets[i])->alive);
                ck_assert_int_eq(said.path_index, -1);
                ck_assert_str_eq(said_error, sentence);
        }
        end_socket();
}
END_TEST

START_TEST(a_path_that_cannot_be_a_sockets_is_refused) {
        char too_long[110] = "/";
        const char *const bad[] = { "", "relative/socket", too_long };
        ProbeTarget target = http(0, TEXTS("/"));

        memset(too_long, '/', 108);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                target.unix_path = bad[i];
                ck_assert_int_eq(probe_start(&probe, prober, &target, note, NULL), -EINVAL);
        }
        ck_assert_ptr_null(probe);
}
END_TEST

START_TEST(a_5xx_is_not_outvoted_and_503_is_loading) {
        uint16_t port = serve("127.0.0.1");
        ProbeTarget target = http(port, TEXTS("/status/500", "/status/200"));

        ck_assert(!ask(&target)->alive);
        ck_assert(!said.is_loading);
        ck_assert_int_eq(said.path_index, 0);
        ck_assert_uint_eq(said.status, 500);
        ck_assert_str_eq(said_error, "GET /status/500 answered 500");

        target.paths = TEXTS("/status/503", "/status/200");
        ck_assert(!ask(&target)->alive);
        ck_assert(said.is_loading);
        ck_assert_uint_eq(said.status, 503);
}
END_TEST

START_TEST(a_redirect_is_a_sign_of_life_and_not_followed) {
        uint16_t port = serve("127.0.0.1");
        ProbeTarget silent = http(port, TEXTS("/silent"));

        ck_assert(ask_path(port, "/redirect")->alive);
        ck_assert_uint_eq(said.status, 302);

        /* Had it been followed, "followed" would be said first. */
        ck_assert_int_eq(probe_start(&probe, prober, &silent, note, NULL), 0);
        wait_for_line("silent");
}
END_TEST

START_TEST(no_environment_variable_sends_a_probe_elsewhere) {
        uint16_t port = serve("127.0.0.1");

        setenv("http_proxy", "http://127.0.0.1:1", true);
        setenv("all_proxy", "http://127.0.0.1:1", true);
        setenv("ALL_PROXY", "socks5://127.0.0.1:1", true);
        ck_assert(ask_path(port, "/status/200")->alive);
}
END_TEST

START_TEST(headers_are_sent) {
        ProbeTarget target = http(serve("127.0.0.1"), TEXTS("/header"));

        ck_assert(!ask(&target)->alive);
        ck_assert_uint_eq(said.status, 400);

        target.headers = TEXTS("X-Other: 1", "X-Probe: yes");
        ck_assert(ask(&target)->alive);
}
END_TEST

START_TEST(what_could_lead_a_request_elsewhere_is_refused) {
        static const char *const bad_paths[] = { "", "health", "@192.0.2.1/", ".example/" };
        static const char *const bad_headers[] = { "A: b\r\nHost: c", "A: b\n", "A: \x7f" };
        ProbeTarget target = http(1, TEXTS(""));

        for (size_t i = 0; i < ELEMENTSOF(bad_paths); i++) {
                target.paths = TEXTS(bad_paths[i]);
                ck_assert_int_eq(probe_start(&probe, prober, &target, note, NULL), -EINVAL);
        }

        target.paths = TEXTS("/");
        for (size_t i = 0; i < ELEMENTSOF(bad_headers); i++) {
                target.headers = TEXTS(bad_headers[i]);
                ck_assert_int_eq(probe_start(&probe, prober, &target, note, NULL), -EINVAL);
        }

        target.paths = NULL;
        ck_assert_int_eq(probe_start(&probe, prober, &target, note, NULL), -EINVAL);
        ck_assert_ptr_null(probe);
}
END_TEST

/* Only what has not come by then is late: not what we have not looked at. */
START_TEST(an_answer_that_came_in_time_counts_however_late_we_look) {
        ProbeTarget target = http(serve("127.0.0.1"), TEXTS("/later"));
        struct timespec over;
        uint64_t answered;
        char line[64];

        target.timeout_usec = 3 * USEC_PER_SEC;
        /* On a machine that stood still meanwhile it may be late after all: then once more. */
        do {
                probe = probe_free(probe);
                n_said = 0;
                ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &over), 0);
                ck_assert_int_eq(probe_start(&probe, prober, &target, note, NULL), 0);
                wait_for_line("asked");
                ck_assert_str_eq(child_read_line(&server, line, sizeof(line)), "answered");
                answered = now_usec();
        } while (answered >= (uint64_t) (over.tv_sec + 3) * USEC_PER_SEC);

        over.tv_sec += 4;
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &over, NULL) != 0)
                ;
        let_all_happen();
        ck_assert_uint_eq(n_said, 1);
        ck_assert_msg(said.alive, "%s", said_error);
}
END_TEST

START_TEST(a_probe_freed_on_its_way_leaves_nothing) {
        ProbeTarget target = http(serve("127.0.0.1"), TEXTS("/silent"));
        unsigned n_fds;

        (void) ask_path(target.port, "/status/200");
        n_fds = count_fds();
        n_said = 0;

        ck_assert_int_eq(probe_start(&probe, prober, &target, note, NULL), 0);
        wait_for_line("silent");
        ck_assert_uint_eq(count_fds(), n_fds + 1);

        probe = probe_free(probe);
        ck_assert_uint_eq(count_fds(), n_fds);
        wait_for_line("gone");
        let_all_happen();
        ck_assert_uint_eq(n_said, 0);

        /* Before the loop ever turned, too. */
        ck_assert_int_eq(probe_start(&probe, prober, &target, note, NULL), 0);
        probe = probe_free(probe);
        target = tcp(target.port);
        ck_assert_int_eq(probe_start(&probe, prober, &target, note, NULL), 0);
        probe = probe_free(probe);
        let_all_happen();
        ck_assert_uint_eq(n_said, 0);
        ck_assert_uint_eq(count_fds(), n_fds);
}
END_TEST

START_TEST(two_hundred_probes_leave_no_descriptor) {
        uint16_t port = serve("127.0.0.1");
        ProbeTarget target = tcp(port);
        unsigned n_fds;

        (void) ask_path(port, "/status/200");
        n_fds = count_fds();

        for (size_t i = 0; i < 100; i++) {
                ck_assert(ask_path(port, i % 2 ? "/status/200" : "/hints")->alive);
                ck_assert(ask(&target)->alive);
        }
        ck_assert_uint_eq(count_fds(), n_fds);
}
END_TEST

START_TEST(every_descriptor_is_close_on_exec) {
        DIR *directory;

        (void) ask_path(serve("127.0.0.1"), "/status/200");
        directory = opendir("/proc/self/fd");
        ck_assert_ptr_nonnull(directory);
        for (struct dirent *entry; (entry = readdir(directory));) {
                int fd = atoi(entry->d_name);

                if (fd > STDERR_FILENO)
                        ck_assert_msg(fcntl(fd, F_GETFD) & FD_CLOEXEC, "descriptor %d", fd);
        }
        closedir(directory);
}
END_TEST

TEST_MAIN("probe",
          set_up,
          tear_down,
          a_server_that_nobody_here_wrote_is_found_alive,
          libcurl_is_loaded_at_the_first_http_probe_and_not_before,
          a_machine_without_libcurl_is_told_so_and_can_still_probe_tcp,
          where_nobody_listens_the_round_ends_and_names_the_port,
          probes_that_end_at_the_same_time_are_all_told,
          a_handler_may_free_other_probes_and_the_prober,
          a_server_that_went_away_between_two_paths_ends_the_round,
          a_server_on_ipv6_alone_is_found,
          a_server_at_a_socket_with_a_name_is_found,
          a_socket_that_is_not_there_or_was_left_behind_is_named,
          a_path_that_cannot_be_a_sockets_is_refused,
          a_5xx_is_not_outvoted_and_503_is_loading,
          a_redirect_is_a_sign_of_life_and_not_followed,
          no_environment_variable_sends_a_probe_elsewhere,
          headers_are_sent,
          what_could_lead_a_request_elsewhere_is_refused,
          an_answer_that_came_in_time_counts_however_late_we_look,
          a_probe_freed_on_its_way_leaves_nothing,
          two_hundred_probes_leave_no_descriptor,
          every_descriptor_is_close_on_exec)
