/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * World
 *
 * The life of a world: folders, bus, daemon, end. What is said over the bus is in calls.c.
 */

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <netinet/in.h>

#include "calls.h"
#include "world.h"

World *world;

void world_setup(void) {
        world = world_new();
}

void world_teardown(void) {
        world = world_free(world);
}

void world_write_file(const World *w, const char *name, unsigned int mode, const char *text) {
        _cleanup_free_ char *path = format_text("%s/%s", w->dir, name);
        _cleanup_close_ int fd = -1;

        for (char *slash = path + strlen(w->dir) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
                *slash = '/';
        }

        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
        ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
        ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t) strlen(text));
        ck_assert_int_eq(fchmod(fd, mode), 0);
}

char *world_read_file(const World *w, const char *name) {
        _cleanup_free_ char *path = format_text("%s/%s", w->dir, name);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        _cleanup_free_ char *text = calloc(1, 65536);
        ssize_t n;

        ck_assert_ptr_nonnull(text);
        ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
        n = read(fd, text, 65535);
        ck_assert_int_ge(n, 0);
        return TAKE_PTR(text);
}

bool world_has_file(const World *w, const char *name) {
        _cleanup_free_ char *path = format_text("%s/%s", w->dir, name);

        return access(path, F_OK) == 0;
}

/* Manifests in C strings would be a thicket of backslashes; so they have ' for ". */
static char *expand(const World *w, const char *text) {
        const struct {
                const char *name, *value;
        } places[] = {
                { "@CHILDREN@", TEST_CHILDREN },
                { "@EXAMPLES@", TEST_EXAMPLES },
                { "@DIR@", w->dir },
                { "'", "\"" },
        };
        char *result = NULL;
        size_t size;
        FILE *out = open_memstream(&result, &size);

        while (*text) {
                size_t i = 0;

                while (i < ELEMENTSOF(places) && !startswith(text, places[i].name))
                        i++;
                if (i < ELEMENTSOF(places)) {
                        (void) fputs(places[i].value, out);
                        text += strlen(places[i].name);
                } else
                        (void) fputc(*text++, out);
        }

        ck_assert_int_eq(fclose(out), 0);
        return result;
}

void world_write_manifest(const World *w, const char *app, const char *text) {
        _cleanup_free_ char *name = format_text("data/sidecard/apps/%s.json", app);
        _cleanup_free_ char *json = expand(w, text);

        world_write_file(w, name, 0644, json);
}

void world_write_sidecars(const World *w, const char *format, ...) {
        _cleanup_free_ char *sidecars = NULL, *text = NULL;
        va_list arguments;

        va_start(arguments, format);
        ck_assert_int_ge(vasprintf(&sidecars, format, arguments), 0);
        va_end(arguments);

        text = format_text("{'manifestVersion': 1, 'id': '%s', 'sidecars': {%s}}", WORLD_APP,
                           sidecars);
        world_write_manifest(w, WORLD_APP, text);
}

void world_set_environment(World *w, const char *name, const char *value) {
        ck_assert_int_eq(strv_env_set(&w->environment, name, value), 0);
}

static void set_folder(World *w, const char *name, const char *folder) {
        _cleanup_free_ char *path = format_text("%s/%s", w->dir, folder);

        ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
        world_set_environment(w, name, path);
}

