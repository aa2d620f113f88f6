/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/port-in-words.h"
#include "test.h"

static const struct {
        const char *words;
        uint16_t port; /* 0: they say nothing of a port, or not which */
        bool says_in_use;
} cases[] = {
        { "OSError: [Errno 98] Address already in use", 0, true },
        { "[Errno 98] error while attempting to bind on address ('127.0.0.1', 8001): address "
          "already in use",
          8001, true },
        { "ERROR: [Errno 98] while attempting to bind on address ('::1', 8001, 0, 0): address "
          "already in use",
          8001, true },
        { "Error: listen EADDRINUSE: address already in use :::3000", 3000, true },
        { "Error: listen EADDRINUSE 127.0.0.1:3000", 3000, true },
        { "Port 5000 is in use by another program.", 5000, true },
        { "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)", 80, true },
        { "12:30:01 Could not create server TCP listening socket [::1]:6379: bind: Address "
          "already in use",
          6379, true },
        { "listen tcp 127.0.0.1:8080: bind: address already in use", 8080, true },
        { "connect to 10.0.0.1:99999: refused", 0, false },
        { "the database is in use", 0, false },
        { "", 0, false },
};

START_TEST(real_words_say_that_a_port_is_taken_and_which) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *words = cases[i].words;

                ck_assert_msg(words_say_port_in_use(words) == cases[i].says_in_use, "%s", words);
                ck_assert_msg(words_find_port(words) == cases[i].port, "%s: %u", words,
                              words_find_port(words));
        }
}
END_TEST

TEST_MAIN("port in words", NULL, NULL, real_words_say_that_a_port_is_taken_and_which)
