/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Events, from outside: GetEvents has all that happened, in order and without a gap, wakes who
 * waits for it, and says what it had to forget.
 */

#include <string.h>

#include "app-calls.h"
#include "test.h"

#define SLEEPER(name) "'" name "': {'command': ['@CHILDREN@/sleeper']}"

/* What a test looks at of one event. */
typedef struct Seen {
        uint64_t seq;
        char type[32];
        char sidecar[32];
        char state[48];      /* "STATUS/SUBSTATE" of a status event */
        uint64_t generation; /* 0: it has none */
        int32_t exit_code;   /* -2: it has none */
        int32_t signal;
        uint32_t attempt;
        uint64_t uptime_usec;
        bool will_retry;
        bool has_app, has_time;
} Seen;

#define SEEN_MAX 1024

typedef struct Page {
        Seen events[SEEN_MAX];
        size_t n;
        uint64_t last;
} Page;

static void read_text(sd_bus_message *reply, char *text, size_t size) {
        const char *value;

        ck_assert_int_gt(sd_bus_message_read(reply, "v", "s", &value), 0);
        (void) snprintf(text + strlen(text), size - strlen(text), "%s", value);
}

static void read_entry(sd_bus_message *reply, Seen *event) {
        char app[64] = "";
        const char *key;
        uint64_t time = 0;
        int truth = 0;

        ck_assert_int_gt(sd_bus_message_read(reply, "s", &key), 0);
        if (streq(key, "seq"))
                ck_assert_int_gt(sd_bus_message_read(reply, "v", "t", &event->seq), 0);
        else if (streq(key, "realtime-usec")) {
                ck_assert_int_gt(sd_bus_message_read(reply, "v", "t", &time), 0);
                event->has_time = time > 0 && time <= clock_realtime_usec();
        } else if (streq(key, "type"))
                read_text(reply, event->type, sizeof(event->type));
        else if (streq(key, "app")) {
                read_text(reply, app, sizeof(app));
                event->has_app = streq(app, WORLD_APP);
        } else if (streq(key, "sidecar"))
                read_text(reply, event->sidecar, sizeof(event->sidecar));
        else if (streq(key, "status") || streq(key, "sub-state")) {
                if (streq(key, "sub-state"))
                        (void) strcat(event->state, "/");
                read_text(reply, event->state, sizeof(event->state));
        } else if (streq(key, "generation"))
                ck_assert_int_gt(sd_bus_message_read(reply, "v", "t", &event->generation), 0);
        else if (streq(key, "exit-code"))
                ck_assert_int_gt(sd_bus_message_read(reply, "v", "i", &event->exit_code), 0);
        else if (streq(key, "signal"))
                ck_assert_int_gt(sd_bus_message_read(reply, "v", "i", &event->signal), 0);
        else if (streq(key, "uptime-usec"))
                ck_assert_int_gt(sd_bus_message_read(reply, "v", "t", &event->uptime_usec), 0);
        else if (streq(key, "attempt"))
                ck_assert_int_gt(sd_bus_message_read(reply, "v", "u", &event->attempt), 0);
        else if (streq(key, "will-retry")) {
                ck_assert_int_gt(sd_bus_message_read(reply, "v", "b", &truth), 0);
                event->will_retry = truth;
        } else
                ck_assert_int_gt(sd_bus_message_skip(reply, "v"), 0);
}

static void read_page(sd_bus_message *reply, Page *page) {
        page->n = 0;
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "a{sv}"), 0);
        while (sd_bus_message_enter_container(reply, 'a', "{sv}") > 0) {
                Seen *event = &page->events[page->n++];

                ck_assert_uint_le(page->n, SEEN_MAX);
                *event = (Seen){ .exit_code = -2 };
                while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                        read_entry(reply, event);
                        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                }
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }
        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        ck_assert_int_gt(sd_bus_message_read(reply, "t", &page->last), 0);
}