static void make_environment(World *w) {
        static const char *const passed_on[] = { "ASAN_OPTIONS", "LSAN_OPTIONS" };
        const char *tsan_options = getenv("TSAN_OPTIONS");
        /* At its keeper's death the brain is out by _exit(2), whatever its threads are doing. */
        _cleanup_free_ char *tsan =
                format_text("%s:report_thread_leaks=0", tsan_options ? tsan_options : "");
        _cleanup_free_ char *path =
                format_text("%s/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin", w->dir);

        world_set_environment(w, "HOME", w->home);
        ck_assert_int_eq(mkdir(w->home, 0700), 0);
        set_folder(w, "XDG_RUNTIME_DIR", "run");
        set_folder(w, "XDG_DATA_HOME", "data");
        set_folder(w, "XDG_DATA_DIRS", "share");
        set_folder(w, "XDG_STATE_HOME", "state");
        set_folder(w, "XDG_CONFIG_HOME", "config");
        set_folder(w, "TMPDIR", "tmp");
        world_set_environment(w, "PATH", path);
        world_set_environment(w, "LANG", "C.UTF-8");
        world_set_environment(w, "UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1");
        world_set_environment(w, "TSAN_OPTIONS", tsan);
        world_set_environment(w, "DBUS_SESSION_BUS_ADDRESS", w->bus_address);
        ck_assert_int_eq(strv_extend(&w->environment, w->mark), 0);

        for (size_t i = 0; i < ELEMENTSOF(passed_on); i++)
                if (getenv(passed_on[i]))
                        world_set_environment(w, passed_on[i], getenv(passed_on[i]));
}

/*
 * Knows no service of the machine, so nothing but the test starts anything: a service is what a
 * test puts into the folder.
 */
static void write_bus_config(const World *w, const char *name) {
        _cleanup_free_ char *text = format_text(
                "<busconfig><type>session</type><auth>EXTERNAL</auth>"
                "<listen>%s</listen><listen>%s</listen><servicedir>%s/services</servicedir>"
                "<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/>"
                "<allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>"
                "</policy>"
                /* As in the session.conf of every distribution. */
                "<limit name=\"max_incoming_bytes\">1000000000</limit>"
                "<limit name=\"max_outgoing_bytes\">1000000000</limit>"
                "<limit name=\"max_message_size\">1000000000</limit></busconfig>",
                w->bus_address, w->open_address, w->dir);

        world_write_file(w, name, 0644, text);
}

static void start_bus(World *w, const char *config) {
        _cleanup_free_ char *option = format_text("--config-file=%s/%s", w->dir, config);
        _cleanup_close_ int read_end = -1;
        const char *const argv[] = { "dbus-daemon", option, "--nofork", "--print-address", NULL };
        ProcessSpec spec = { .argv = argv };
        char address[1024];
        int ends[2];

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        read_end = ends[0];
        spec.output_fd = ends[1];
        w->bus_daemon = process_spawn(&spec);
        (void) close(ends[1]);
        /* It says its address when it listens there. */
        ck_assert_int_gt(read(read_end, address, sizeof(address)), 0);
}

static void connect_client(World *w) {
        ck_assert_int_eq(sd_bus_new(&w->bus), 0);
        ck_assert_int_ge(sd_bus_set_address(w->bus, w->bus_address), 0);
        ck_assert_int_ge(sd_bus_set_bus_client(w->bus, 1), 0);
        ck_assert_int_ge(sd_bus_start(w->bus), 0);
        calls_listen(w);
}

static World *world_new_at(const char *dir, const char *socket) {
        _cleanup_free_ char *config = format_text("%s.conf", socket);
        World *w = calloc(1, sizeof(*w));

        ck_assert_ptr_nonnull(w);
        *w = (World){
                .dir = strdup(dir),
                .home = format_text("%s/home-of-%s", dir, socket),
                .bus_address = format_text("unix:path=%s/run/%s", dir, socket),
                .open_address = format_text("unix:path=%s/open/%s", dir, socket),
                .mark = format_text("SIDECARD_TEST_WORLD=%s/%s", dir, socket),
                .log_fd = -1,
                .log = calloc(1, 1),
                .owner = calloc(1, 1),
                .bus_daemon = PROCESS_NONE,
                .keeper = PROCESS_NONE,
        };
        make_environment(w);
        write_bus_config(w, config);
        start_bus(w, config);
        connect_client(w);
        return w;
}

World *world_new(void) {
        char dir[] = "/tmp/sidecard-world-XXXXXX", open_dir[sizeof(dir) + 5];

        ck_assert_ptr_nonnull(mkdtemp(dir));
        (void) snprintf(open_dir, sizeof(open_dir), "%s/open", dir);
        ck_assert_int_eq(chmod(dir, 0711), 0);
        ck_assert_int_eq(mkdir(open_dir, 0711), 0);
        return world_new_at(dir, "bus");
}

