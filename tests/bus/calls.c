/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls
 *
 * Blocking calls of a plain client. Signals that come in while a call waits for its answer are
 * kept by sd-bus, and seen at the next world_turn().
 */

#include <check.h>
#include <stdarg.h>
#include <string.h>

#include "calls.h"

static int
on_status_changed(sd_bus_message *message, void *userdata, sd_bus_error *error _unused_) {
        World *w = userdata;
        const char *status, *sub_state, *reason_code;
        const char *path = sd_bus_message_get_path(message);
        Change change = { .received_usec = clock_monotonic_usec() };

        ck_assert_int_gt(sd_bus_message_read(message, "tssst", &change.seq, &status, &sub_state,
                                             &reason_code, &change.generation),
                         0);
        /* Names in these tests need no unescaping. */
        (void) snprintf(change.name, sizeof(change.name), "%s", strrchr(path, '/') + 1);
        (void) snprintf(change.state, sizeof(change.state), "%s/%s", status, sub_state);
        (void) snprintf(change.reason_code, sizeof(change.reason_code), "%s", reason_code);

        w->changes = reallocarray(w->changes, w->n_changes + 1, sizeof(*w->changes));
        ck_assert_ptr_nonnull(w->changes);
        w->changes[w->n_changes++] = change;
        fprintf(stderr, "  %s: %s (%s), generation %" PRIu64 "\n", change.name, change.state,
                change.reason_code, change.generation);
        return 0;
}

static int on_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *error _unused_) {
        World *w = userdata;
        const char *name, *before, *after;

        ck_assert_int_gt(sd_bus_message_read(message, "sss", &name, &before, &after), 0);
        if (streq(name, WORLD_BUS_NAME))
                ck_assert_int_eq(free_and_strdup(&w->owner, after), 0);
        return 0;
}

/* On a bus that was restarted the daemon may have been quicker than we. */
static void ask_for_owner(World *w) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *owner;

        if (sd_bus_call_method(w->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus", "GetNameOwner", NULL, &reply, "s",
                               WORLD_BUS_NAME) < 0)
                return;
        ck_assert_int_gt(sd_bus_message_read(reply, "s", &owner), 0);
        ck_assert_int_eq(free_and_strdup(&w->owner, owner), 0);
}

void calls_listen(World *w) {
        ck_assert_int_ge(sd_bus_add_match(w->bus, NULL,
                                          "type='signal',member='StatusChanged',"
                                          "interface='org.sidecard.Sidecars1.Sidecar'",
                                          on_status_changed, w),
                         0);
        ck_assert_int_ge(sd_bus_add_match(w->bus, NULL,
                                          "type='signal',sender='org.freedesktop.DBus',"
                                          "member='NameOwnerChanged',arg0='" WORLD_BUS_NAME "'",
                                          on_owner_changed, w),
                         0);
        ask_for_owner(w);
}

char *app_path(const char *app) {
        char *path;

        ck_assert_int_ge(sd_bus_path_encode(WORLD_PATH "/app", app, &path), 0);
        return path;
}

char *sidecar_path(const char *name) {
        _cleanup_free_ char *app = app_path(WORLD_APP);
        char *path;

        ck_assert_int_ge(sd_bus_path_encode(app, name, &path), 0);
        return path;
}

int world_call(World *w,
               const char *path,
               const char *interface,
               const char *method,
               sd_bus_error *error,
               sd_bus_message **ret_reply,
               const char *types,
               ...) {
        char name[128];
        va_list arguments;
        int r;

        (void) snprintf(name, sizeof(name), WORLD_BUS_NAME ".%s", interface);
        va_start(arguments, types);
        r = sd_bus_call_methodv(w->bus, WORLD_BUS_NAME, path, name, method, error, ret_reply, types,
                                arguments);
        va_end(arguments);
        return r;
}

/* Reads the one number of the reply. */
static int call_start(World *w, const char *name, uint64_t *ret_generation, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = sidecar_path(name);
        int r;

        r = world_call(w, path, "Sidecar", "Start", error, &reply, "a{sv}", 0);
        if (r < 0)
                return r;

        ck_assert_int_gt(sd_bus_message_read(reply, "t", ret_generation), 0);
        return 0;
}

uint64_t world_start(World *w, const char *name) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        uint64_t generation = 0;
        int r;

        r = call_start(w, name, &generation, &error);
        ck_assert_msg(r >= 0, "Start of %s: %s: %s", name, error.name, error.message);
        ck_assert_uint_gt(generation, 0);
        return generation;
}

uint64_t world_start_ready(World *w, const char *name) {
        uint64_t generation = world_start(w, name);

        world_wait_ready(w, name);
        return generation;
}

char *world_start_in_vain(World *w, const char *name, const char *error_name) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        uint64_t generation = 0;
        int r;

        r = call_start(w, name, &generation, &error);
        if (r >= 0)
                r = world_wait(w, name, "ready", &error);

        ck_assert_msg(r < 0, "%s started, and should not have", name);
        ck_assert_str_eq(error.name, error_name);
        return strdup(error.message);
}

