/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LogOptions
 *
 * Who names no place to go on from, no time and no number gets the newest hundred lines.
 */

#include <string.h>

#include "bus/log-options.h"

#define LINES_DEFAULT 100
#define OPTIONS_MORE_MAX 2u

int log_options_read(sd_bus_message *call,
                     const Option *more,
                     size_t n_more,
                     LogQuery *ret,
                     sd_bus_error *ret_error) {
        LogQuery query = { .n_newest = UINT32_MAX, .stream = _LOG_STREAM_INVALID };
        bool has_after = false, has_since = false, has_lines = false;
        const char *stream = NULL;
        Option options[5 + OPTIONS_MORE_MAX] = {
                { "after", "t", &query.after, &has_after },
                { "since-usec", "t", &query.since_usec, &has_since },
                { "lines", "u", &query.n_newest, &has_lines },
                { "stream", "s", &stream, NULL },
                { "generation", "t", &query.generation, NULL },
        };
        int r;

        memcpy(options + 5, more, n_more * sizeof(*more));
        r = options_read(call, options, 5 + n_more, ret_error);
        if (r < 0)
                return r;

        if (stream)
                query.stream = log_stream_from_string(stream);
        if (stream && query.stream == _LOG_STREAM_INVALID)
                return sd_bus_error_setf(
                        ret_error, SD_BUS_ERROR_INVALID_ARGS,
                        "Option stream must be stdout, stderr or supervisor, not %s", stream);

        if (!has_after && !has_since && !has_lines)
                query.n_newest = LINES_DEFAULT;
        *ret = query;
        return 0;
}