void world_restart_bus(World *w) {
        const char *socket = strrchr(w->bus_address, '/') + 1;
        _cleanup_free_ char *config = format_text("%s.conf", socket);

        process_signal(w->bus_daemon.pidfd, SIGKILL);
        (void) process_reap(&w->bus_daemon);
        w->bus = sd_bus_close_unref(w->bus);
        w->owner[0] = '\0';
        (void) unlink(strchr(w->bus_address, '=') + 1);
        (void) unlink(strchr(w->open_address, '=') + 1);
        start_bus(w, config);
        connect_client(w);
}

World *world_new_beside(const World *first) {
        World *w = world_new_at(first->dir, "second-bus");

        w->is_second = true;
        return w;
}

Process world_spawn_daemon(const World *w, int error_fd) {
        const char *const argv[] = { TEST_SIDECARD_INIT, NULL };
        ProcessSpec spec = {
                .argv = argv,
                .envp = w->environment,
                .output_fd = error_fd,
                .error_fd = error_fd,
        };

        return process_spawn(&spec);
}

static void check_containment(World *w) {
        const char *wanted = getenv("SIDECARD_TEST_CONTAINMENT");
        _cleanup_free_ char *containment = NULL;

        if (!wanted)
                return;

        containment = world_get_text_at(w, WORLD_PATH, "Manager", "Containment");
        ck_assert_str_eq(containment, wanted);
}

/* The daemon makes a cgroup for itself, beside those of the trees, wherever it can. */
static void note_cgroup(World *w) {
        _cleanup_free_ char *own = process_cgroup(getpid());

        free(w->cgroup);
        w->cgroup = process_cgroup(w->keeper.pid);
        if (own && w->cgroup && streq(own, w->cgroup)) {
                free(w->cgroup);
                w->cgroup = NULL;
        }
}

void world_run(World *w) {
        int ends[2];

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        /* The test does not read while it waits for an answer; so there must be room. */
        (void) fcntl(ends[1], F_SETPIPE_SZ, 1024 * 1024);
        (void) fcntl(ends[0], F_SETFL, O_NONBLOCK);
        safe_close(w->log_fd);
        w->log_fd = ends[0];
        w->keeper = world_spawn_daemon(w, ends[1]);
        (void) close(ends[1]);

        WORLD_AWAIT(w, w->owner[0] != '\0');
        check_containment(w);
        note_cgroup(w);
}

/* What was read is passed on, so that the report of a failed test has it. */
static bool read_log(World *w) {
        bool any = false;
        ssize_t n;

        do {
                w->log = realloc(w->log, w->log_size + 4096);
                ck_assert_ptr_nonnull(w->log);
                n = w->log_fd < 0 ? 0 : read(w->log_fd, w->log + w->log_size, 4095);
                if (n > 0) {
                        (void) fwrite(w->log + w->log_size, 1, (size_t) n, stderr);
                        w->log_size += (size_t) n;
                        any = true;
                }
                w->log[w->log_size] = '\0';
        } while (n > 0);

        if (n == 0)
                w->log_fd = safe_close(w->log_fd);
        return any;
}

bool world_has_logged(World *w, const char *text) {
        (void) read_log(w);
        return strstr(w->log, text) != NULL;
}

/*
 * What the daemon said comes before the bus's word of its end; that it has ended may be known long
 * before either was heard, and what was awaited may be among it. So that is not asked of the kernel
 * before the bus has said it.
 */