/* All after that number, as one page. */
static void get_events(uint64_t after, Page *page) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "GetEvents", NULL, &reply,
                                    "ta{sv}", after, 0),
                         0);
        read_page(reply, page);
}

static uint64_t last_event(void) {
        static Page page;
        uint64_t last = 0;

        do {
                get_events(last, &page);
                last = page.last;
        } while (page.n > 0);
        return last;
}

static const Seen *
find_event(const Page *page, const char *type, const char *sidecar, const char *state) {
        for (size_t i = 0; i < page->n; i++)
                if (streq(page->events[i].type, type) && streq(page->events[i].sidecar, sidecar) &&
                    streq(page->events[i].state, state))
                        return &page->events[i];

        ck_abort_msg("No event %s of \"%s\" %s", type, sidecar, state);
}

START_TEST(a_whole_life_is_told_in_order_and_without_a_gap) {
        static Page page;
        uint64_t before;

        world_write_manifest(
                world, WORLD_APP,
                "{'manifestVersion': 1, 'id': '" WORLD_APP "', 'modes': {'none':"
                " {'sidecars': []}, 'all': {}}, 'defaultMode': 'all', 'sidecars': {" SLEEPER(
                        "one") "," SLEEPER("two") "}}");
        world_run(world);
        before = last_event();
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        app_set_mode(world, "none");
        ck_assert_int_ge(app_wait(world, "stopped", NULL), 0);
        client_release(world->bus);

        get_events(before, &page);
        ck_assert_uint_ge(page.n, 3 + 2 * 4);
        for (size_t i = 0; i < page.n; i++) {
                ck_assert_uint_eq(page.events[i].seq, before + 1 + i);
                ck_assert(page.events[i].has_time && page.events[i].has_app);
        }
        ck_assert_uint_eq(page.last, page.events[page.n - 1].seq);
        ck_assert_str_eq(page.events[0].type, "held");
        ck_assert_str_eq(page.events[page.n - 1].type, "released");
        (void) find_event(&page, "mode", "", "");
        ck_assert(find_event(&page, "status", "one", "Starting/spawning") <
                  find_event(&page, "status", "one", "Running/ready"));
        ck_assert(find_event(&page, "status", "one", "Running/ready") <
                  find_event(&page, "status", "one", "Stopped/stopped"));
}
END_TEST

START_TEST(each_status_signal_is_an_event_of_the_same_number) {
        static Page page;
        size_t n_status = 0;

        world_write_sidecars(world, SLEEPER("one") "," SLEEPER("two"));
        world_run(world);
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        client_release(world->bus);
        (void) world_next(world, "one", "Stopped/stopped");
        (void) world_next(world, "two", "Stopped/stopped");
        get_events(0, &page);
        for (size_t i = 0; i < page.n; i++) {
                const Seen *event = &page.events[i];
                const Change *change = &world->changes[n_status];

                if (!streq(event->type, "status"))
                        continue;
                ck_assert_uint_lt(n_status++, world->n_changes);
                ck_assert_uint_eq(event->seq, change->seq);
                ck_assert_str_eq(event->sidecar, change->name);
                ck_assert_str_eq(event->state, change->state);
                ck_assert_uint_eq(event->generation, change->generation);
        }
        ck_assert_uint_eq(n_status, world->n_changes);
}
END_TEST

START_TEST(an_exit_is_told_with_all_that_is_known_of_it) {
        static Page page;
        const Seen *retried, *last;

        world_write_sidecars(world, "'lame': {'command': ['/bin/sh', '-c', 'exit 3'], 'restart':"
                                    " {'delay': '50ms', 'jitter': 0, 'attempts': 1}}");
        world_run(world);
        client_hold(world->bus, NULL);
        (void) world_next(world, "lame", "Failed/failed");
        get_events(0, &page);
        retried = find_event(&page, "status", "lame", "Starting/backoff");
        ck_assert_int_eq(retried->exit_code, 3);
        ck_assert_int_eq(retried->signal, 0);
        ck_assert(retried->will_retry);
        ck_assert_uint_eq(retried->attempt, 1);
        last = find_event(&page, "status", "lame", "Failed/failed");
        ck_assert_int_eq(last->exit_code, 3);
        ck_assert(!last->will_retry);
        /* What is no exit says nothing of one. */
        ck_assert_int_eq(find_event(&page, "status", "lame", "Starting/spawning")->exit_code, -2);
}
END_TEST

