/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Deeds
 *
 * What is wanted is computed before and after each deed; what it no longer wants, it has asked to
 * end. All that is sent goes out by sd_bus_call_async, and is answered while the storm goes on.
 */

#include <check.h>
#include <poll.h>
#include <string.h>

#include "app-calls.h"
#include "deeds.h"
#include "lives.h"

#define N_BY_HAND 8
#define N_OF_MODES 6
#define N_HELD 6
#define FIRST_OF_MODES N_BY_HAND
#define FIRST_HELD (N_BY_HAND + N_OF_MODES)

#define N_CLIENTS 3 /* connections, and as many processes */
#define LONGEST_EXIT_CODE 99

size_t deed_counts[_DEED_KIND_MAX];

/* Bit i: sidecar FIRST_OF_MODES + i. */
static const struct {
        const char *name;
        unsigned int set;
} modes[] = { { "all", 0x3f }, { "most", 0x3c }, { "others", 0x17 } };

typedef struct Client {
        sd_bus *bus;
        Holder holder;
        bool holds;
        unsigned int set; /* bit i: sidecar FIRST_HELD + i */
} Client;

/* Clients that are connections, then those that are processes. */
static Client clients[2 * N_CLIENTS];
static unsigned int by_hand; /* bit i: sidecar i */
static size_t mode;

/* What is under way. */
static struct {
        DeedKind kind;
        uint64_t since_usec;
        size_t target;      /* sidecar, mode or client */
        unsigned int added; /* what is wanted by it, and was not before; bit i: sidecar i */
        enum {
                ANSWER_NONE,
                ANSWER_AWAITED,
                ANSWER_GOOD,
                ANSWER_DIED
        } answer;
} deed = { .kind = DEED_NOTHING };

const char *deed_name(DeedKind kind) {
        static const char *const names[_DEED_KIND_MAX] = {
                [DEED_START] = "start",
                [DEED_STOP] = "stop",
                [DEED_RESTART] = "restart",
                [DEED_MODE] = "mode",
                [DEED_EXIT] = "exit",
                [DEED_HOLD] = "hold",
                [DEED_RELEASE] = "release",
                [DEED_HOLDER_BEGINS] = "holder",
                [DEED_HOLDER_DIES] = "holder's death",
                [DEED_FLOOD_ON] = "flood on",
                [DEED_FLOOD_OFF] = "flood off",
                [DEED_NOTHING] = "nothing",
        };

        return names[kind];
}

static size_t below(size_t n) {
        return (size_t) random() % n;
}

unsigned int deeds_wanted(void) {
        unsigned int set = by_hand | modes[mode].set << FIRST_OF_MODES;

        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                if (clients[i].holds)
                        set |= clients[i].set << FIRST_HELD;
        return set;
}

static void write_sidecar(FILE *out, const World *w, size_t i) {
        fprintf(out,
                "%s'%s': {'command': ['@CHILDREN@/numberer', '%s/stamps-%s'], 'autoStart': %s}",
                i > 0 ? ", " : "", sidecars[i].name, w->dir, sidecars[i].name,
                i >= FIRST_OF_MODES && i < FIRST_HELD ? "true" : "false");
}

/* The by hand and the held ones are of all modes, so that a switch does not touch them. */
static void write_mode(FILE *out, size_t i) {
        fprintf(out, "%s'%s': {'sidecars': [", i > 0 ? ", " : "", modes[i].name);
        for (size_t k = 0, n = 0; k < N_SIDECARS; k++)
                if (k < FIRST_OF_MODES || k >= FIRST_HELD ||
                    (modes[i].set & (1u << (k - FIRST_OF_MODES))))
                        fprintf(out, "%s'%s'", n++ > 0 ? ", " : "", sidecars[k].name);
        fprintf(out, "]}");
}

void deeds_setup(World *w) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        for (size_t i = 0; i < N_SIDECARS; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "%s%zu",
                                i < FIRST_OF_MODES ? "hand"
                                : i < FIRST_HELD   ? "mode"
                                                   : "held",
                                i);
                lives_open(&sidecars[i], w->dir, name);
        }

        /* What is asked to stop does so at once: who needs the timeout was not asked. */
        fprintf(out,
                "{'manifestVersion': 1, 'id': '" WORLD_APP "', 'defaults': {"
                "'restart': {'delay': '50ms', 'factor': 1, 'jitter': 0, 'attempts': 'unlimited'},"
                "'stop': {'timeout': '%us'}, 'log': {'maxSize': '4M', 'maxFiles': 100}},"
                "'defaultMode': '%s', 'modes': {",
                (unsigned int) (LIVES_STOP_TIMEOUT_USEC / USEC_PER_SEC), modes[0].name);
        for (size_t i = 0; i < ELEMENTSOF(modes); i++)
                write_mode(out, i);
        fprintf(out, "}, 'sidecars': {");
        for (size_t i = 0; i < N_SIDECARS; i++)
                write_sidecar(out, w, i);
        fprintf(out, "}}");
        ck_assert_int_eq(fclose(out), 0);
        world_write_manifest(w, WORLD_APP, text);
}

