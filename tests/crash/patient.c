/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Patient
 *
 * The bus tells that the name has lost its owner before it tells that a call died with it. So once
 * all that has arrived is read, World::owner is either empty or that of a successor.
 */

#include <check.h>
#include <stdarg.h>
#include <string.h>

#include "patient.h"

#define LONG_POLL_USEC (10 * USEC_PER_SEC)

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define MANAGER WORLD_BUS_NAME ".Manager"
#define APP WORLD_BUS_NAME ".App"
#define SIDECAR WORLD_BUS_NAME ".Sidecar"

static Told *told;
static size_t n_told;
static uint64_t last_seq;

static void await_daemon(void) {
        while (sd_bus_process(world->bus, NULL) > 0)
                ;
        WORLD_AWAIT(world, world->owner[0] != '\0');
}

static bool is_death(const sd_bus_error *error) {
        static const char *const names[] = { SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_SERVICE_UNKNOWN,
                                             SD_BUS_ERROR_NAME_HAS_NO_OWNER };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (sd_bus_error_has_name(error, names[i]))
                        return true;

        return false;
}

bool patient_call(const char *path,
                  const char *interface,
                  const char *method,
                  sd_bus_message **ret_reply,
                  const char *types,
                  ...) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        va_list arguments;
        int r;

        await_daemon();
        va_start(arguments, types);
        r = sd_bus_call_methodv(world->bus, WORLD_BUS_NAME, path, interface, method, &error,
                                ret_reply, types, arguments);
        va_end(arguments);
        /* That is an answer too: the start is over, and the sidecar says how. */
        if (sd_bus_error_has_name(&error, WORLD_ERROR "StartFailed"))
                return true;
        ck_assert_msg(r >= 0 || is_death(&error), "%s: %s: %s", method, error.name, error.message);
        return r >= 0;
}

/* Of the variants in a{sv} those are read that are named. */
typedef struct Entry {
        const char *key, *type;
        void *value; /* char[64] for "s", int64_t for every number */
} Entry;

static int64_t read_number(sd_bus_message *message, char type) {
        union {
                uint64_t t;
                uint32_t u;
                int32_t i;
        } value = { 0 };

        ck_assert_int_gt(sd_bus_message_read_basic(message, type, &value), 0);
        return type == 't' ? (int64_t) value.t : type == 'u' ? (int64_t) value.u : value.i;
}

static void read_value(sd_bus_message *message, const Entry *entry) {
        const char *text;

        ck_assert_int_gt(sd_bus_message_enter_container(message, 'v', entry->type), 0);
        if (streq(entry->type, "s")) {
                ck_assert_int_gt(sd_bus_message_read(message, "s", &text), 0);
                (void) snprintf(entry->value, 64, "%s", text);
        } else
                *(int64_t *) entry->value = read_number(message, entry->type[0]);
        ck_assert_int_ge(sd_bus_message_exit_container(message), 0);
}

/* Answers how many of them it has. */
static size_t read_entries(sd_bus_message *message, const Entry *entries, size_t n_entries) {
        const char *key;
        size_t n = 0;

        ck_assert_int_gt(sd_bus_message_enter_container(message, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
                size_t i = 0;

                ck_assert_int_gt(sd_bus_message_read(message, "s", &key), 0);
                while (i < n_entries && !streq(entries[i].key, key))
                        i++;
                if (i < n_entries) {
                        read_value(message, &entries[i]);
                        n++;
                } else
                        ck_assert_int_gt(sd_bus_message_skip(message, "v"), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(message), 0);
        }
        ck_assert_int_ge(sd_bus_message_exit_container(message), 0);
        return n;
}

Standing patient_look(const char *name) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = sidecar_path(name);
        char status[64], sub_state[64], reason_code[64];
        Standing s = { 0 };
        const Entry entries[] = {
                { "Status", "s", status },
                { "SubState", "s", sub_state },
                { "ReasonCode", "s", reason_code },
                { "ExitCode", "i", &s.exit_code },
                { "ExitSignal", "i", &s.exit_signal },
                { "NRestarts", "u", &s.n_restarts },
                { "Generation", "t", &s.generation },
                { "MainPID", "u", &s.main_pid },
        };

        while (!patient_call(path, PROPERTIES, "GetAll", &reply, "s", SIDECAR))
                ;
        ck_assert_uint_eq(read_entries(reply, entries, ELEMENTSOF(entries)), ELEMENTSOF(entries));
        (void) snprintf(s.state, sizeof(s.state), "%.31s/%.31s", status, sub_state);
        (void) snprintf(s.reason_code, sizeof(s.reason_code), "%.31s", reason_code);
        return s;
}

