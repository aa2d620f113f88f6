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
        uint64_t n_lost; /* since the first call */
        struct {
                uint64_t generation;
                uint64_t number;
                bool is_behind_gap;
        } streams[2];
} Follower;

LineFigures line_figures;

static Follower followers[N_SIDECARS];

static void check_in_ring(const char *name, Follower *follower, const LogLine *line) {
        int stream = streq(line->stream, "stderr"), said;
        uint64_t generation, number, wanted = 1;
        bool is_behind_gap = TAKE(follower->streams[stream].is_behind_gap, false);

        if (!numbered_line_parse(line->text, &said, &generation, &number)) {
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
        if (follower->after > 0)
                follower->n_lost += page->lost;

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

static void check_lost(const Lives *lives, uint64_t n_lost) {
        uint64_t n_written = 0;

        for (size_t i = 0; i < lives->n_lives; i++)
                n_written += lives->lives[i].n_lines[0] + lives->lives[i].n_lines[1];
        line_figures.n_overwritten += n_lost;
        if (n_lost > n_written)
                flaw(FLAW_LINE_INVENTED,
                     "%s: GetLog told of %" PRIu64 " lost lines, and it wrote %" PRIu64 " in all",
                     lives->name, n_lost, n_written);
}

void lines_check_rings(World *w) {
        for (size_t i = 0; i < N_SIDECARS; i++) {
                uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;
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
                check_lost(&sidecars[i], followers[i].n_lost);
        }
}

static void check_in_file(Lives *lives, const char *path, const char *text) {
        uint64_t generation, number;
        Life *life;
        int stream;

        if (!numbered_line_parse(text, &stream, &generation, &number) ||
            !(life = lives_find(lives, generation))) {
                flaw(FLAW_LINE_DISORDER, "%s: %.120s", path, text);
                return;
        }

        if (number <= life->n_found[stream]) {
                flaw(FLAW_LINE_DISORDER, "%s: %.40s after %" PRIu64, path, text,
                     life->n_found[stream]);
                return;
        }
        if (number > life->n_found[stream] + 1)
                flaw(FLAW_LINE_MISSING, "%s: %.40s after %" PRIu64, path, text,
                     life->n_found[stream]);
        life->n_found[stream] = number;
}

/* Bytes as they came: a line of one stream may stand in the middle of one of the other. */
typedef struct Unmixed {
        struct {
                char text[2 * NUMBERED_LINE_MAX];
                size_t size;
        } streams[2];
        bool has_newline; /* that belongs to the one or to the other: whichever goes on first */
} Unmixed;

static bool is_at_mark(const Unmixed *unmixed, int stream) {
        size_t size = unmixed->streams[stream].size;

        return size > 0 && unmixed->streams[stream].text[size - 1] == NUMBERED_MARKS[stream];
}

static void end_line(Lives *lives, const char *path, Unmixed *unmixed, int stream) {
        unmixed->streams[stream].text[unmixed->streams[stream].size] = '\0';
        unmixed->streams[stream].size = 0;
        line_figures.n_in_files++;
        line_figures.n_mixed += unmixed->streams[1 - stream].size > 0;
        check_in_file(lives, path, unmixed->streams[stream].text);
}

/* A newline belongs to the stream that has come to its mark. */
static void take_newline(Lives *lives, const char *path, Unmixed *unmixed) {
        bool is_first = is_at_mark(unmixed, 0), is_second = is_at_mark(unmixed, 1);

        if (is_first && is_second && !unmixed->has_newline) {
                unmixed->has_newline = true;
                return;
        }

        if (is_first || !is_second)
                end_line(lives, path, unmixed, 0);
        if (is_second)
                end_line(lives, path, unmixed, 1);
        unmixed->has_newline = false;
}

static void take_byte(Lives *lives, const char *path, Unmixed *unmixed, char byte) {
        int stream = numbered_stream(byte);
        size_t *size;

        if (stream < 0) {
                take_newline(lives, path, unmixed);
                return;
        }

        if (TAKE(unmixed->has_newline, false))
                end_line(lives, path, unmixed, stream);
        size = &unmixed->streams[stream].size;
        if (*size == sizeof(unmixed->streams[stream].text) - 1)
                end_line(lives, path, unmixed, stream);
        unmixed->streams[stream].text[(*size)++] = byte;
}

static void read_file(Lives *lives, Unmixed *unmixed, const char *path) {
        FILE *file = fopen(path, "re");
        int byte;

        while (file && (byte = getc_unlocked(file)) != EOF) {
                line_figures.n_bytes_in_files++;
                take_byte(lives, path, unmixed, (char) byte);
        }
        if (file)
                (void) fclose(file);
}

/* NAME.log.N ... NAME.log.1, NAME.log */
static void read_rotated(Lives *lives, const World *w) {
        static Unmixed unmixed;

        unmixed = (Unmixed){ 0 };
        for (int n = FILES_MAX; n >= 0; n--) {
                _cleanup_free_ char *path = NULL;
                char rotation[8] = "";

                if (n > 0)
                        (void) snprintf(rotation, sizeof(rotation), ".%d", n);
                ck_assert_int_ge(asprintf(&path, "%s/state/sidecard/log/" WORLD_APP "/%s.log%s",
                                          w->dir, lives->name, rotation),
                                 0);
                read_file(lives, &unmixed, path);
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
