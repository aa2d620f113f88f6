/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A brain by remote control
 *
 * What the keeper starts in the tests: KeeperClient and Tree as in the real brain, and above them
 * no policy but what the test says over a socket, $XDG_RUNTIME_DIR/control. A command is one
 * message of words; each is answered by "did R", and news of the trees comes in between. "die-on
 * NEWS" makes it kill itself when it is next told that, before it has told anybody.
 */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "io/guest.h"
#include "io/keeper-wire-client.h"
#include "io/tree.h"
#include "util/strv.h"

#define TREES_MAX 1100
#define WORDS_MAX 16
#define GUESTS_MAX 4
#define OUTPUT_PRIORITY (-10)

extern char **environ;

typedef struct Visit {
        const char *host;
        size_t place;
        Guest *guest;
} Visit;

typedef struct Pet {
        char name[32];
        Visit visits[GUESTS_MAX];
        Tree *tree;
        uint64_t generation;
        int memory_fd;
        int n_respawns; /* still to be ordered, each as the former generation is told empty */
} Pet;

static sd_event *event;
static KeeperClient *client;
static Pet pets[TREES_MAX];
static int control_fd = -1;
static int ledger_fd = -1;
static bool is_deaf; /* leaves all output unread, for the next brain */
static char deadly_news[16];

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

static void die_on(const char *news) {
        if (streq(deadly_news, news))
                (void) raise(SIGKILL);
}

static int spawn(Pet *pet, char **argv);

static void on_forked(void *userdata, pid_t pid) {
        die_on("forked");
        tell("forked %s %d", name_of(userdata), (int) pid);
}

static void on_fork_failed(void *userdata, int error) {
        tell("fork-failed %s %d", name_of(userdata), error);
}

static void on_exec(void *userdata, int error) {
        die_on("exec");
        tell("exec %s %d", name_of(userdata), error);
}

static void on_exited(void *userdata, int code, int status) {
        die_on("exited");
        tell("exited %s %d %d", name_of(userdata), code, status);
}

static void on_emptied(void *userdata) {
        char *argv[] = { (char *) "/bin/true", NULL };
        Pet *pet = userdata;

        die_on("emptied");
        tell("emptied %s", pet->name);
        if (pet->n_respawns > 0) {
                pet->n_respawns--;
                tell("respawn %s %d", pet->name, spawn(pet, argv));
        }
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

/* Takes the reading end of the output over. */
static int watch_output(Pet *pet, int fd) {
        sd_event_source *source;
        int r;

        if (is_deaf || fd < 0)
                return 0;
        r = sd_event_add_io(event, &source, fd, EPOLLIN, on_output, pet);
        if (r < 0)
                return r;
        (void) sd_event_source_set_io_fd_own(source, true);
        return sd_event_source_set_priority(source, OUTPUT_PRIORITY);
}

static Pet *find(const char *name) {
        Pet *pet = pets;

        while (pet->name[0] != '\0' && !streq(pet->name, name))
                pet++;
        if (pet->name[0] == '\0') {
                (void) snprintf(pet->name, sizeof(pet->name), "%s", name);
                pet->memory_fd = -1;
        }
        return pet;
}

static Pet *find_with_tree(const char *name) {
        Pet *pet = find(name);

        if (!pet->tree)
                (void) tree_new(&pet->tree, client, name, &observer, pet);
        return pet;
}

static int spawn(Pet *pet, char **argv) {
        _cleanup_close_ int write_end = -1;
        SpawnSpec spec = {
                .generation = ++pet->generation,
                .path = argv[0],
                .argv = argv,
                .envp = environ,
                .working_directory = "/tmp",
                .stdin_fd = -1,
                .kept_stdin_fd = -1,
        };
        int r, ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        spec.stdout_fd = spec.stderr_fd = write_end = ends[1];
        spec.kept_stdout_fd = spec.kept_stderr_fd = ends[0];
        spec.kept_notify_fd = -1;
        r = watch_output(pet, ends[0]);
        if (r < 0)
                return r;
        return tree_spawn(pet->tree, &spec);
}

static int adopt(Pet *pet, uint32_t slot, uint64_t generation) {
        TreeKept kept;
        int r;

        r = tree_adopt(&pet->tree, client, pet->name, slot, generation, &observer, pet);
        if (r < 0)
                return r;
        pet->generation = generation;
        tree_take_kept(pet->tree, &kept);
        pet->memory_fd = kept.memory_fd;
        safe_close(kept.stderr_fd);
        r = watch_output(pet, kept.stdout_fd);
        return r < 0 ? r : tree_resume(pet->tree);
}

/* What is kept is known again by what is written in it. */

static int make_memory(const char *text) {
        int fd = memfd_create("test", MFD_CLOEXEC);

        return write(fd, text, strlen(text)) < 0 ? -errno : fd;
}

static int tell_memory(const char *what, int fd) {
        char text[256] = "";

        if (pread(fd, text, sizeof(text) - 1, 0) < 0)
                return -errno;
        tell("%s %s", what, text);
        return 0;
}

static int keep_memory(Pet *pet, const char *text) {
        _cleanup_close_ int fd = make_memory(text);

        return tree_keep_memory(pet->tree, fd);
}

static int swap_ledger(const char *text) {
        _cleanup_close_ int fd = make_memory(text);

        return keeper_client_keep_ledger(client, fd);
}

static int keep_holder(uint32_t index, pid_t pid) {
        _cleanup_close_ int pidfd = (int) syscall(SYS_pidfd_open, pid, 0);

        return keeper_client_keep_holder(client, index, pidfd);
}

static int tell_holder(uint32_t index) {
        _cleanup_close_ int pidfd = keeper_client_take_holder(client, index);
        char path[64], line[128];
        int pid = 0;
        FILE *file;

        if (pidfd < 0)
                return pidfd;
        (void) snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
        file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file) && sscanf(line, "Pid: %d", &pid) != 1)
                ;
        if (file)
                (void) fclose(file);
        return pid;
}