START_TEST(the_uptime_of_an_exit_is_its_own_however_it_came_about) {
        static Page page;
        uint64_t failed, seen_ready, asked;

        world_write_sidecars(world, "'once': {'command': ['/bin/sh', '-c', 'test -e $HOME/known &&"
                                    " exec sleep 1000; touch $HOME/known; exit 3'],"
                                    " 'restart': {'delay': '50ms', 'jitter': 0}}");
        world_run(world);
        (void) world_start(world, "once");
        (void) world_next(world, "once", "Starting/backoff");
        (void) world_next(world, "once", "Running/ready");
        seen_ready = clock_monotonic_usec();
        get_events(0, &page);
        failed = find_event(&page, "status", "once", "Starting/backoff")->uptime_usec;
        ck_assert_uint_gt(failed, 0);

        /* For longer than the one before it, so that the two cannot be taken for each other. */
        do
                (void) last_event();
        while (clock_monotonic_usec() - seen_ready <= failed);
        asked = clock_monotonic_usec();
        world_stop(world, "once");

        get_events(0, &page);
        ck_assert_uint_ge(find_event(&page, "status", "once", "Stopped/stopped")->uptime_usec,
                          asked - seen_ready);
}
END_TEST

/* An answer that comes by itself. */
static int note_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_) {
        ck_assert(!sd_bus_message_is_method_error(reply, NULL));
        *(sd_bus_message **) userdata = sd_bus_message_ref(reply);
        return 0;
}

/* Long enough that an answer in time was no answer out of patience. */
static void poll_events(sd_bus_message **ret_reply, uint64_t after, const char *type) {
        ck_assert_int_ge(sd_bus_call_method_async(world->bus, NULL, WORLD_BUS_NAME, WORLD_PATH,
                                                  WORLD_BUS_NAME ".Manager", "GetEvents",
                                                  note_reply, ret_reply, "ta{sv}", after, 2,
                                                  "wait-usec", "t", 20 * USEC_PER_SEC, "types",
                                                  "as", 1, type),
                         0);
}

START_TEST(a_long_poll_wakes_when_something_happens) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        static Page page;
        uint64_t last;

        world_write_sidecars(world, SLEEPER("one"));
        world_run(world);
        last = last_event();
        poll_events(&reply, last, "held");
        /* It is answered after the poll, so the poll stands. */
        ck_assert_uint_eq(app_count_holds(world), 0);
        ck_assert_ptr_null(reply);

        client_hold(world->bus, NULL);
        WORLD_AWAIT(world, reply);
        read_page(reply, &page);
        ck_assert_uint_eq(page.n, 1);
        ck_assert_str_eq(page.events[0].type, "held");
        ck_assert_uint_gt(page.events[0].seq, last);
}
END_TEST

START_TEST(a_long_poll_sleeps_through_what_it_did_not_ask_for) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        static Page page;

        world_write_sidecars(world, SLEEPER("one"));
        world_run(world);
        poll_events(&reply, last_event(), "released");
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        ck_assert_ptr_null(reply);
        client_release(world->bus);
        WORLD_AWAIT(world, reply);
        read_page(reply, &page);
        ck_assert_uint_eq(page.n, 1);
        ck_assert_str_eq(page.events[0].type, "released");
}
END_TEST

