/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The contract's "Last words", on real outputs (tests/last-words) and on lines made for a rule. */

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "io/log-memory.h"
#include "model/last-words.h"
#include "test.h"
#include "util/strv.h"
#include "util/utf8.h"

#define GENERATION 42
#define CORPUS_MIN 60 /* fewer are not a corpus, but a wrong folder */

static LogMemory *memory;
static LogRing *ring;

static void setup(void) {
        _cleanup_close_ int fd = -1;

        ck_assert_int_eq(log_memory_new(&memory, &fd), 0);
        ck_assert_int_eq(log_ring_new(&ring, 1), 0);
        log_ring_begin(ring, log_memory_store(memory));
}

static void teardown(void) {
        ring = log_ring_free(ring);
        memory = log_memory_unref(memory);
}

static void put_bytes(LogStream stream, uint64_t generation, const char *bytes, size_t n_bytes) {
        const LogOrigin origin = { stream, generation, 7 };

        while (n_bytes > 0) {
                size_t n = n_bytes < LOG_LINE_BYTES_MAX ? n_bytes : LOG_LINE_BYTES_MAX;

                memcpy(log_ring_prepare(ring, &origin, n, 0), bytes, n);
                log_ring_take(ring, n);
                bytes += n;
                n_bytes -= n;
        }
        log_ring_flush(ring, &origin);
}

static void put(LogStream stream, const char *text) {
        put_bytes(stream, GENERATION, text, strlen(text));
}

static char *find(char *const *secrets) {
        LogLine lines[2 * LAST_WORDS_LINES_MAX];

        return last_words(lines, last_words_collect(lines, ring, GENERATION), secrets);
}

static void assert_words(char *const *secrets, const char *expected) {
        _cleanup_free_ char *words = find(secrets);

        ck_assert_ptr_nonnull(words);
        ck_assert_str_eq(words, expected);
}

/* All of a file of the corpus; false where there is none. */
static bool
read_corpus(const char *folder, const char *name, const char *suffix, char **ret, size_t *ret_n) {
        _cleanup_free_ char *path = NULL;
        char *text = NULL;
        size_t room = 0;
        ssize_t n;
        FILE *file;

        ck_assert_int_gt(asprintf(&path, "%s/%s.%s", folder, name, suffix), 0);
        file = fopen(path, "re");
        if (!file)
                return false;

        /* Up to a byte that is in no text, so all of it. */
        n = getdelim(&text, &room, '\0', file);
        ck_assert(feof(file));
        (void) fclose(file);
        *ret = text;
        *ret_n = n < 0 ? 0 : (size_t) n;
        return true;
}

static void feed(const char *folder, const char *name, const char *suffix, LogStream stream) {
        _cleanup_free_ char *bytes = NULL;
        size_t n_bytes = 0;

        if (read_corpus(folder, name, suffix, &bytes, &n_bytes))
                put_bytes(stream, GENERATION, bytes, n_bytes);
}

/* Whether it is as expected; says it if not. */
static bool check_words(const char *name, const char *expected) {
        _cleanup_free_ char *words = find(NULL);

        if (streq(expected, words ? words : ""))
                return true;

        fprintf(stderr, "%s:\n  expected %s\n  found    %s\n", name, expected,
                words ? words : "nothing");
        return false;
}

/*
 * Twice: as it was written, and with a line behind it, as a script around the program has it. That
 * line hides the cause only where no row of the table knows it.
 */
static bool check_output(const char *folder, const char *name) {
        static const char unknown[] = "(no row knows it)\n", goodbye[] = "good bye";
        _cleanup_free_ char *expected = NULL;
        char *second;
        size_t n = 0;
        bool is_right;

        ck_assert(read_corpus(folder, name, "expected", &expected, &n));
        second = expected ? strchr(expected, '\n') : NULL;
        ck_assert_ptr_nonnull(second);
        *second++ = '\0';
        ck_assert_msg(!*second || streq(second, unknown), "%s: %s", name, second);

        teardown();
        setup();
        feed(folder, name, "txt", LOG_STDERR);
        feed(folder, name, "out", LOG_STDOUT);
        is_right = check_words(name, expected);
        put(LOG_STDERR, goodbye);
        return check_words(name, *second ? goodbye : expected) && is_right;
}