void world_ask_to_stop(World *w, const char *name, bool with_kill) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *path = sidecar_path(name);
        int r;

        if (with_kill)
                r = world_call(w, path, "Sidecar", "Stop", &error, NULL, "a{sv}", 1, "kill", "b",
                               1);
        else
                r = world_call(w, path, "Sidecar", "Stop", &error, NULL, "a{sv}", 0);
        ck_assert_msg(r >= 0, "Stop of %s: %s: %s", name, error.name, error.message);
}

void world_stop(World *w, const char *name) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        world_ask_to_stop(w, name, false);
        r = world_wait(w, name, "stopped", &error);
        ck_assert_msg(r >= 0, "Waiting for the end of %s: %s", name, error.message);
}

int world_wait_once(World *w,
                    const char *name,
                    const char *condition,
                    uint64_t generation,
                    uint64_t timeout_usec,
                    char **ret_status,
                    sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = sidecar_path(name);
        const char *status;
        int r;

        r = world_call(w, path, "Sidecar", "Wait", error, &reply, "stt", condition, generation,
                       timeout_usec);
        if (r < 0)
                return r;

        ck_assert_int_gt(sd_bus_message_read(reply, "s", &status), 0);
        *ret_status = strdup(status);
        return 0;
}

/* What is asked for, as the states of contract section 2 show it. */
static bool state_meets(const char *state, const char *condition) {
        bool is_stopping = strstr(state, "/stopping") != NULL;

        if (streq(condition, "ready"))
                return startswith(state, "Running/") && !is_stopping;
        if (streq(condition, "stopped"))
                return startswith(state, "Stopped/") || startswith(state, "Failed/");
        return !startswith(state, "Starting/") && !is_stopping;
}

int world_wait(World *w, const char *name, const char *condition, sd_bus_error *error) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;

        do {
                _cleanup_free_ char *status = NULL;
                int r = world_wait_once(w, name, condition, 0, 0, &status, error);

                if (r < 0)
                        return r;
                if (state_meets(world_state(w, name), condition))
                        return 0;
        } while (clock_monotonic_usec() < deadline);

        ck_abort_msg("%s is %s, and was to be %s", name, world_state(w, name), condition);
}

void world_wait_ready(World *w, const char *name) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = world_wait(w, name, "ready", &error);

        ck_assert_msg(r >= 0, "%s does not get ready: %s: %s", name, error.name, error.message);
}

char *world_get_text_at(World *w, const char *path, const char *interface, const char *property) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        char name[128], *text = NULL;
        int r;

        (void) snprintf(name, sizeof(name), WORLD_BUS_NAME ".%s", interface);
        r = sd_bus_get_property_string(w->bus, WORLD_BUS_NAME, path, name, property, &error, &text);
        ck_assert_msg(r >= 0, "%s of %s: %s", property, path, error.message);
        return text;
}

char *world_get_text(World *w, const char *name, const char *property) {
        _cleanup_free_ char *path = sidecar_path(name);

        return world_get_text_at(w, path, "Sidecar", property);
}

static sd_bus_message *get_property(World *w, const char *name, const char *property) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *path = sidecar_path(name);
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_call_method(w->bus, WORLD_BUS_NAME, path, "org.freedesktop.DBus.Properties",
                               "Get", &error, &reply, "ss", WORLD_BUS_NAME ".Sidecar", property);
        ck_assert_msg(r >= 0, "%s of %s: %s", property, name, error.message);
        return reply;
}

bool world_has_feature(World *w, const char *feature) {
        _cleanup_(strv_freep) char **features = NULL;

        ck_assert_int_ge(sd_bus_get_property_strv(w->bus, WORLD_BUS_NAME, WORLD_PATH,
                                                  WORLD_BUS_NAME ".Manager", "Features", NULL,
                                                  &features),
                         0);
        return strv_contains(features, feature);
}

int64_t world_get_number(World *w, const char *name, const char *property) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = get_property(w, name, property);
        const char *type;
        union {
                uint64_t t;
                uint32_t u;
                int32_t i;
        } value = { 0 };

        ck_assert_int_gt(sd_bus_message_peek_type(reply, NULL, &type), 0);
        ck_assert_int_gt(sd_bus_message_read(reply, "v", type, &value), 0);
        switch (type[0]) {

        case 't':
                return (int64_t) value.t;

        case 'i':
                return value.i;

        case 'u':
        case 'b':
                return value.u;

        default:
                ck_abort_msg("%s is no number but of type %s", property, type);
        }
}

uint16_t world_get_port(World *w, const char *name, const char *port) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = get_property(w, name, "Ports");
        const char *key;
        uint16_t value;

        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'v', "a{sq}"), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "{sq}"), 0);
        while (sd_bus_message_read(reply, "{sq}", &key, &value) > 0)
                if (streq(key, port))
                        return value;

        return 0;
}