void world_turn(World *w, uint64_t deadline, const char *what) {
        uint64_t now = clock_monotonic_usec(), bus_until = UINT64_MAX;
        struct pollfd poll_fds[] = {
                { .fd = sd_bus_get_fd(w->bus), .events = POLLIN },
                { .fd = w->log_fd, .events = POLLIN },
                { .fd = -1, .events = POLLIN },
        };
        int r;

        r = sd_bus_process(w->bus, NULL);
        ck_assert_msg(r >= 0, "The bus: %s, while waiting for: %s", strerror(-r), what);
        if (read_log(w) || r > 0)
                return;

        ck_assert_msg(now < deadline, "In vain waited for: %s", what);
        (void) sd_bus_get_timeout(w->bus, &bus_until);
        poll_fds[0].events |= (short) sd_bus_get_events(w->bus);
        poll_fds[1].fd = w->log_fd;
        poll_fds[2].fd = w->owner[0] == '\0' ? w->keeper.pidfd : -1;
        (void) poll(poll_fds, ELEMENTSOF(poll_fds),
                    (int) (((bus_until < deadline && bus_until > now ? bus_until : deadline) -
                            now) / 1000 +
                           1));
        ck_assert_msg(!poll_fds[2].revents || read_log(w),
                      "The daemon ended, while waiting for: %s", what);
}

pid_t world_brain(World *w) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *credentials = NULL;
        pid_t pid;

        ck_assert_int_ge(
                sd_bus_get_name_creds(w->bus, WORLD_BUS_NAME, SD_BUS_CREDS_PID, &credentials), 0);
        ck_assert_int_ge(sd_bus_creds_get_pid(credentials, &pid), 0);
        return pid;
}

void world_kill_brain(World *w) {
        _cleanup_free_ char *former = strdup(w->owner);
        _cleanup_close_ int pidfd = process_open(world_brain(w));

        process_signal(pidfd, SIGKILL);
        WORLD_AWAIT(w, w->owner[0] != '\0' && !streq(w->owner, former));
}

int world_await_end(World *w) {
        /* D1: what is not down after 80 s is killed. */
        if (!process_is_gone(w->keeper.pidfd, 100 * USEC_PER_SEC)) {
                process_signal(w->keeper.pidfd, SIGKILL);
                (void) process_reap(&w->keeper);
                ck_abort_msg("The daemon does not end");
        }

        (void) read_log(w);
        return process_reap(&w->keeper);
}

void world_assert_empty(const World *w, uint64_t timeout_usec) {
        if (!processes_are_gone(w->mark, w->home, timeout_usec)) {
                pid_t pids[64];
                size_t n = processes_find(w->mark, w->home, pids, ELEMENTSOF(pids));

                ck_abort_msg("%zu processes are left, pid %d first", n, n > 0 ? (int) pids[0] : 0);
        }
}

void world_end(World *w) {
        int status;

        process_signal(w->keeper.pidfd, SIGTERM);
        status = world_await_end(w);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "Ended with status %#x",
                      (unsigned int) status);
        /* What was found dead a moment ago may still be on its way through exit. */
        world_assert_empty(w, WORLD_LAST_BREATH);
        ck_assert_msg(!w->cgroup || access(w->cgroup, F_OK) < 0, "%s is left", w->cgroup);
        ck_assert_msg(!strstr(w->log, "Sanitizer") && !strstr(w->log, "runtime error"),
                      "A sanitizer complains");
}

static int remove_entry(const char *path,
                        const struct stat *status _unused_,
                        int type _unused_,
                        struct FTW *place _unused_) {
        return remove(path);
}

World *world_free(World *w) {
        if (w->keeper.pid > 0)
                world_end(w);

        sd_bus_close(w->bus);
        sd_bus_unref(w->bus);
        if (w->bus_daemon.pid > 0) {
                process_signal(w->bus_daemon.pidfd, SIGKILL);
                (void) process_reap(&w->bus_daemon);
        }
        if (!w->is_second)
                (void) nftw(w->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);

        safe_close(w->log_fd);
        strv_free(w->environment);
        free(w->changes);
        free(w->log);
        free(w->cgroup);
        free(w->owner);
        free(w->mark);
        free(w->open_address);
        free(w->bus_address);
        free(w->home);
        free(w->dir);
        free(w);
        return NULL;
}

uint16_t world_free_port(void) {
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_addr = { htonl(INADDR_LOOPBACK) },
        };
        socklen_t size = sizeof(address);

        ck_assert_int_eq(bind(fd, (struct sockaddr *) &address, size), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *) &address, &size), 0);
        return ntohs(address.sin_port);
}
