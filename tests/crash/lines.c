/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lines
 *
 * Streams are numbered 0 (stdout) and 1 (stderr). A reader of a ring that is slower than a flood
 * loses lines and is told how many: behind such a gap the numbers may jump, and only there.
 */

#include <check.h>
#include <string.h>

#include "flaws.h"
#include "lines.h"
#include "log-lines.h"

#define FILES_MAX 100 /* the manifest's maxFiles */

typedef struct Follower {
        uint64_t after;
        struct {
                uint64_t generation;
                uint64_t number;
                bool is_behind_gap;
        } streams[2];
} Follower;

LineFigures line_figures;

static Follower followers[N_SIDECARS];

/* A line as it came, without its newline; false where it is none that a numberer has written. */
static bool
parse_line(const char *text, size_t *ret_stream, uint64_t *ret_generation, uint64_t *ret_number) {
        char wanted[NUMBERED_LINE_MAX], letter;
        uint64_t generation, number;
        size_t size;

        if (sscanf(text, "%c %" SCNu64 " %" SCNu64, &letter, &generation, &number) != 3 ||
            (letter != 'o' && letter != 'e'))
                return false;

        size = numbered_line_make(wanted, letter, generation, number);
        if (strlen(text) != size - 1 || memcmp(text, wanted, size - 1) != 0)
                return false;

        *ret_stream = letter == 'e';
        *ret_generation = generation;
        *ret_number = number;
        return true;
}

static void check_in_ring(const char *name, Follower *follower, const LogLine *line) {
        size_t stream = streq(line->stream, "stderr"), said;
        uint64_t generation, number, wanted = 1;
        bool is_behind_gap = TAKE(follower->streams[stream].is_behind_gap, false);

        if (!parse_line(line->text, &said, &generation, &number)) {
                flaw(FLAW_LINE_DISORDER, "%s: GetLog has line %" PRIu64 ": %.120s", name, line->seq,
                     line->text);
                return;
        }
        if (said != stream || generation != line->generation)
                flaw(FLAW_LINE_DISORDER, "%s: GetLog has %.40s as %s of %" PRIu64, name, line->text,
                     line->stream, line->generation);

        if (generation == follower->streams[stream].generation)
                wanted = follower->streams[stream].number + 1;
        if (number > wanted && !is_behind_gap)
                flaw(FLAW_LINE_MISSING, "%s: GetLog goes from %" PRIu64 " to %.40s", name,
                     wanted - 1, line->text);
        if (number < wanted)
                flaw(FLAW_LINE_DISORDER, "%s: GetLog has %.40s after %" PRIu64, name, line->text,
                     wanted - 1);
        follower->streams[stream].generation = generation;
        follower->streams[stream].number = number;
}

static void follow_page(const char *name, Follower *follower, const LogPage *page) {
        uint64_t next = follower->after + 1 + page->lost;

        if (page->lost > 0)
                follower->streams[0].is_behind_gap = follower->streams[1].is_behind_gap = true;
        line_figures.n_overwritten += page->lost;

        for (size_t i = 0; i < page->n_lines; i++, next++) {
                const LogLine *line = &page->lines[i];

                if (line->seq != next && (i > 0 || follower->after > 0))
                        flaw(FLAW_LINE_DISORDER,
                             "%s: GetLog numbers a line %" PRIu64 ", which should be %" PRIu64,
                             name, line->seq, next);
                next = line->seq;
                if (!streq(line->stream, "supervisor"))
                        check_in_ring(name, follower, line);
        }
        line_figures.n_followed += page->n_lines;
        follower->after = page->next;
}

static void follow(World *w, const char *name, Follower *follower) {
        size_t n;

        do {
                _cleanup_(log_page_clear) LogPage page = log_query(
                        w, name, (LogQuery){ .has_after = true, .after = follower->after });

                follow_page(name, follower, &page);
                n = page.n_lines;
        } while (n > 0);
}

void lines_follow(World *w) {
        for (size_t i = 0; i < N_SIDECARS; i++)
                follow(w, sidecars[i].name, &followers[i]);
}

