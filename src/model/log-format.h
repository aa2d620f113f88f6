/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LogFormat
 *
 * How OpenLog writes a line: "raw" as it came, byte for byte; "short" for people, as sidecarctl
 * prints it, on one line that drives no terminal; "json" as one object a line, valid UTF-8 and as
 * harmless. And how each says that lines are missing. Allocates nothing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/log-ring.h"

typedef enum LogFormat {
        LOG_FORMAT_RAW,
        LOG_FORMAT_SHORT,
        LOG_FORMAT_JSON,
        _LOG_FORMAT_MAX,
        _LOG_FORMAT_INVALID = -EINVAL,
} LogFormat;

LogFormat log_format_from_string(const char *text);

/* Whose line it is. Names are those of a valid manifest: nothing in them needs an escape. */
typedef struct LogAuthor {
        const char *app, *sidecar;
} LogAuthor;

/* Each byte may become "\u0001", and the rest is bounded by the lengths of the names. */
#define LOG_FORMAT_BYTES_MAX (6u * LOG_LINE_BYTES_MAX + 1024u)

#define LOG_FORMAT_LOST_BYTES_MAX 1024u

/* Behind a piece that goes on in the next line, where text is shown (contract G2). */
#define LOG_SPLIT_MARK "\u2026"

/*
 * Both answer how many bytes they wrote, with the end of the line. A raw line ends as it came: one
 * that was split, or that its stream did not end, has no newline.
 */
size_t log_format_line(char to[static LOG_FORMAT_BYTES_MAX],
                       LogFormat format,
                       const LogAuthor *author,
                       const LogLine *line);
/*
 * How many bytes from line->bytes on are in the ring just as log_format_line() would write them in
 * raw; 0: they are not all there.
 */
size_t log_format_raw_in_place(const LogLine *line);
/*
 * "[sidecard: 3 lines lost]", or {"app":...,"sidecar":...,"lost":3}. In short no line of a sidecar
 * begins so, each has its time in front; in raw it could, as in the file, but begins a line of its
 * own even where is_at_line_start is false.
 */
size_t log_format_lost(char to[static LOG_FORMAT_LOST_BYTES_MAX],
                       LogFormat format,
                       const LogAuthor *author,
                       uint64_t n_lost,
                       bool is_at_line_start);