void deeds_begin(World *w) {
        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                clients[i] = (Client){ .bus = i < N_CLIENTS ? client_open(w) : NULL };
        client_hold(w->bus, NULL);
        for (size_t i = 0; i < N_BY_HAND; i++)
                (void) world_start(w, sidecars[i].name);
        by_hand = (1u << N_BY_HAND) - 1;
        for (size_t i = 0; i < N_SIDECARS; i++)
                if (deeds_wanted() & (1u << i))
                        sidecars[i].n_wishes++;
}

/* Only the brain's death is taken for an answer. */
static int on_answer(sd_bus_message *reply, void *userdata _unused_, sd_bus_error *error _unused_) {
        static const char *const deaths[] = { SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_SERVICE_UNKNOWN,
                                              SD_BUS_ERROR_NAME_HAS_NO_OWNER };
        const sd_bus_error *answer = sd_bus_message_get_error(reply);
        bool has_died = false;

        for (size_t i = 0; answer && i < ELEMENTSOF(deaths); i++)
                has_died = has_died || streq(answer->name, deaths[i]);
        ck_assert_msg(!answer || has_died, "%s: %s: %s", deed_name(deed.kind), answer->name,
                      answer->message);
        deed.answer = has_died ? ANSWER_DIED : ANSWER_GOOD;
        return 0;
}

static void send_call(sd_bus *bus, sd_bus_message *call) {
        deed.answer = ANSWER_AWAITED;
        ck_assert_int_ge(sd_bus_call_async(bus, NULL, call, on_answer, NULL, WORLD_PATIENCE), 0);
        sd_bus_message_unref(call);
}

static sd_bus_message *
new_call(sd_bus *bus, const char *path, const char *interface, const char *method) {
        sd_bus_message *call;

        ck_assert_int_ge(
                sd_bus_message_new_method_call(bus, &call, WORLD_BUS_NAME, path, interface, method),
                0);
        return call;
}

static void send_to_sidecar(World *w, const char *method) {
        _cleanup_free_ char *path = sidecar_path(sidecars[deed.target].name);
        sd_bus_message *call = new_call(w->bus, path, WORLD_BUS_NAME ".Sidecar", method);

        ck_assert_int_ge(sd_bus_message_append(call, "a{sv}", 0), 0);
        send_call(w->bus, call);
}

static void send_mode(World *w) {
        sd_bus_message *call = new_call(w->bus, WORLD_APP_PATH, WORLD_BUS_NAME ".App", "SetMode");

        ck_assert_int_ge(sd_bus_message_append(call, "sa{sv}", modes[mode].name, 0), 0);
        send_call(w->bus, call);
}

static void send_release(const Client *client) {
        sd_bus_message *call =
                new_call(client->bus, WORLD_PATH, WORLD_BUS_NAME ".Manager", "Release");

        ck_assert_int_ge(sd_bus_message_append(call, "s", WORLD_APP), 0);
        send_call(client->bus, call);
}

/* Names with commas between them. */
static const char *held_names(unsigned int set) {
        static char text[128];

        text[0] = '\0';
        for (size_t i = 0; i < N_HELD; i++)
                if (set & (1u << i))
                        (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
                                        text[0] ? "," : "", sidecars[FIRST_HELD + i].name);
        return text;
}

/* Says it, for the first time or once more. */
static void send_deed(World *w) {
        Client *client = &clients[deed.target % ELEMENTSOF(clients)];

        switch (deed.kind) {

        case DEED_START:
                send_to_sidecar(w, "Start");
                break;

        case DEED_STOP:
                send_to_sidecar(w, "Stop");
                break;

        case DEED_RESTART:
                send_to_sidecar(w, "Restart");
                break;

        case DEED_MODE:
                send_mode(w);
                break;

        case DEED_HOLD:
                send_call(client->bus,
                          client_new_hold(client->bus, WORLD_APP, held_names(client->set), 0));
                break;

        case DEED_RELEASE:
                send_release(client);
                break;

        case DEED_HOLDER_BEGINS:
                client->holder =
                        holder_spawn(w, &(HolderSpec){ .sidecars = held_names(client->set) });
                deed.answer = ANSWER_AWAITED;
                break;

        case DEED_HOLDER_DIES:
                holder_kill(&client->holder);
                break;

        default:
                break;
        }
}

