/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LogWriter, from the inside
 *
 * What log-file.c (the event loop's side) and log-writer.c (the thread) share. Nobody else
 * includes it: log-file.h is the interface of both.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "io/log-file.h"
#include "io/rotated-file.h"

/* A piece a file and turn: small enough to make room early, large enough for write(2). */
#define LOG_PIECE_BYTES (64u * 1024u)

/*
 * The last words of a sidecar cannot wait for room: two full pipes always fit besides, and the
 * copies that the ring makes of lines then.
 */
#define LOG_FILE_RESERVE_BYTES ((128u + 32u) * 1024u)
#define LOG_FILE_ROOM_BYTES (LOG_RING_BYTES - LOG_FILE_RESERVE_BYTES)

typedef enum LogFilePlace {
        LOG_FILE_RESTS,
        LOG_FILE_IS_QUEUED,  /* LogWriter::queue: something is to be written */
        LOG_FILE_IS_AT_WORK, /* the thread has it */
        LOG_FILE_PAUSES,     /* LogWriter::pausing, until due_usec */
} LogFilePlace;

struct LogFile {
        LogWriter *writer;
        RotatedFile *disk; /* the thread's */
        log_file_room_handler_t on_room;
        log_file_state_handler_t on_state;
        void *userdata;

        /* What follows is under LogWriter::lock. */
        LogFilePlace place;
        TAILQ_ENTRY(LogFile) link; /* of the list that place names */
        uint64_t due_usec;
        LogMemory *memory; /* NULL: nothing was written yet */
        LogExtent extent;  /* of its ring */
        uint64_t reserved; /* position: what is a ring before it is gone */
        uint64_t done;     /* raw: what comes next in the file */
        uint64_t taken;    /* raw: all before it is out of the ring, though maybe not done */
        bool is_unsure;    /* done is as noted by a brain that was killed: some more may be */
        int error;         /* of the last write; positive, 0 if there was none */
        int told_error;    /* what on_state said last */
        bool wants_room;   /* somebody was told that there is none */
        bool has_room;     /* news: there is room again */
        bool is_news;      /* in LogWriter::news */
        bool is_released;  /* by log_file_free(): goes when all is written */
        TAILQ_ENTRY(LogFile) news_link;
};

typedef TAILQ_HEAD(LogFileList, LogFile) LogFileList;

struct LogWriter {
        sd_event_source *news_source;
        int news_fd;
        pthread_t thread;
        bool is_started;
        pthread_mutex_t lock; /* nobody holds it while the disk is asked for anything */
        pthread_cond_t work;  /* the thread waits for it */
        pthread_cond_t end;   /* log_writer_free() does */
        LogFileList queue;    /* LogFile::link */
        LogFileList pausing;  /* LogFile::link, the first that is due first */
        LogFileList news;     /* LogFile::news_link */
        bool is_stopping;
        bool has_ended;
        bool is_abandoned;           /* nobody waits for the thread: it frees the writer */
        char piece[LOG_PIECE_BYTES]; /* what is being written, out of whichever ring */
};

int log_writer_start(LogWriter *writer);

/* All of these with the lock held. */

/* There is something to write. A disk that refused is left alone until its pause is over. */
void log_file_call_thread(LogFile *file);
/* Nobody will hear of it any more; the thread frees it when all is written, or cannot be. */
void log_file_release(LogFile *file);
bool log_file_is_written(const LogFile *file);
size_t log_file_get_room(const LogFile *file);