/* Lines that are still in a pipe are waited for. */
static bool is_at_the_end(const Lives *lives, const Follower *follower) {
        const Life *last = lives->n_lives > 0 ? &lives->lives[lives->n_lives - 1] : NULL;

        for (size_t stream = 0; last && stream < 2; stream++)
                if (last->n_lines[stream] > 0 &&
                    (follower->streams[stream].generation != last->generation ||
                     follower->streams[stream].number < last->n_lines[stream]) &&
                    !follower->streams[stream].is_behind_gap)
                        return false;

        return true;
}

void lines_check_rings(World *w) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE / 4;

        for (size_t i = 0; i < N_SIDECARS; i++) {
                /* What an earlier call may have missed must be there in one piece, too. */
                Follower whole = { .streams = { { .is_behind_gap = true },
                                                { .is_behind_gap = true } } };

                do {
                        follow(w, sidecars[i].name, &followers[i]);
                        follow(w, sidecars[i].name, &whole);
                } while (!is_at_the_end(&sidecars[i], &whole) && clock_monotonic_usec() < deadline);
                if (!is_at_the_end(&sidecars[i], &whole))
                        flaw(FLAW_LINE_MISSING, "%s: GetLog ends before the last line",
                             sidecars[i].name);
        }
}

static void check_in_file(Lives *lives, const char *path, size_t n_line, const char *text) {
        uint64_t generation, number;
        size_t stream;
        Life *life;

        if (!parse_line(text, &stream, &generation, &number) ||
            !(life = lives_find(lives, generation))) {
                flaw(FLAW_LINE_DISORDER, "%s:%zu: %.120s", path, n_line, text);
                return;
        }

        if (number <= life->n_found[stream]) {
                flaw(FLAW_LINE_DISORDER, "%s:%zu: %.40s after %" PRIu64, path, n_line, text,
                     life->n_found[stream]);
                return;
        }
        if (number > life->n_found[stream] + 1)
                flaw(FLAW_LINE_MISSING, "%s:%zu: %.40s after %" PRIu64, path, n_line, text,
                     life->n_found[stream]);
        life->n_found[stream] = number;
}

static void read_file(Lives *lives, const char *path) {
        _cleanup_free_ char *line = NULL;
        FILE *file = fopen(path, "re");
        size_t n_allocated = 0, n_line = 0;
        ssize_t n;

        while (file && (n = getline(&line, &n_allocated, file)) > 0) {
                line_figures.n_bytes_in_files += (uint64_t) n;
                line_figures.n_in_files++;
                line[strcspn(line, "\n")] = '\0';
                check_in_file(lives, path, ++n_line, line);
        }
        if (file)
                (void) fclose(file);
}

/* NAME.log.N ... NAME.log.1, NAME.log */
static void read_rotated(Lives *lives, const World *w) {
        for (int n = FILES_MAX; n >= 0; n--) {
                _cleanup_free_ char *path = NULL;
                char rotation[8] = "";

                if (n > 0)
                        (void) snprintf(rotation, sizeof(rotation), ".%d", n);
                ck_assert_int_ge(asprintf(&path, "%s/state/sidecard/log/" WORLD_APP "/%s.log%s",
                                          w->dir, lives->name, rotation),
                                 0);
                read_file(lives, path);
        }
}

static void check_last_line(const Lives *lives, const Life *life, size_t stream) {
        if (life->n_found[stream] != life->n_lines[stream])
                flaw(FLAW_LINE_MISSING,
                     "%s: generation %" PRIu64 " wrote %" PRIu64 " lines to %s, and the last in "
                     "the file is %" PRIu64,
                     lives->name, life->generation, life->n_lines[stream],
                     stream == 0 ? "stdout" : "stderr", life->n_found[stream]);
}

void lines_check_files(const World *w) {
        for (size_t i = 0; i < N_SIDECARS; i++) {
                Lives *lives = &sidecars[i];

                read_rotated(lives, w);
                for (size_t k = 0; k < lives->n_lives; k++)
                        for (size_t stream = 0; lives->lives[k].is_counted && stream < 2; stream++)
                                check_last_line(lives, &lives->lives[k], stream);
        }
}