/* Events */

static const Told *last_of(const char *name) {
        for (size_t i = n_told; i-- > 0;)
                if (streq(told[i].name, name))
                        return &told[i];

        return NULL;
}

static size_t n_mode_ends;

static void take_status(const Told *event) {
        const Told *former = last_of(event->name);

        /* An end that changes no status is told with the status as it is. */
        ck_assert_msg(!former || !streq(former->state, event->state) ||
                              former->generation != event->generation ||
                              (event->has_exit && !former->has_exit),
                      "%s is told to be %s twice in a row", event->name, event->state);
        told = reallocarray(told, n_told + 1, sizeof(*told));
        ck_assert_ptr_nonnull(told);
        told[n_told++] = *event;
}

static void take_event(sd_bus_message *reply) {
        char type[64] = "", status[64] = "", sub_state[64] = "", name[64] = "";
        int64_t seq = 0, generation = 0, exit_code = INT64_MIN, exit_signal = 0;
        const Entry entries[] = {
                { "seq", "t", &seq },
                { "type", "s", type },
                { "sidecar", "s", name },
                { "status", "s", status },
                { "sub-state", "s", sub_state },
                { "generation", "t", &generation },
                { "exit-code", "i", &exit_code },
                { "signal", "i", &exit_signal },
        };
        Told event;

        (void) read_entries(reply, entries, ELEMENTSOF(entries));
        ck_assert_msg(last_seq == 0 || (uint64_t) seq == last_seq + 1,
                      "Event %" PRIi64 " follows event %" PRIu64, seq, last_seq);
        last_seq = (uint64_t) seq;
        n_mode_ends += streq(type, "mode");
        event = (Told){
                .seq = last_seq,
                .generation = (uint64_t) generation,
                .has_exit = exit_code != INT64_MIN,
                .exit_code = (int32_t) exit_code,
                .exit_signal = (int32_t) exit_signal,
        };
        (void) snprintf(event.name, sizeof(event.name), "%.31s", name);
        (void) snprintf(event.state, sizeof(event.state), "%.31s/%.31s", status, sub_state);
        fprintf(stderr, "  event %" PRIu64 ": %s %s %s\n", last_seq, type, name, event.state);
        if (streq(type, "status"))
                take_status(&event);
}

/* Waits for one if there is none yet, but not for ever. False: the daemon died meanwhile. */
static bool read_events(uint64_t wait_usec) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t last;

        if (!patient_call(WORLD_PATH, MANAGER, "GetEvents", &reply, "ta{sv}", last_seq, 1,
                          "wait-usec", "t", wait_usec))
                return false;

        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "a{sv}"), 0);
        while (sd_bus_message_at_end(reply, false) == 0)
                take_event(reply);
        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        ck_assert_int_gt(sd_bus_message_read(reply, "t", &last), 0);
        ck_assert_msg(last_seq == 0 || last == last_seq,
                      "The last event is %" PRIu64 ", and was %" PRIu64, last, last_seq);
        last_seq = last;
        (void) world_has_logged(world, "");
        return true;
}

static void catch_up_with_events(void) {
        while (!read_events(0))
                ;
}

const Told *patient_events(size_t *ret_n) {
        catch_up_with_events();
        *ret_n = n_told;
        return told;
}