START_TEST(real_outputs_say_what_was_wrong) {
        const char *source = getenv("SIDECARD_SOURCE");
        _cleanup_free_ char *folder = NULL;
        const struct dirent *entry;
        unsigned n = 0, n_wrong = 0;
        DIR *dir;

        ck_assert_ptr_nonnull(source);
        ck_assert_int_gt(asprintf(&folder, "%s/tests/last-words", source), 0);
        dir = opendir(folder);
        ck_assert_ptr_nonnull(dir);
        while ((entry = readdir(dir))) {
                char name[256];
                char *suffix;

                (void) stpcpy(name, entry->d_name);
                suffix = strstr(name, ".expected");
                if (!suffix)
                        continue;
                *suffix = '\0';
                n++;
                n_wrong += !check_output(folder, name);
        }
        (void) closedir(dir);

        ck_assert_uint_ge(n, CORPUS_MIN);
        ck_assert_uint_eq(n_wrong, 0);
}
END_TEST

START_TEST(other_spellings_of_a_cause_are_known) {
        static const struct {
                const char *written, *told; /* NULL: the same */
        } cases[] = {
                { "Error: Could not find or load main class app.Main", NULL },
                { "# A fatal error has been detected by the Java Runtime Environment:", NULL },
                { "Unhandled exception. System.Exception: no", "System.Exception: no" },
                { "Unhandled Exception: System.Exception: no", "System.Exception: no" },
                { "[4242] Cannot open self /opt/app/server or archive server.pkg", NULL },
                { "./app: relocation error: ./app: symbol x, version Y not defined", NULL },
                { "Inconsistency detected by ld.so: dl-lookup.c: 107: check_match: failed!", NULL },
                { "zsh: ./app: cannot execute: required file not found", NULL },
                { "bash: ./app: cannot execute binary file: Exec format error", NULL },
                { "bash: ./app: /bin/pythn: bad interpreter: No such file or directory", NULL },
                { "double free or corruption (!prev)", NULL },
                { "corrupted double-linked list", NULL },
                { "Segmentation fault (core dumped)", NULL },
                { "libc++abi: terminating due to uncaught exception of type int", NULL },
                { "cannot listen: Address in use", NULL },
                { "Web server failed to start. Port 8080 was already in use.", NULL },
                { "error: port 8080 is already in use", NULL },
                { "RuntimeError: CUDA out of memory. Tried to allocate 2.00 MiB", NULL },
                { "HIP out of memory. Tried to allocate 2.00 MiB", NULL },
                { "CUDA error: out of memory", NULL },
                { "cuMemAlloc failed: CUDA_ERROR_OUT_OF_MEMORY", NULL },
                { "CUDA driver version is insufficient for CUDA runtime version", NULL },
                { "no CUDA-capable device is detected", NULL },
                { "ruby: No such file or directory -- app.rb (LoadError)", NULL },
                { "PHP Parse error:  syntax error, unexpected end of file in a.php on line 3",
                  NULL },
                { "Fatal error: Uncaught Error: no in a.php:3", NULL },
                { "[2026-01-05 10:00:00 +0000] [7] [ERROR] Worker failed", "Worker failed" },
                { "zsh: llama-server: command not found", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                teardown();
                setup();
                put(LOG_STDERR, cases[i].written);
                put(LOG_STDERR, "good bye");
                assert_words(NULL, cases[i].told ? cases[i].told : cases[i].written);
        }
}
END_TEST

START_TEST(what_says_nothing_is_told_only_where_there_is_nothing_else) {
        static const char *const noise[] = {
                "}",
                "Extension modules: numpy.core (total: 1)",
                "[4242] Failed to execute script 'server' due to unhandled exception!",
                "Node.js v20.20.2",
                "(Use `node --trace-warnings ...` to show where the warning was created)",
                "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
                "note: Some details are omitted, run with `RUST_BACKTRACE=full`",
                "fatal runtime error: stack overflow, aborting",
                "goroutine 1 [running]:",
                "exit status 2",
                "Execution of a.pl aborted due to compilation errors.",
                "thrown in a.php on line 3",
                "7:M 22 Nov 2026 12:57:37.046 # Failed listening on port 6379 (TCP), aborting.",
                "ERROR:    Application startup failed. Exiting.",
                "INFO:     Finished server process [7]",
                "[2026-01-05 10:00:00 +0000] [7] [ERROR] Retrying in 1 second.",
                "2026/11/22 12:57:37 [emerg] 7#7: still could not bind()",
                "Aborted (core dumped)",
        };

        for (size_t i = 0; i < ELEMENTSOF(noise); i++) {
                teardown();
                setup();
                put(LOG_STDERR, noise[i]);
                assert_words(NULL, noise[i]);
                put(LOG_STDOUT, "the model is gone");
                assert_words(NULL, "the model is gone");
        }
}
END_TEST

START_TEST(nothing_written_is_nothing_said) {
        ck_assert_ptr_null(find(NULL));
        put(LOG_SUPERVISOR, "started\n");
        put(LOG_STDERR, "\n  \n\t\n");
        ck_assert_ptr_null(find(NULL));
}
END_TEST

START_TEST(only_this_generation_counts) {
        put_bytes(LOG_STDERR, GENERATION - 1, "panic: of the one before\n", 25);
        ck_assert_ptr_null(find(NULL));
        put(LOG_STDERR, "cannot open the door\n");
        put_bytes(LOG_STDERR, GENERATION + 1, "panic: of the next\n", 19);
        assert_words(NULL, "cannot open the door");
}
END_TEST

START_TEST(stderr_comes_before_stdout_but_a_cause_before_any_line) {
        put(LOG_STDOUT, "panic: on stdout\n");
        put(LOG_STDERR, "some line\n");
        assert_words(NULL, "panic: on stdout");
        put(LOG_STDERR, "panic: on stderr\n");
        put(LOG_STDOUT, "panic: on stdout again\n");
        assert_words(NULL, "panic: on stderr");
}
END_TEST

START_TEST(a_flood_on_one_stream_does_not_push_out_the_other) {
        put(LOG_STDERR, "panic: out of ideas\n");
        for (unsigned i = 0; i < 3 * LAST_WORDS_LINES_MAX; i++)
                put(LOG_STDOUT, "GET /health 200\n");
        assert_words(NULL, "panic: out of ideas");
}
END_TEST

START_TEST(only_the_newest_lines_are_gone_through) {
        put(LOG_STDERR, "panic: lived through, long ago\n");
        for (unsigned i = 1; i < LAST_WORDS_LINES_MAX; i++)
                put(LOG_STDERR, "still here\n");
        assert_words(NULL, "panic: lived through, long ago");
        put(LOG_STDERR, "good bye\n");
        assert_words(NULL, "good bye");
}
END_TEST

START_TEST(secrets_are_blanked_wherever_they_stand) {
        static char *secrets[] = { (char *) "abcd1234",   (char *) "abcd", /* begins like another */
                                   (char *) "1234-5678",  /* overlaps with another */
                                   (char *) "tab\tbed",   /* a tab becomes a space */
                                   (char *) "no\xFFtext", /* becomes U+FFFD */
                                   (char *) "",           NULL };

        put(LOG_STDERR, "bad abcd1234, abcd; abcd1234-5678: tab\tbed no\xFFtext abc\n");
        assert_words(secrets, "bad ***, ***; ***: *** *** abc");

        /* Colours do not hide it, nor does the place where the line is cut. */
        put(LOG_STDERR, "key ab\033[1mcd12\033[0m34!\n");
        assert_words(secrets, "key ***!");
}
END_TEST

START_TEST(a_key_of_several_lines_is_blanked_line_by_line) {
        static char *secrets[] = { (char *) "-----BEGIN KEY-----\r\n  c2VjcmV0\nabc\n", NULL };

        put(LOG_STDERR, "cannot read c2VjcmV0 abc\n");
        assert_words(secrets, "cannot read *** abc");
}
END_TEST

START_TEST(what_is_too_short_to_be_a_secret_stays) {
        static char *secrets[] = { (char *) "1", (char *) "abc", NULL };

        put(LOG_STDERR, "exit 1 of abc\n");
        assert_words(secrets, "exit 1 of abc");
}
END_TEST

START_TEST(the_rest_of_a_split_line_is_never_told) {
        static char *secrets[] = { (char *) "0123456789", NULL };
        char line[LOG_LINE_BYTES_MAX + 6];

        /* The secret lies across the place where the ring splits. */
        memset(line, 'x', sizeof(line));
        memcpy(line + LOG_LINE_BYTES_MAX - 5, "0123456789\n", 11);
        put_bytes(LOG_STDERR, GENERATION, line, sizeof(line));

        char *words = find(secrets);
        ck_assert_ptr_nonnull(words);
        ck_assert_int_eq(words[0], 'x');
        ck_assert_ptr_null(strstr(words, "56789"));
        free(words);
}
END_TEST

START_TEST(a_long_line_is_cut_between_two_characters) {
        _cleanup_free_ char *words = NULL;

        for (unsigned shift = 0; shift < 3; shift++) {
                char line[4 * LAST_WORDS_BYTES_MAX], *to = line;

                to = mempcpy(to, "ab", shift);
                while (to < line + sizeof(line) - 4)
                        to = mempcpy(to, "\u20AC", 3);
                *to++ = '\n';
                put_bytes(LOG_STDERR, GENERATION, line, (size_t) (to - line));

                free(words);
                words = find(NULL);
                ck_assert_uint_le(strlen(words), LAST_WORDS_BYTES_MAX);
                ck_assert_uint_gt(strlen(words), LAST_WORDS_BYTES_MAX - 6);
                ck_assert(utf8_is_valid(words, strlen(words)));
                ck_assert_str_eq(words + strlen(words) - 3, "\u2026");
        }
}
END_TEST

START_TEST(what_drives_a_terminal_is_taken_out) {
        put(LOG_STDERR, "\033]0;title\a\033[31mred\033[0m\033(B \033Mup \a\001\xC2\x9B end\033[\n");
        assert_words(NULL, "red up ??? end");
        put(LOG_STDERR, "text \033]0;a title without an end\n");
        assert_words(NULL, "text");
        put_bytes(LOG_STDERR, GENERATION, "a\0b\033", 4);
        assert_words(NULL, "a\uFFFDb");
}
END_TEST

TEST_MAIN("last words",
          setup,
          teardown,
          real_outputs_say_what_was_wrong,
          other_spellings_of_a_cause_are_known,
          what_says_nothing_is_told_only_where_there_is_nothing_else,
          nothing_written_is_nothing_said,
          only_this_generation_counts,
          stderr_comes_before_stdout_but_a_cause_before_any_line,
          a_flood_on_one_stream_does_not_push_out_the_other,
          only_the_newest_lines_are_gone_through,
          secrets_are_blanked_wherever_they_stand,
          a_key_of_several_lines_is_blanked_line_by_line,
          what_is_too_short_to_be_a_secret_stays,
          the_rest_of_a_split_line_is_never_told,
          a_long_line_is_cut_between_two_characters,
          what_drives_a_terminal_is_taken_out)
