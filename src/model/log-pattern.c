/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LogPattern
 *
 * PCRE2's own match limit is counted anew at each byte where a match may begin, so it bounds the
 * work of a line only together with the line's length, and badly. Callouts before every item of
 * the pattern are counted over the whole line instead. Between two of them PCRE2 walks the line
 * once at most: hence the bound on its length.
 */

#define PCRE2_CODE_UNIT_WIDTH 8

#include <stdbool.h>
#include <string.h>

#include <pcre2.h>

#include "model/log-pattern.h"
#include "util/format.h"

#define STEPS_MAX 20000u
#define HEAP_KIB_MAX 1024u
#define MESSAGE_MAX 256u

struct LogPattern {
        pcre2_code *code;
        pcre2_match_context *limits;
};

static int on_step(_unused_ pcre2_callout_block *block, void *userdata) {
        unsigned *n_left = userdata;

        /* Any negative number ends the match and is what pcre2_match() answers. */
        return (*n_left)-- > 0 ? 0 : PCRE2_ERROR_MATCHLIMIT;
}

static int limits_new(pcre2_match_context **ret) {
        pcre2_match_context *limits = pcre2_match_context_create(NULL);

        if (!limits)
                return -ENOMEM;

        (void) pcre2_set_match_limit(limits, STEPS_MAX);
        (void) pcre2_set_depth_limit(limits, STEPS_MAX);
        (void) pcre2_set_heap_limit(limits, HEAP_KIB_MAX);
        *ret = limits;
        return 0;
}

/* offset is in bytes, and people count characters. */
static char *say_error(const char *text, int error, size_t offset) {
        char reason[MESSAGE_MAX];
        size_t n = 1;

        for (size_t i = 0; i < offset; i++)
                n += (text[i] & 0xC0) != 0x80;

        (void) pcre2_get_error_message(error, (PCRE2_UCHAR *) reason, sizeof(reason));
        return format_text("%s, at character %zu", reason, n);
}

static int compile(pcre2_code **ret, const char *text, char **ret_message) {
        pcre2_compile_context *rules = pcre2_compile_context_create(NULL);
        pcre2_code *code;
        size_t offset;
        int error;

        if (!rules)
                return -ENOMEM;

        (void) pcre2_set_max_pattern_length(rules, LOG_PATTERN_BYTES_MAX);
        /* A "$" matches before the carriage return that some programs end their lines with. */
        (void) pcre2_set_newline(rules, PCRE2_NEWLINE_ANYCRLF);
        code = pcre2_compile((PCRE2_SPTR) text, PCRE2_ZERO_TERMINATED,
                             PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C |
                                     PCRE2_AUTO_CALLOUT,
                             &error, &offset, rules);
        pcre2_compile_context_free(rules);
        if (code) {
                *ret = code;
                return 0;
        }
        if (error == PCRE2_ERROR_HEAP_FAILED)
                return -ENOMEM;

        return fail_with(ret_message, -EINVAL, say_error(text, error, offset));
}

int log_pattern_new(LogPattern **ret, const char *text, char **ret_message) {
        _cleanup_(log_pattern_freep) LogPattern *pattern = calloc(1, sizeof(*pattern));
        int r;

        if (!pattern)
                return -ENOMEM;

        r = limits_new(&pattern->limits);
        if (r < 0)
                return r;
        r = compile(&pattern->code, text, ret_message);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(pattern);
        return 0;
}

LogPattern *log_pattern_free(LogPattern *pattern) {
        if (!pattern)
                return NULL;

        pcre2_code_free(pattern->code);
        pcre2_match_context_free(pattern->limits);
        free(pattern);
        return NULL;
}

static int match(LogPattern *pattern, const char *text, size_t n_bytes, uint32_t options) {
        /* Of this call, as it grows with the work and is kept by what it belongs to. */
        pcre2_match_data *data = pcre2_match_data_create(1, NULL);
        unsigned n_left = STEPS_MAX;
        int result;

        if (!data)
                return -ENOMEM;

        (void) pcre2_set_callout(pattern->limits, on_step, &n_left);
        result = pcre2_match(pattern->code, (PCRE2_SPTR) text, n_bytes, 0, options, data,
                             pattern->limits);
        pcre2_match_data_free(data);

        switch (result) {
        case PCRE2_ERROR_NOMATCH:
                return 0;
        case PCRE2_ERROR_NOMEMORY:
                return -ENOMEM;
        default:
                /* 0: a match with more groups than there was room to tell of. */
                return result >= 0 ? 1 : -EOVERFLOW;
        }
}

int log_pattern_match(LogPattern *pattern, const char *line, size_t n_bytes) {
        bool is_cut = n_bytes > LOG_PATTERN_LINE_BYTES_MAX;

        return match(pattern, line, is_cut ? LOG_PATTERN_LINE_BYTES_MAX : n_bytes,
                     is_cut ? PCRE2_NOTEOL : 0);
}

int log_pattern_match_whole(LogPattern *pattern, const char *text, size_t n_bytes) {
        return n_bytes > LOG_PATTERN_LINE_BYTES_MAX
                       ? -EOVERFLOW
                       : match(pattern, text, n_bytes, PCRE2_ANCHORED | PCRE2_ENDANCHORED);
}