START_TEST(a_long_poll_in_vain_answers_with_nothing) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        static Page page;
        uint64_t last, asked_at = clock_monotonic_usec();

        world_write_sidecars(world, SLEEPER("one"));
        world_run(world);
        last = last_event();
        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "GetEvents", NULL, &reply,
                                    "ta{sv}", last, 1, "wait-usec", "t", 300 * USEC_PER_MSEC),
                         0);
        ck_assert_uint_ge(clock_monotonic_usec() - asked_at, 300 * USEC_PER_MSEC);
        read_page(reply, &page);
        ck_assert_uint_eq(page.n, 0);
        ck_assert_uint_eq(page.last, last);
}
END_TEST

START_TEST(the_numbers_rise_over_a_restart_and_one_from_the_future_counts_as_0) {
        static Page page, future;
        uint64_t former;

        world_write_sidecars(world, SLEEPER("one"));
        world_run(world);
        client_hold(world->bus, NULL);
        former = last_event();
        world_end(world);
        WORLD_AWAIT(world, world->owner[0] == '\0');
        world_run(world);
        client_hold(world->bus, NULL);
        get_events(0, &page);
        ck_assert_uint_gt(page.n, 0);
        ck_assert_uint_gt(page.events[0].seq, former);

        get_events(UINT64_MAX, &future);
        ck_assert_uint_gt(future.n, 0);
        ck_assert_uint_eq(future.events[0].seq, page.events[0].seq);
}
END_TEST

START_TEST(max_and_app_narrow_it_down) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL, *other = NULL;
        static Page all, page;

        world_write_sidecars(world, SLEEPER("one"));
        world_run(world);
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        get_events(0, &all);
        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "GetEvents", NULL, &reply,
                                    "ta{sv}", UINT64_C(0), 1, "max", "u", 2),
                         0);
        read_page(reply, &page);
        ck_assert_uint_eq(page.n, 2);
        /* The oldest, and the next call goes on behind them. */
        ck_assert_uint_eq(page.events[0].seq, all.events[0].seq);
        ck_assert_uint_eq(page.last, all.events[1].seq);

        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "GetEvents", NULL, &other,
                                    "ta{sv}", UINT64_C(0), 1, "app", "s", "org.example.Other"),
                         0);
        read_page(other, &page);
        ck_assert_uint_eq(page.n, 0);
}
END_TEST

START_TEST(a_ring_that_went_round_shows_the_gap) {
        static Page page;
        uint64_t before, next, expected;
        size_t n_missing;

        world_write_sidecars(world, SLEEPER("one"));
        world_run(world);
        before = last_event();
        /* Two events each, and more than any bounded ring of this size has places for. */
        for (size_t i = 0; i < 2500; i++) {
                client_hold(world->bus, "");
                client_release(world->bus);
        }

        get_events(before, &page);
        ck_assert_uint_gt(page.n, 0);
        ck_assert_uint_gt(page.events[0].seq, before + 1);
        n_missing = page.events[0].seq - before - 1;

        /* From there on there is all of it. */
        for (next = before, expected = page.events[0].seq; page.n > 0; next = page.last) {
                get_events(next, &page);
                for (size_t i = 0; i < page.n; i++)
                        ck_assert_uint_eq(page.events[i].seq, expected++);
        }
        ck_assert_uint_eq(expected - before - 1, 5000);
        ck_assert_uint_lt(n_missing, 5000);
}
END_TEST

TEST_MAIN_TIMEOUT("events",
                  120,
                  world_setup,
                  world_teardown,
                  a_whole_life_is_told_in_order_and_without_a_gap,
                  each_status_signal_is_an_event_of_the_same_number,
                  an_exit_is_told_with_all_that_is_known_of_it,
                  the_uptime_of_an_exit_is_its_own_however_it_came_about,
                  a_long_poll_wakes_when_something_happens,
                  a_long_poll_sleeps_through_what_it_did_not_ask_for,
                  a_long_poll_in_vain_answers_with_nothing,
                  the_numbers_rise_over_a_restart_and_one_from_the_future_counts_as_0,
                  max_and_app_narrow_it_down,
                  a_ring_that_went_round_shows_the_gap)