/* One of them that runs, or none that does; false if there is no such. */
static bool choose_by_hand(bool is_wanted) {
        size_t first = below(N_BY_HAND);

        for (size_t i = 0; i < N_BY_HAND; i++) {
                deed.target = (first + i) % N_BY_HAND;
                if (!!(by_hand & (1u << deed.target)) == is_wanted)
                        return true;
        }

        return false;
}

static bool choose_client(size_t first, bool holds) {
        size_t offset = below(N_CLIENTS);

        for (size_t i = 0; i < N_CLIENTS; i++) {
                deed.target = first + (offset + i) % N_CLIENTS;
                if (clients[deed.target].holds == holds)
                        return true;
        }

        return false;
}

static unsigned int choose_held(void) {
        return (unsigned int) (below(1u << N_HELD) | below(1u << N_HELD));
}

static bool command_someone(int command, int value) {
        size_t first = below(N_SIDECARS);

        for (size_t i = 0; i < N_SIDECARS; i++)
                if (lives_command(&sidecars[(first + i) % N_SIDECARS], command, value))
                        return true;

        return false;
}

/* Changes what is wanted; false: there is nothing to do it to. */
static bool choose(void) {
        switch (deed.kind) {

        case DEED_START:
                if (!choose_by_hand(false))
                        return false;
                by_hand |= 1u << deed.target;
                return true;

        case DEED_STOP:
                /* A storm over nothing shows nothing: most are to be up. */
                if (__builtin_popcount(by_hand) <= N_BY_HAND / 2 || !choose_by_hand(true))
                        return false;
                by_hand &= ~(1u << deed.target);
                return true;

        case DEED_RESTART:
                return choose_by_hand(true);

        case DEED_MODE:
                mode = (mode + 1 + below(ELEMENTSOF(modes) - 1)) % ELEMENTSOF(modes);
                return true;

        case DEED_HOLD:
                /* Holding again, with another set, is one way in two. */
                if (!choose_client(0, below(2)) && !choose_client(0, false))
                        return false;
                clients[deed.target].holds = true;
                clients[deed.target].set = choose_held();
                return true;

        case DEED_HOLDER_BEGINS:
                if (!choose_client(N_CLIENTS, false))
                        return false;
                clients[deed.target].holds = true;
                clients[deed.target].set = choose_held();
                return true;

        case DEED_RELEASE:
        case DEED_HOLDER_DIES:
                if (!choose_client(deed.kind == DEED_RELEASE ? 0 : N_CLIENTS, true))
                        return false;
                clients[deed.target].holds = false;
                return true;

        case DEED_EXIT:
                return command_someone(NUMBERER_EXIT, 1 + (int) below(LONGEST_EXIT_CODE));

        case DEED_FLOOD_ON:
                return command_someone(NUMBERER_PACE, NUMBERER_FLOOD);

        case DEED_FLOOD_OFF:
                return command_someone(NUMBERER_PACE, NUMBERER_SLOW);

        default:
                return true;
        }
}

void deeds_do(World *w) {
        unsigned int before = deeds_wanted(), after;

        do {
                deed.kind = (DeedKind) below(_DEED_KIND_MAX);
                deed.answer = ANSWER_NONE;
        } while (!choose());
        deed_counts[deed.kind]++;

        /* Somebody asks from before it is said on. */
        after = deeds_wanted();
        deed.added = after & ~before;
        deed.since_usec = clock_monotonic_usec();
        for (size_t i = 0; i < N_SIDECARS; i++) {
                bool is_restart = deed.kind == DEED_RESTART && i == deed.target;

                if (is_restart || (before & ~after & (1u << i)))
                        lives_ask_end(&sidecars[i], deed.since_usec, deed.kind == DEED_HOLDER_DIES);
                if (is_restart || (deed.added & (1u << i)))
                        sidecars[i].n_wishes++;
        }
        send_deed(w);
}

