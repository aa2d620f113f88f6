/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LogFile
 *
 * The event loop's side of a file: it adds to a buffer from which the thread takes (log-writer.c).
 *
 * Bytes are lost in two ways: the disk refuses them (then all of it is dropped until the disk
 * takes something again), or it stalls and the caller could not wait (log_file_note_lost()). Either
 * way the place where they are missing gets a line. To keep that place, nothing is taken after a
 * loss until the line is written.
 */

#include <string.h>

#include "io/log-writer.h"
#include "util/pages.h"

int log_file_new(LogFile **ret,
                 LogWriter *writer,
                 const LogFileSpec *spec,
                 log_file_room_handler_t on_room,
                 log_file_state_handler_t on_state,
                 void *userdata) {
        _cleanup_(rotated_file_freep) RotatedFile *disk = NULL;
        LogFile *file;
        int r;

        r = rotated_file_new(&disk, spec->path, spec->max_size_bytes, spec->max_files);
        if (r < 0)
                return r;

        r = log_writer_start(writer);
        if (r < 0)
                return r;

        file = calloc(1, sizeof(*file));
        if (!file)
                return -ENOMEM;

        file->writer = writer;
        file->disk = TAKE_PTR(disk);
        file->on_room = on_room;
        file->on_state = on_state;
        file->userdata = userdata;
        *ret = file;
        return 0;
}

LogFile *log_file_free(LogFile *file) {
        LogWriter *writer;

        if (!file)
                return NULL;

        writer = file->writer;
        (void) pthread_mutex_lock(&writer->lock);
        log_file_release(file);
        (void) pthread_mutex_unlock(&writer->lock);
        return NULL;
}

size_t log_file_room(const LogFile *file) {
        size_t room;

        (void) pthread_mutex_lock(&file->writer->lock);
        room = log_file_get_room(file);
        (void) pthread_mutex_unlock(&file->writer->lock);
        return room;
}

/* Answers how many fit. */
static size_t file_append(LogFile *file, const char *bytes, size_t n_bytes) {
        size_t end, n_first;

        if (file->used == 0)
                file->start = 0;
        if (n_bytes > LOG_FILE_BUFFER_BYTES - file->used)
                n_bytes = LOG_FILE_BUFFER_BYTES - file->used;

        end = (file->start + file->used) % LOG_FILE_BUFFER_BYTES;
        n_first = n_bytes <= LOG_FILE_BUFFER_BYTES - end ? n_bytes : LOG_FILE_BUFFER_BYTES - end;
        memcpy(file->buffer + end, bytes, n_first);
        memcpy(file->buffer, bytes + n_first, n_bytes - n_first);
        file->used += n_bytes;
        return n_bytes;
}

static bool file_ensure_buffer(LogFile *file) {
        if (!file->buffer)
                file->buffer = pages_map(LOG_FILE_BUFFER_BYTES);

        return file->buffer;
}

size_t log_file_write(LogFile *file, const char *bytes, size_t n_bytes) {
        size_t n = n_bytes;

        (void) pthread_mutex_lock(&file->writer->lock);
        if (file->error != 0 || !file_ensure_buffer(file))
                file->n_lost += n_bytes;
        else if (file->n_lost > 0)
                n = 0;
        else
                n = file_append(file, bytes, n_bytes);

        if (n < n_bytes || log_file_get_room(file) == 0)
                file->wants_room = true;
        if (!log_file_is_written(file))
                log_file_call_thread(file);
        (void) pthread_mutex_unlock(&file->writer->lock);
        return n;
}

void log_file_note_lost(LogFile *file, size_t n_bytes) {
        (void) pthread_mutex_lock(&file->writer->lock);
        file->n_lost += n_bytes;
        file->wants_room = true;
        if (!log_file_is_written(file))
                log_file_call_thread(file);
        (void) pthread_mutex_unlock(&file->writer->lock);
}