size_t patient_count_mode_ends(void) {
        catch_up_with_events();
        return n_mode_ends;
}

void patient_await(const char *name, const char *state, int64_t n_restarts, int64_t above) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;
        Standing s;

        for (;;) {
                s = patient_look(name);
                if (streq(s.state, state) && s.n_restarts == n_restarts && s.generation > above)
                        return;
                ck_assert_msg(clock_monotonic_usec() < deadline,
                              "%s is %s with %" PRIi64 " restarts, not %s with %" PRIi64, name,
                              s.state, s.n_restarts, state, n_restarts);
                (void) read_events(LONG_POLL_USEC);
        }
}

/* What changes something */

static bool call_sidecar(const char *name, const char *method) {
        _cleanup_free_ char *path = sidecar_path(name);

        return patient_call(path, SIDECAR, method, NULL, "a{sv}", 0);
}

void patient_start(const char *name) {
        int64_t before = patient_look(name).generation;

        while (!call_sidecar(name, "Start") && patient_look(name).generation == before)
                ;
}

void patient_stop(const char *name) {
        while (!call_sidecar(name, "Stop"))
                ;
}

void patient_restart(const char *name) {
        Standing before = patient_look(name), now;

        do {
                if (call_sidecar(name, "Restart"))
                        return;
                now = patient_look(name);
        } while (now.generation == before.generation && streq(now.state, before.state));
}

void patient_start_app(void) {
        while (!patient_call(WORLD_APP_PATH, APP, "Start", NULL, "a{sv}", 0))
                ;
}

void patient_reload(void) {
        while (!patient_call(WORLD_PATH, MANAGER, "Reload", NULL, ""))
                ;
}

static void get_app_text(const char *property, char ret[static 64]) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *value;

        while (!patient_call(WORLD_APP_PATH, PROPERTIES, "Get", &reply, "ss", APP, property))
                ;
        ck_assert_int_gt(sd_bus_message_read(reply, "v", "s", &value), 0);
        (void) snprintf(ret, 64, "%s", value);
}

static void await_mode(const char *mode, const char *result) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;
        char present[64];

        for (;;) {
                get_app_text("ModeResult", present);
                if (!streq(present, "switching"))
                        break;
                ck_assert_msg(clock_monotonic_usec() < deadline, "Still switching to %s", mode);
                (void) read_events(LONG_POLL_USEC);
        }
        ck_assert_str_eq(present, result);
        get_app_text("Mode", present);
        ck_assert_str_eq(present, mode);
}

void patient_set_mode(const char *mode) {
        char present[64];

        do
                get_app_text("Mode", present);
        while (!streq(present, mode) &&
               !patient_call(WORLD_APP_PATH, APP, "SetMode", NULL, "sa{sv}", mode, 0));
        await_mode(mode, "done");
}

void patient_set_mode_in_vain(const char *mode) {
        char former[64], result[64];

        get_app_text("Mode", former);
        do
                get_app_text("ModeResult", result);
        while (streq(result, "done") &&
               !patient_call(WORLD_APP_PATH, APP, "SetMode", NULL, "sa{sv}", mode, 0));
        await_mode(former, "rolled-back");
}

static bool call_on(sd_bus *bus, sd_bus_message *call) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        await_daemon();
        r = sd_bus_call(bus, call, 0, &error, NULL);
        ck_assert_msg(r >= 0 || is_death(&error), "%s: %s", error.name, error.message);
        return r >= 0;
}

void patient_hold(sd_bus *bus, const char *sidecars, uint64_t linger_usec) {
        bool is_done = false;

        while (!is_done) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *call =
                        client_new_hold(bus, WORLD_APP, sidecars, linger_usec);

                is_done = call_on(bus, call);
        }
}

