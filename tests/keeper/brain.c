/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A brain by remote control
 *
 * What the keeper starts in the tests: KeeperClient and Tree as in the real brain, and above them
 * no policy but what the test says over a socket, $XDG_RUNTIME_DIR/control. A command is one
 * message of words; each is answered by "did R", and news of the trees comes in between.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "io/tree.h"
#include "util/strv.h"

#define TREES_MAX 64
#define WORDS_MAX 16
#define OUTPUT_PRIORITY (-10)

extern char **environ;

typedef struct Pet {
        char name[32];
        Tree *tree;
        uint64_t generation;
} Pet;

static sd_event *event;
static KeeperClient *client;
static Pet pets[TREES_MAX];
static int control_fd = -1;

static void tell(const char *format, ...) _printf_(1, 2);
static void tell(const char *format, ...) {
        char text[4200];
        va_list args;

        va_start(args, format);
        (void) vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        if (send(control_fd, text, strlen(text), MSG_NOSIGNAL) < 0)
                (void) sd_event_exit(event, EXIT_FAILURE);
}

static const char *name_of(void *userdata) {
        return ((const Pet *) userdata)->name;
}

static void on_forked(void *userdata, pid_t pid) {
        tell("forked %s %d", name_of(userdata), (int) pid);
}

static void on_fork_failed(void *userdata, int error) {
        tell("fork-failed %s %d", name_of(userdata), error);
}

static void on_exec(void *userdata, int error) {
        tell("exec %s %d", name_of(userdata), error);
}

static void on_exited(void *userdata, int code, int status) {
        tell("exited %s %d %d", name_of(userdata), code, status);
}

static void on_emptied(void *userdata) {
        tell("emptied %s", name_of(userdata));
}

static const TreeObserver observer = {
        .on_forked = on_forked,
        .on_fork_failed = on_fork_failed,
        .on_exec = on_exec,
        .on_exited = on_exited,
        .on_emptied = on_emptied,
};

static void on_terminate(_unused_ void *userdata) {
        tell("terminate");
}

static int on_output(sd_event_source *source, int fd, _unused_ uint32_t revents, void *userdata) {
        char text[4096];
        ssize_t n = read(fd, text, sizeof(text) - 1);

        if (n <= 0) {
                sd_event_source_disable_unref(source);
                tell("closed %s", name_of(userdata));
                return 0;
        }
        text[n] = '\0';
        for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
             line = strtok_r(NULL, "\n", &save))
                tell("output %s %s", name_of(userdata), line);
        return 0;
}

static Pet *find(const char *name) {
        Pet *pet = pets;

        while (pet->tree && !streq(pet->name, name))
                pet++;
        if (!pet->tree) {
                (void) snprintf(pet->name, sizeof(pet->name), "%s", name);
                (void) tree_new(&pet->tree, client, name, &observer, pet);
        }
        return pet;
}

static int spawn(Pet *pet, char **argv) {
        _cleanup_close_ int write_end = -1;
        sd_event_source *source;
        SpawnSpec spec = {
                .generation = ++pet->generation,
                .path = argv[0],
                .argv = argv,
                .envp = environ,
                .working_directory = "/tmp",
                .stdin_fd = -1,
        };
        int r, ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        spec.stdout_fd = spec.stderr_fd = write_end = ends[1];
        r = sd_event_add_io(event, &source, ends[0], EPOLLIN, on_output, pet);
        if (r < 0)
                return r;
        (void) sd_event_source_set_io_fd_own(source, true);
        (void) sd_event_source_set_priority(source, OUTPUT_PRIORITY);
        return tree_spawn(pet->tree, &spec);
}

static int count_descriptors(void) {
        DIR *dir = opendir("/proc/self/fd");
        int n = 0;

        while (dir && readdir(dir))
                n++;
        if (dir)
                (void) closedir(dir);
        return n;
}

