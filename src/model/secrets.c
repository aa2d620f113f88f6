/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Secrets
 *
 * A state is how much of which secrets the last bytes could be the beginning of. Where it cannot
 * go on with the next byte it falls back to the longest shorter beginning, and so no byte is ever
 * looked at again. (Aho, Corasick: Efficient string matching, CACM 18, 1975.)
 */

#include <stdint.h>
#include <string.h>

#include "model/secrets.h"

#define BLANK "***"
#define ROOT 0u
#define LINES_MAX (SECRETS_BYTES_MAX / SECRET_BYTES_MIN)

typedef struct State {
        uint32_t from; /* the state before its last byte */
        uint8_t byte;
        uint32_t fallback;
        uint32_t n_bytes;  /* that lead here from the root */
        uint32_t n_secret; /* of the longest secret that ends here; 0: none does */
} State;

typedef struct Edge {
        uint32_t key; /* state and byte, plus one; 0: the place is free */
        uint32_t to;
} Edge;

struct Secrets {
        State *states; /* the shorter their way from the root, the lower their number */
        size_t n_states;
        Edge *edges; /* open addressing; at most half of the places are taken */
        size_t n_places;
};

/* One secret, while the states are made. */
typedef struct Line {
        const char *bytes;
        size_t n_bytes;
        uint32_t state; /* to which its bytes so far lead */
} Line;

typedef struct Lines {
        Line all[LINES_MAX];
        size_t n;
        size_t n_bytes;
} Lines;

static Edge *find_place(const Secrets *secrets, uint32_t state, uint8_t byte) {
        uint32_t key = (state << 8 | byte) + 1;
        /* Knuth's multiplication, of which the upper bits are the ones that depend on all. */
        size_t at = (key * 2654435761u) >> 16 & (secrets->n_places - 1);

        while (secrets->edges[at].key != 0 && secrets->edges[at].key != key)
                at = (at + 1) & (secrets->n_places - 1);

        return &secrets->edges[at];
}

static uint32_t add_state(Secrets *secrets, uint32_t from, uint8_t byte) {
        Edge *edge = find_place(secrets, from, byte);

        if (edge->key == 0) {
                edge->key = (from << 8 | byte) + 1;
                edge->to = (uint32_t) secrets->n_states;
                secrets->states[secrets->n_states++] = (State){
                        .from = from,
                        .byte = byte,
                        .n_bytes = secrets->states[from].n_bytes + 1,
                };
        }

        return edge->to;
}

static uint32_t next_state(const Secrets *secrets, uint32_t state, uint8_t byte) {
        for (;;) {
                const Edge *edge = find_place(secrets, state, byte);

                if (edge->key != 0)
                        return edge->to;
                if (state == ROOT)
                        return ROOT;
                state = secrets->states[state].fallback;
        }
}

/* A key in PEM, say, is written line by line. */
static int add_lines(Lines *lines, const char *text) {
        static const char blank[] = " \t\r\n";

        while (*(text += strspn(text, blank))) {
                size_t n_line = strcspn(text, "\r\n"), n = n_line;

                while (n > 0 && strchr(blank, text[n - 1]))
                        n--;
                if (n >= SECRET_BYTES_MIN) {
                        lines->n_bytes += n;
                        if (lines->n_bytes > SECRETS_BYTES_MAX)
                                return -E2BIG;
                        lines->all[lines->n++] = (Line){ .bytes = text, .n_bytes = n };
                }
                text += n_line;
        }

        return 0;
}

/* All first bytes, then all second ones: so the numbers of states rise with their bytes. */
static void add_states(Secrets *secrets, Lines *lines) {
        size_t n_left = lines->n;

        for (size_t i = 0; n_left > 0; i++) {
                n_left = 0;
                for (size_t k = 0; k < lines->n; k++) {
                        Line *line = &lines->all[k];

                        if (i >= line->n_bytes)
                                continue;
                        n_left++;
                        line->state = add_state(secrets, line->state, (uint8_t) line->bytes[i]);
                        if (i + 1 == line->n_bytes)
                                secrets->states[line->state].n_secret = (uint32_t) line->n_bytes;
                }
        }
}

