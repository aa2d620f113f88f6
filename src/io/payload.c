/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Payload
 *
 * Laid out in one buffer, written by one write(2).
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "init/wire.h"
#include "io/payload.h"
#include "util/strv.h"

#define SCORE_MAX 16
/* Only the child knows its pid: it writes it over the noughts, and so allocates nothing. */
#define LISTEN_PID_NAME "LISTEN_PID="
#define LISTEN_PID LISTEN_PID_NAME "0000000000"
_Static_assert(sizeof(LISTEN_PID) == sizeof(LISTEN_PID_NAME) + WIRE_PID_MAX, "a pid has no room");

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

typedef struct Layout {
        char *base;
        uint64_t vectors; /* where the next vector goes */
        uint64_t strings; /* where the next string goes */
} Layout;

static size_t strings_size(char *const *strv) {
        size_t size = 0;

        STRV_FOREACH (string, strv)
                size += strlen(*string) + 1;

        return size;
}

static uint64_t put_string(Layout *layout, const char *string) {
        uint64_t at = layout->strings;

        layout->strings += (uint64_t) (stpcpy(layout->base + at, string) - layout->base - at) + 1;
        return at;
}

/* The buffer is zeroed, so the 0 behind the last offset is there. also: one more; or NULL. */
static uint64_t put_vector(Layout *layout, char *const *strv, const char *also) {
        uint64_t at = layout->vectors;
        uint64_t *entry = (uint64_t *) (void *) (layout->base + at);

        STRV_FOREACH (string, strv)
                *entry++ = put_string(layout, *string);
        if (also)
                *entry++ = put_string(layout, also);

        layout->vectors = (uint64_t) ((char *) (entry + 1) - layout->base);
        return at;
}

static int write_sealed(const char *data, size_t size, int *ret_fd) {
        _cleanup_close_ int fd = memfd_create("spawn", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = write(fd, data, size);
        if (n < 0)
                return -errno;
        if ((size_t) n != size)
                return -ENOSPC;
        if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int64_t value_of(const Limits *limits, Limit limit, int64_t otherwise) {
        return limits_ask(limits, limit) ? limits->values[limit] : otherwise;
}

/* As the kernel reads it; "": nothing is asked. */
static void format_score(char ret[static SCORE_MAX], const Limits *limits) {
        ret[0] = '\0';
        if (limits_ask(limits, LIMIT_OOM_SCORE_ADJUST))
                (void) snprintf(ret, SCORE_MAX, "%" PRId64, limits->values[LIMIT_OOM_SCORE_ADJUST]);
}

int payload_new(const SpawnSpec *spec, int *ret_fd) {
        uint64_t vectors = sizeof(WirePayload);
        uint64_t strings = vectors + (strv_length(spec->argv) + strv_length(spec->envp) + 3) *
                                             sizeof(uint64_t);
        size_t size = strings + strlen(spec->path) + 1 + strlen(spec->working_directory) + 1 +
                      SCORE_MAX + strings_size(spec->argv) + strings_size(spec->envp) +
                      sizeof(LISTEN_PID);
        _cleanup_free_ char *buffer = calloc(1, size);
        Layout layout = { .base = buffer, .vectors = vectors, .strings = strings };
        WirePayload *payload = (WirePayload *) (void *) buffer;
        char score[SCORE_MAX];

        if (!buffer)
                return -ENOMEM;
        payload->path = put_string(&layout, spec->path);
        payload->working_directory = put_string(&layout, spec->working_directory);
        format_score(score, &spec->limits);
        if (score[0] != '\0')
                payload->oom_score_adj = put_string(&layout, score);
        payload->open_files = (uint64_t) value_of(&spec->limits, LIMIT_OPEN_FILES, 0);
        payload->nice = value_of(&spec->limits, LIMIT_NICE, WIRE_NICE_NONE);
        payload->argv = put_vector(&layout, spec->argv, NULL);
        payload->envp = put_vector(&layout, spec->envp, spec->hands_sockets ? LISTEN_PID : NULL);
        if (spec->hands_sockets)
                payload->listen_pid = layout.strings - WIRE_PID_MAX - 1;
        return write_sealed(buffer, size, ret_fd);
}