void patient_bring(sd_bus *bus, const char *manifest) {
        bool is_done = false;

        while (!is_done) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;

                ck_assert_int_ge(sd_bus_message_new_method_call(bus, &call, WORLD_BUS_NAME,
                                                                WORLD_PATH, MANAGER, "Hold"),
                                 0);
                ck_assert_int_ge(sd_bus_message_append(call, "ssa{sv}", WORLD_APP, "a story", 2,
                                                       "manifest", "s", manifest, "env", "a{ss}", 1,
                                                       "ANY_NAME", "it-likes"),
                                 0);
                is_done = call_on(bus, call);
        }
}

void patient_release(sd_bus *bus) {
        bool is_done = false;

        while (!is_done) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;

                ck_assert_int_ge(sd_bus_message_new_method_call(bus, &call, WORLD_BUS_NAME,
                                                                WORLD_PATH, MANAGER, "Release"),
                                 0);
                ck_assert_int_ge(sd_bus_message_append(call, "s", WORLD_APP), 0);
                is_done = call_on(bus, call);
        }
}

static bool says_held(const Holder *holder) {
        char line[256] = "";
        size_t n = 0;

        while (n < sizeof(line) - 1 && read(holder->output_fd, line + n, 1) == 1 && line[n] != '\n')
                n++;
        return startswith(line, "held\n");
}

/* One whose call died with the brain is gone, and with it its hold, if there was one. */
Holder patient_start_holder(const HolderSpec *spec) {
        for (;;) {
                Holder holder;

                await_daemon();
                holder = holder_spawn(world, spec);
                if (says_held(&holder))
                        return holder;
                holder_kill(&holder);
        }
}

size_t patient_count_holds(void) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        size_t n = 0;

        while (!patient_call(WORLD_PATH, PROPERTIES, "Get", &reply, "ss", MANAGER, "Holds"))
                ;
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'v', "aa{sv}"), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "a{sv}"), 0);
        for (; sd_bus_message_at_end(reply, false) == 0; n++)
                ck_assert_int_ge(sd_bus_message_skip(reply, "a{sv}"), 0);
        return n;
}

/* Logs */

/* Adds what came after that line, and waits for some; answers what to go on after. */
static uint64_t read_log(const char *name, uint64_t after, uint64_t wait_usec, FILE *out) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = sidecar_path(name);
        uint64_t seq, realtime_usec, generation, next, lost;
        const char *stream, *text;

        while (!patient_call(path, SIDECAR, "GetLog", &reply, "a{sv}", 2, "after", "t", after,
                             "wait-usec", "t", wait_usec))
                ;
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "(tttss)"), 0);
        while (sd_bus_message_read(reply, "(tttss)", &seq, &realtime_usec, &generation, &stream,
                                   &text) > 0)
                (void) fprintf(out, "%s\n", text);
        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        ck_assert_int_gt(sd_bus_message_read(reply, "tt", &next, &lost), 0);
        ck_assert_uint_eq(lost, 0);
        return next;
}

char *patient_log(const char *name) {
        uint64_t after = 0, next;
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(out);
        while ((next = read_log(name, after, 0, out)) != after)
                after = next;
        ck_assert_int_eq(fclose(out), 0);
        return text;
}

void patient_await_line(const char *name, const char *text) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE, after = 0;
        bool is_there = false;

        while (!is_there) {
                _cleanup_free_ char *lines = NULL;
                size_t size;
                FILE *out = open_memstream(&lines, &size);

                ck_assert_ptr_nonnull(out);
                ck_assert_msg(clock_monotonic_usec() < deadline, "%s never said: %s", name, text);
                after = read_log(name, after, LONG_POLL_USEC, out);
                ck_assert_int_eq(fclose(out), 0);
                is_there = strstr(lines, text) != NULL;
        }
}

void patient_upgrade(void) {
        _cleanup_free_ char *former = NULL;

        await_daemon();
        former = strdup(world->owner);
        process_signal(world->keeper.pidfd, SIGHUP);
        WORLD_AWAIT(world, world->owner[0] != '\0' && !streq(world->owner, former));
}
