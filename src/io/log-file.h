/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LogFile
 *
 * A sidecar's output on disk: $XDG_STATE_HOME/sidecard/log/APP/NAME.log, bytes as they came,
 * rotated by size to NAME.log.1 and so on. A disk may stall for seconds, so one thread, shared by
 * all files, writes from bounded buffers, and the event loop never waits for it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

#include <systemd/sd-event.h>

typedef struct LogWriter LogWriter; /* the thread */
typedef struct LogFile LogFile;

/* The thread starts with the first file. */
int log_writer_new(LogWriter **ret, sd_event *event);
/*
 * Writes what is buffered, for a second at most, and ends the thread. The files are freed before.
 * Not from within a handler.
 */
LogWriter *log_writer_free(LogWriter *writer);
DEFINE_CLEANUP(LogWriter, log_writer_free);

typedef struct LogFileSpec {
        const char *path; /* its folders are made, 0700 */
        uint64_t max_size_bytes;
        uint32_t max_files; /* the one being written included */
} LogFileSpec;

/* There is room again after log_file_write() filled it or took less than all. */
typedef void (*log_file_room_handler_t)(void *userdata);
/*
 * The file cannot be written (error: positive errno), or can again (0). Said once a change. In
 * between log_file_write() takes all and drops it; the file is tried again each second.
 */
typedef void (*log_file_state_handler_t)(int error, void *userdata);

int log_file_new(LogFile **ret,
                 LogWriter *writer,
                 const LogFileSpec *spec,
                 log_file_room_handler_t on_room,
                 log_file_state_handler_t on_state,
                 void *userdata);
/* What is buffered is still written, later. */
LogFile *log_file_free(LogFile *file);
DEFINE_CLEANUP(LogFile, log_file_free);

/* How many bytes fit right now. log_file_write() has a little more for who cannot wait. */
size_t log_file_room(const LogFile *file);

/* Takes all of the bytes, or what fits; answers how many. What does not fit is the caller's. */
size_t log_file_write(LogFile *file, const char *bytes, size_t n_bytes);

/* Counts bytes that were never handed over because the disk stalled; told in the file later. */
void log_file_note_lost(LogFile *file, size_t n_bytes);