static int tell_pids(Pet *pet) {
        _cleanup_free_ pid_t *pids = NULL;
        int n = tree_list_pids(pet->tree, &pids);

        for (int i = 0; i < n; i++)
                tell("has %s %d", pet->name, (int) pids[i]);
        return n;
}

static int reset(Pet *pet) {
        pet->tree = tree_free(pet->tree);
        pet->generation = 0;
        return tree_new(&pet->tree, client, pet->name, &observer, pet);
}

static int obey_for(Pet *pet, char **words) {
        const char *verb = words[0];

        if (streq(verb, "spawn"))
                return spawn(pet, words + 2);
        if (streq(verb, "signal-main"))
                return tree_signal_main(pet->tree, atoi(words[2]));
        if (streq(verb, "signal-all"))
                return tree_signal_all(pet->tree, atoi(words[2]));
        if (streq(verb, "kill"))
                return tree_kill(pet->tree);
        if (streq(verb, "pids"))
                return tell_pids(pet);
        if (streq(verb, "reset"))
                return reset(pet);
        if (streq(verb, "same-generation")) /* for the next spawn */
                return pet->generation--, 0;
        if (streq(verb, "cgroup"))
                return tell("cgroup %s", tree_cgroup(pet->tree)), 0;
        return -EINVAL;
}

static int obey(char **words) {
        const char *verb = words[0];

        if (streq(verb, "descriptors"))
                return count_descriptors();
        if (streq(verb, "ready"))
                return keeper_client_send_ready(client);
        if (streq(verb, "terminate"))
                return keeper_client_send_terminate(client);
        if (streq(verb, "leave"))
                return sd_event_exit(event, atoi(words[1]));
        return words[1] ? obey_for(find(words[1]), words) : -EINVAL;
}

static int
on_control(_unused_ sd_event_source *source, int fd, _unused_ uint32_t revents, void *userdata) {
        char text[4096], *words[WORDS_MAX] = { NULL };
        ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
        size_t n_words = 0;

        (void) userdata;
        if (n <= 0)
                return sd_event_exit(event, EXIT_FAILURE);
        text[n] = '\0';
        for (char *save = NULL, *word = strtok_r(text, " ", &save); word && n_words < WORDS_MAX - 1;
             word = strtok_r(NULL, " ", &save))
                words[n_words++] = word;
        tell("did %d", obey(words));
        return 0;
}

static int connect_control(void) {
        struct sockaddr_un to = { .sun_family = AF_UNIX };

        (void) snprintf(to.sun_path, sizeof(to.sun_path), "%.90s/control",
                        getenv("XDG_RUNTIME_DIR"));
        control_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        return connect(control_fd, (const struct sockaddr *) &to, sizeof(to)) < 0 ? -errno : 0;
}

int main(int argc, char **argv) {
        const char *trees = NULL, *folder = "";
        int r;

        for (int i = 1; i < argc; i++)
                if (startswith(argv[i], "--trees="))
                        trees = argv[i] + strlen("--trees=");
                else if (startswith(argv[i], "--folder="))
                        folder = argv[i] + strlen("--folder=");

        r = sd_event_new(&event);
        if (r >= 0)
                r = keeper_client_new(&client, event, 3, trees, on_terminate, NULL);
        if (r >= 0)
                r = connect_control();
        if (r >= 0)
                r = sd_event_add_io(event, NULL, control_fd, EPOLLIN, on_control, NULL);
        if (r < 0) {
                fprintf(stderr, "test brain: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        tell("hello %d %s %s %s", (int) getpid(), folder, keeper_client_containment(client),
             getenv("NOTIFY_SOCKET") ? "notify" : "quiet");

        r = sd_event_loop(event);
        for (Pet *pet = pets; pet->tree; pet++)
                tree_free(pet->tree);
        keeper_client_free(client);
        sd_event_unref(event);
        return r < 0 ? EXIT_FAILURE : r;
}