/* Each goes by those with fewer bytes, which have a lower number. */
static void set_fallbacks(const Secrets *secrets) {
        for (size_t i = 1; i < secrets->n_states; i++) {
                State *state = &secrets->states[i];

                if (state->from != ROOT)
                        state->fallback = next_state(secrets, secrets->states[state->from].fallback,
                                                     state->byte);
                if (state->n_secret == 0)
                        state->n_secret = secrets->states[state->fallback].n_secret;
        }
}

int secrets_new(Secrets **ret, char *const *texts) {
        _cleanup_(secrets_freep) Secrets *secrets = calloc(1, sizeof(*secrets));
        _cleanup_free_ Lines *lines = calloc(1, sizeof(*lines));
        int r = 0;

        if (!secrets || !lines)
                return -ENOMEM;
        for (; r >= 0 && texts && *texts; texts++)
                r = add_lines(lines, *texts);
        if (r < 0)
                return r;

        secrets->n_places = 2;
        while (secrets->n_places < 2 * (lines->n_bytes + 1))
                secrets->n_places *= 2;
        secrets->edges = calloc(secrets->n_places, sizeof(Edge));
        secrets->states = calloc(lines->n_bytes + 1, sizeof(State));
        if (!secrets->edges || !secrets->states)
                return -ENOMEM;

        secrets->n_states = 1;
        add_states(secrets, lines);
        set_fallbacks(secrets);
        *ret = TAKE_PTR(secrets);
        return 0;
}

Secrets *secrets_free(Secrets *secrets) {
        if (!secrets)
                return NULL;

        free(secrets->states);
        free(secrets->edges);
        free(secrets);
        return NULL;
}

/*
 * How far back from each byte a secret reaches that ends with it; what is longest is enough, since
 * the shorter ones that end there lie in it. Answers the bytes at the end that begin one.
 */
static size_t find_ends(const Secrets *secrets, const char *bytes, size_t n, uint32_t *n_back) {
        uint32_t state = ROOT;

        for (size_t i = 0; i < n; i++) {
                state = next_state(secrets, state, (uint8_t) bytes[i]);
                n_back[i] = secrets->states[state].n_secret;
        }

        return secrets->states[state].n_bytes;
}

int secrets_blank(const Secrets *secrets, char *bytes, size_t *n_bytes, bool is_cut) {
        size_t n_begun, n_blank, from = *n_bytes, to = *n_bytes;
        _cleanup_free_ uint32_t *n_back = NULL;

        if (secrets->n_states == 1 || *n_bytes == 0)
                return 0;
        n_back = calloc(*n_bytes, sizeof(uint32_t));
        if (!n_back)
                return -ENOMEM;
        n_begun = find_ends(secrets, bytes, *n_bytes, n_back);
        if (is_cut && n_begun > n_back[*n_bytes - 1])
                n_back[*n_bytes - 1] = (uint32_t) n_begun;

        /* From the end, where overlapping ones are a single stretch that reaches ever further. */
        while (from > 0) {
                size_t end = from, n_covered = n_back[from - 1];

                if (n_covered == 0) {
                        bytes[--to] = bytes[--from];
                        continue;
                }
                while (end - from < n_covered) {
                        from--;
                        if (from > 0 && n_back[from - 1] > 0 &&
                            end - from + n_back[from - 1] > n_covered)
                                n_covered = end - from + n_back[from - 1];
                }
                /* Of the beginning of one there may be less. */
                n_blank = strlen(BLANK) < end - from ? strlen(BLANK) : end - from;
                to -= n_blank;
                memcpy(bytes + to, BLANK, n_blank);
        }

        *n_bytes -= to;
        memmove(bytes, bytes + to, *n_bytes);
        return 0;
}