const char *world_state(World *w, const char *name) {
        static char state[48];
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = sidecar_path(name), *status = NULL, *sub_state = NULL;

        /* GetAll is one moment; two calls of Get would be two. */
        ck_assert_int_ge(sd_bus_call_method(w->bus, WORLD_BUS_NAME, path,
                                            "org.freedesktop.DBus.Properties", "GetAll", NULL,
                                            &reply, "s", WORLD_BUS_NAME ".Sidecar"),
                         0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                const char *key, *value;
                char **target = NULL;

                ck_assert_int_gt(sd_bus_message_read(reply, "s", &key), 0);
                if (streq(key, "Status"))
                        target = &status;
                else if (streq(key, "SubState"))
                        target = &sub_state;

                if (target) {
                        ck_assert_int_gt(sd_bus_message_read(reply, "v", "s", &value), 0);
                        *target = strdup(value);
                } else
                        ck_assert_int_gt(sd_bus_message_skip(reply, "v"), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }

        (void) snprintf(state, sizeof(state), "%s/%s", status, sub_state);
        return state;
}

/* From within a dictionary: goes into the value of that key, false where there is none. */
static bool enter_value(sd_bus_message *message, const char *wanted) {
        const char *key, *type;

        ck_assert_int_gt(sd_bus_message_enter_container(message, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
                ck_assert_int_gt(sd_bus_message_read(message, "s", &key), 0);
                if (streq(key, wanted)) {
                        ck_assert_int_gt(sd_bus_message_peek_type(message, NULL, &type), 0);
                        ck_assert_int_gt(sd_bus_message_enter_container(message, 'v', type), 0);
                        return true;
                }
                ck_assert_int_gt(sd_bus_message_skip(message, "v"), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(message), 0);
        }

        return false;
}

char *world_fact(World *w, const char *name, const char *fact) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = sidecar_path(name);
        const char *status;
        char *text = NULL, type;
        union {
                uint32_t u;
                uint16_t q;
                int32_t i;
                const char *s;
        } value = { 0 };

        /* A microsecond: the state as it is. */
        ck_assert_int_ge(world_call(w, path, "Sidecar", "Wait", NULL, &reply, "stt", "settled",
                                    UINT64_C(0), UINT64_C(1)),
                         0);
        ck_assert_int_gt(sd_bus_message_read(reply, "s", &status), 0);
        if (!enter_value(reply, "facts") || !enter_value(reply, fact))
                return NULL;

        ck_assert_int_gt(sd_bus_message_peek_type(reply, &type, NULL), 0);
        ck_assert_int_gt(sd_bus_message_read_basic(reply, type, &value), 0);
        ck_assert_int_ge(type == 's'   ? asprintf(&text, "%s", value.s)
                         : type == 'q' ? asprintf(&text, "%u", (unsigned int) value.q)
                         : type == 'u' ? asprintf(&text, "%u", value.u)
                                       : asprintf(&text, "%d", value.i),
                         0);
        return text;
}

int world_open_main(World *w, const char *name) {
        int64_t pid = world_get_number(w, name, "MainPID");

        ck_assert_int_gt(pid, 0);
        return process_open((pid_t) pid);
}

size_t world_open_tree(World *w, const char *name, int *ret_pidfds, size_t max) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = sidecar_path(name);
        const char *command_line;
        size_t n = 0;
        uint32_t pid;

        ck_assert_int_ge(world_call(w, path, "Sidecar", "GetProcesses", NULL, &reply, ""), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "(us)"), 0);
        while (n < max && sd_bus_message_read(reply, "(us)", &pid, &command_line) > 0)
                ret_pidfds[n++] = process_open((pid_t) pid);

        return n;
}

static const Change *find_next(const World *w, const char *name, const char *state) {
        size_t first = 0;

        for (size_t i = 0; i < w->n_changes; i++)
                if (streq(w->changes[i].name, name) && w->changes[i].is_taken)
                        first = i + 1;

        for (size_t i = first; i < w->n_changes; i++)
                if (streq(w->changes[i].name, name) && streq(w->changes[i].state, state)) {
                        w->changes[i].is_taken = true;
                        return &w->changes[i];
                }

        return NULL;
}

const Change *world_next(World *w, const char *name, const char *state) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;
        const Change *change;
        char what[128];

        (void) snprintf(what, sizeof(what), "%s to be %s", name, state);
        while (!(change = find_next(w, name, state)))
                world_turn(w, deadline, what);
        return change;
}

size_t world_count(World *w, const char *name, const char *state) {
        size_t n = 0;

        while (sd_bus_process(w->bus, NULL) > 0)
                ;
        for (size_t i = 0; i < w->n_changes; i++)
                n += streq(w->changes[i].name, name) && streq(w->changes[i].state, state);
        return n;
}
