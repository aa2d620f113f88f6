/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LogFile
 *
 * A sidecar's output on disk: $XDG_STATE_HOME/sidecard/log/APP/NAME.log, bytes as they came,
 * rotated by size to NAME.log.1 and so on. A disk may stall for seconds, so one thread, shared by
 * all files, writes from the sidecar's ring, and the event loop never waits for it. What the ring
 * writes over before it was written is lost for the file, and told there.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "io/log-memory.h"
#include "util/macro.h"

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

typedef struct LogFileHandlers {
        /* There is room again after log_file_room() said that there is none. */
        void (*on_room)(void *userdata);
        /*
         * The file cannot be written (error: positive errno), or can again (0). Said once a change.
         * In between there is always room; the file is tried again each second.
         */
        void (*on_state)(int error, void *userdata);
        /*
         * So many bytes are missing in it since this was said last; where they are, it has lines
         * about them. Said when it has caught up, and while it does not each ten seconds. Or NULL.
         */
        void (*on_lost)(uint64_t n_bytes, void *userdata);
} LogFileHandlers;

/* The handlers are copied. */
int log_file_new(LogFile **ret,
                 LogWriter *writer,
                 const LogFileSpec *spec,
                 const LogFileHandlers *handlers,
                 void *userdata);
/* What was published is still written, later. */
LogFile *log_file_free(LogFile *file);
DEFINE_CLEANUP(LogFile, log_file_free);

/*
 * What is in that memory is written from now on, and first of all what another brain left
 * unwritten when it was killed. Once a LogFile. reserved: as log_file_reserve() was told last.
 */
void log_file_follow(LogFile *file, LogMemory *memory, const LogExtent *extent, uint64_t reserved);

/*
 * How many bytes may be added to the ring right now without loss, even if so many more had to be
 * added at once. None of it is ever lost to a kill.
 */
size_t log_file_room(LogFile *file, size_t n_besides);

/* Up to that position the ring is about to be written: what is a ring before it is gone. */
void log_file_reserve(LogFile *file, uint64_t position);
/* So far it is. */
void log_file_publish(LogFile *file, const LogExtent *extent);

/* Whether the file still lacks something from before that position. */
bool log_file_is_behind(LogFile *file, uint64_t position);