/* The holder says "held", or why not, and ends. */
static void hear_holder(Client *client) {
        struct pollfd poll_fd = { .fd = client->holder.output_fd, .events = POLLIN };
        char said[256] = "";

        if (poll(&poll_fd, 1, 0) <= 0)
                return;

        ck_assert_int_ge(read(client->holder.output_fd, said, sizeof(said) - 1), 0);
        deed.answer = streq(said, "held\n") ? ANSWER_GOOD : ANSWER_DIED;
        if (deed.answer == ANSWER_DIED) {
                (void) process_reap(&client->holder.process);
                client->holder.output_fd = safe_close(client->holder.output_fd);
        }
}

/* All connections speak, since the answers come to them; answers whether one had something. */
static bool turn(World *w) {
        int r = sd_bus_process(w->bus, NULL);

        ck_assert_int_ge(r, 0);
        for (size_t i = 0; i < N_CLIENTS; i++) {
                int n = sd_bus_process(clients[i].bus, NULL);

                ck_assert_int_ge(n, 0);
                r += n;
        }
        if (deed.kind == DEED_HOLDER_BEGINS && deed.answer == ANSWER_AWAITED)
                hear_holder(&clients[deed.target]);
        (void) world_has_logged(w, "");
        return r > 0;
}

static void rest(World *w, uint64_t usec) {
        struct timespec pause = { .tv_nsec = (long) (usec * 1000) };
        struct pollfd poll_fds[N_CLIENTS + 2] = {
                { .fd = sd_bus_get_fd(w->bus), .events = POLLIN },
                { .fd = w->keeper.pidfd, .events = POLLIN },
        };

        for (size_t i = 0; i < N_CLIENTS; i++)
                poll_fds[2 + i] =
                        (struct pollfd){ .fd = sd_bus_get_fd(clients[i].bus), .events = POLLIN };
        (void) ppoll(poll_fds, ELEMENTSOF(poll_fds), &pause, NULL);
        ck_assert_msg(!poll_fds[1].revents, "The keeper has ended");
}

void deeds_turn_until(World *w, uint64_t until_usec) {
        uint64_t now;

        do {
                bool had_something = turn(w);

                now = clock_monotonic_usec();
                if (now < until_usec && !had_something)
                        rest(w,
                             until_usec - now < USEC_PER_MSEC ? until_usec - now : USEC_PER_MSEC);
        } while (now < until_usec);
}

static void await_answer(World *w) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;

        while (deed.answer == ANSWER_AWAITED) {
                ck_assert_msg(clock_monotonic_usec() < deadline, "No answer: %s",
                              deed_name(deed.kind));
                if (!turn(w))
                        rest(w, USEC_PER_MSEC);
        }
}

/*
 * The process that got no answer has gone, and with it the hold that it may have had: as soon as
 * the brain had died, so before this is known here.
 */
static void expect_new_start(unsigned int added) {
        for (size_t i = 0; i < N_SIDECARS; i++)
                if (added & (1u << i)) {
                        lives_ask_end(&sidecars[i], deed.since_usec, true);
                        sidecars[i].n_wishes++;
                }
}

void deeds_finish(World *w) {
        await_answer(w);
        for (int n = 0; deed.answer == ANSWER_DIED && deed.kind != DEED_RESTART; n++) {
                ck_assert_msg(n < 3, "No brain takes it: %s", deed_name(deed.kind));
                if (deed.kind == DEED_HOLDER_BEGINS)
                        expect_new_start(deed.added);
                send_deed(w);
                await_answer(w);
        }

        for (size_t i = 0; i < N_SIDECARS; i++)
                lives_asks_done(&sidecars[i], false);
}

bool deeds_hold_stands(World *w, const char *owner, pid_t pid) {
        const char *name;

        if (sd_bus_get_unique_name(w->bus, &name) >= 0 && streq(name, owner))
                return true;

        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                if (clients[i].holds &&
                    (clients[i].bus ? sd_bus_get_unique_name(clients[i].bus, &name) >= 0 &&
                                              streq(name, owner)
                                    : clients[i].holder.process.pid == pid))
                        return true;

        return false;
}

size_t deeds_count_holds(void) {
        size_t n = 1;

        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                n += clients[i].holds;
        return n;
}

const char *deeds_mode(void) {
        return modes[mode].name;
}

void deeds_end(void) {
        for (size_t i = 0; i < ELEMENTSOF(clients); i++) {
                if (clients[i].bus)
                        clients[i].bus = sd_bus_flush_close_unref(clients[i].bus);
                if (clients[i].holder.process.pid > 0)
                        holder_kill(&clients[i].holder);
        }
        for (size_t i = 0; i < N_SIDECARS; i++)
                lives_close(&sidecars[i]);
}
