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
#include "model/log-ring.h"

/* A piece a file and turn: small enough to make room early, large enough for write(2). */
#define LOG_PIECE_BYTES (128u * 1024u)

/* What the ring may copy of lines meanwhile, for each of two pipes. */
#define LOG_FILE_ROOM_BYTES (LOG_STORE_RING_BYTES - 2 * LOG_RING_COPY_BYTES_MAX)

typedef enum LogFilePlace {
        LOG_FILE_RESTS,
        LOG_FILE_IS_QUEUED,  /* LogWriter::queue: something is to be written */
        LOG_FILE_IS_AT_WORK, /* the thread has it */
        LOG_FILE_GATHERS,    /* LogWriter::gathering, until due_usec or more has come together */
        LOG_FILE_PAUSES,     /* LogWriter::pausing, until due_usec */
} LogFilePlace;

struct LogFile {
        LogWriter *writer;
        RotatedFile *disk; /* the thread's */
        LogFileHandlers handlers;
        void *userdata;

        /* What follows is under LogWriter::lock. */
        LogFilePlace place;
        TAILQ_ENTRY(LogFile) link; /* of the list that place names */
        uint64_t due_usec;
        LogMemory *memory; /* NULL: nothing was written yet */
        LogExtent extent;  /* of its ring */
        uint64_t reserved; /* position: what is a ring before it is gone */
        uint64_t done;     /* raw: what comes next in the file */
        size_t n_besides;  /* bytes for which there has to be room at any time */
        bool is_copying;   /* the thread reads the ring from done on */
        bool is_unsure;    /* done is as noted by a brain that was killed: some more may be */
        int error;         /* of the last write; positive, 0 if there was none */
        int told_error;    /* what on_state said last */
        bool wants_room;   /* somebody was told that there is none */
        bool has_room;     /* news: there is room again */
        uint64_t n_lost;   /* bytes, not told yet */
        uint64_t told_lost_usec;
        bool has_lost;    /* news: n_lost is to be told */
        bool is_news;     /* in LogWriter::news */
        bool is_released; /* by log_file_free(): goes when all is written */
        TAILQ_ENTRY(LogFile) news_link;
};

typedef TAILQ_HEAD(LogFileList, LogFile) LogFileList;

struct LogWriter {
        sd_event_source *news_source;
        int news_fd;
        pthread_t thread;
        bool is_started;
        pthread_mutex_t lock;  /* nobody holds it while the disk is asked for anything */
        pthread_cond_t work;   /* the thread waits for it */
        pthread_cond_t end;    /* log_writer_free() does */
        pthread_cond_t copied; /* log_file_reserve() does */
        LogFileList queue;     /* LogFile::link */
        LogFileList gathering; /* LogFile::link, the first that is due first */
        LogFileList pausing;   /* likewise */
        LogFileList news;      /* LogFile::news_link */
        bool is_stopping;
        bool has_ended;
        bool is_abandoned;           /* nobody waits for the thread: it frees the writer */
        char piece[LOG_PIECE_BYTES]; /* what is being written, out of whichever ring */
};

int log_writer_start(LogWriter *writer);

/* All of these with the lock held. */

/*
 * There is something to write: at once if it is much, soon if it is little. A disk that refused is
 * left alone until its pause is over.
 */
void log_file_call_thread(LogFile *file);
/* Nobody will hear of it any more; the thread frees it when all is written, or cannot be. */
void log_file_release(LogFile *file);
bool log_file_is_written(const LogFile *file);
size_t log_file_get_room(const LogFile *file);
/* The oldest byte, raw, that is in the ring still when it is written up to that position. */
uint64_t log_file_get_oldest(const LogFile *file, uint64_t position);