static int ask_for_slot(uint32_t slot) {
        KeptSlot *kept;

        return keeper_client_find_kept_slot(client, slot, &kept);
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

static void on_guest_started(void *userdata) {
        const Visit *visit = userdata;

        tell("guest-started %s %zu", visit->host, visit->place);
}

static void on_guest_ended(const GuestEnd *end, void *userdata) {
        Visit *visit = userdata;

        die_on("guest-ended");
        tell("guest-ended %s %zu %d %d %d", visit->host, visit->place, end->error, end->code,
             end->status);
        visit->guest = guest_free(visit->guest);
}

static int let_in(Pet *pet, size_t place, char **argv) {
        static const GuestObserver observer_of_guests = { on_guest_started, on_guest_ended };
        const SpawnSpec spec = {
                .path = argv[0],
                .argv = argv,
                .envp = environ,
                .working_directory = "/tmp",
        };
        Visit *visit = &pet->visits[place];

        *visit = (Visit){ .host = pet->name, .place = place };
        return guest_start(&visit->guest, pet->tree, &spec, &observer_of_guests, visit);
}

static int end_guest(Pet *pet, size_t place) {
        pet->visits[place].guest = guest_free(pet->visits[place].guest);
        return 0;
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

static int spawn_and_die(Pet *pet, char **argv) {
        (void) spawn(pet, argv);
        return raise(SIGKILL);
}

static int kill_and_die(Pet *pet) {
        (void) tree_kill(pet->tree);
        return raise(SIGKILL);
}

static int obey_for(Pet *pet, char **words) {
        const char *verb = words[0];

        if (streq(verb, "spawn"))
                return spawn(pet, words + 2);
        if (streq(verb, "spawn-and-die"))
                return spawn_and_die(pet, words + 2);
        if (streq(verb, "slot"))
                return (int) tree_slot(pet->tree);
        if (streq(verb, "respawn"))
                return pet->n_respawns = atoi(words[2]), 0;
        if (streq(verb, "keep-memory"))
                return keep_memory(pet, words[2]);
        if (streq(verb, "memory"))
                return tell_memory("memory", pet->memory_fd);
        if (streq(verb, "signal-main"))
                return tree_signal_main(pet->tree, atoi(words[2]));
        if (streq(verb, "signal-all"))
                return tree_signal_all(pet->tree, atoi(words[2]));
        if (streq(verb, "kill"))
                return tree_kill(pet->tree);
        if (streq(verb, "kill-and-die"))
                return kill_and_die(pet);
        if (streq(verb, "guest"))
                return let_in(pet, (size_t) atoi(words[2]), words + 3);
        if (streq(verb, "end-guest"))
                return end_guest(pet, (size_t) atoi(words[2]));
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

static int obey_for_keeper(char **words) {
        const char *verb = words[0];

        if (streq(verb, "ledger-write"))
                return pwrite(ledger_fd, words[1], strlen(words[1]), 0) < 0 ? -errno : 0;
        if (streq(verb, "ledger-swap"))
                return swap_ledger(words[1]);
        if (streq(verb, "keep-holder"))
                return keep_holder((uint32_t) atoi(words[1]), atoi(words[2]));
        if (streq(verb, "holder"))
                return tell_holder((uint32_t) atoi(words[1]));
        if (streq(verb, "drop-holder"))
                return keeper_client_drop_holder(client, (uint32_t) atoi(words[1])), 0;
        if (streq(verb, "kept"))
                return ask_for_slot((uint32_t) atoi(words[1]));
        if (streq(verb, "adopt"))
                return adopt(find(words[1]), (uint32_t) atoi(words[2]), (uint64_t) atoi(words[3]));
        return obey_for(find_with_tree(words[1]), words);
}

static int obey(char **words) {
        const char *verb = words[0];

        if (streq(verb, "descriptors"))
                return count_descriptors();
        if (streq(verb, "ready"))
                return keeper_client_send_ready(client);
        if (streq(verb, "terminate"))
                return keeper_client_send_terminate(client);
        if (streq(verb, "upgrade"))
                return keeper_client_send_upgrade(client);
        if (streq(verb, "first"))
                return keeper_client_is_first(client);
        if (streq(verb, "safe-mode"))
                return keeper_client_is_safe_mode(client);
        if (streq(verb, "ledger"))
                return tell_memory("ledger", ledger_fd);
        if (streq(verb, "end-unclaimed"))
                return keeper_client_end_unclaimed(client), 0;
        if (streq(verb, "deaf"))
                return is_deaf = true, 0;
        if (streq(verb, "die-on"))
                return snprintf(deadly_news, sizeof(deadly_news), "%s", words[1]), 0;
        if (streq(verb, "leave"))
                return sd_event_exit(event, atoi(words[1]));
        return words[1] ? obey_for_keeper(words) : -EINVAL;
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

/* Where the test has put a fifo "hold" it waits there, before it does anything else. */
static void await_leave_to_begin(void) {
        char path[128];

        (void) snprintf(path, sizeof(path), "%.90s/hold", getenv("XDG_RUNTIME_DIR"));
        safe_close(open(path, O_RDONLY | O_CLOEXEC));
}

int main(int argc, char **argv) {
        const char *trees = NULL, *folder = "";
        int r;

        await_leave_to_begin();
        for (int i = 1; i < argc; i++)
                if (startswith(argv[i], "--trees="))
                        trees = argv[i] + strlen("--trees=");
                else if (startswith(argv[i], "--folder="))
                        folder = argv[i] + strlen("--folder=");

        r = sd_event_new(&event);
        if (r >= 0)
                r = keeper_client_new(&client, event, 3, trees, on_terminate, NULL);
        if (r >= 0)
                r = keeper_client_read_table(client);
        if (r >= 0)
                r = connect_control();
        if (r >= 0)
                r = sd_event_add_io(event, NULL, control_fd, EPOLLIN, on_control, NULL);
        if (r < 0) {
                fprintf(stderr, "test brain: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        ledger_fd = keeper_client_take_ledger(client);
        tell("hello %d %s %s %s", (int) getpid(), folder, keeper_client_containment(client),
             getenv("NOTIFY_SOCKET") ? "notify" : "quiet");

        r = sd_event_loop(event);
        for (Pet *pet = pets; pet->name[0] != '\0'; pet++) {
                for (size_t i = 0; i < GUESTS_MAX; i++)
                        guest_free(pet->visits[i].guest);
                tree_free(pet->tree);
        }
        keeper_client_free(client);
        sd_event_unref(event);
        return r < 0 ? EXIT_FAILURE : r;
}
