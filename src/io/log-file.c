/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LogFile
 *
 * The event loop's side of a file: it says how far the ring is filled, and what of it is about to
 * be written over; the thread reads the rest (log-writer.c). Bytes are lost by being written over,
 * and in no other way: the disk stalled, or refused them for too long. The place where they are
 * missing gets a line.
 */

#include "io/log-writer.h"

int log_file_new(LogFile **ret,
                 LogWriter *writer,
                 const LogFileSpec *spec,
                 const LogFileHandlers *handlers,
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
        file->handlers = *handlers;
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

void log_file_follow(LogFile *file, LogMemory *memory, const LogExtent *extent, uint64_t reserved) {
        LogFileNote note = log_store_file_note(log_memory_store(memory));

        (void) pthread_mutex_lock(&file->writer->lock);
        file->memory = log_memory_ref(memory);
        file->reserved = reserved;
        file->extent = *extent;
        file->done = note.raw < log_extent_raw(extent) ? note.raw : log_extent_raw(extent);
        file->is_unsure = note.inode != 0;
        if (!log_file_is_written(file))
                log_file_call_thread(file);
        (void) pthread_mutex_unlock(&file->writer->lock);
}

size_t log_file_room(LogFile *file, size_t n_besides) {
        size_t room;

        (void) pthread_mutex_lock(&file->writer->lock);
        file->n_besides = n_besides;
        room = log_file_get_room(file);
        if (room == 0)
                file->wants_room = true;
        (void) pthread_mutex_unlock(&file->writer->lock);
        return room;
}

void log_file_reserve(LogFile *file, uint64_t position) {
        (void) pthread_mutex_lock(&file->writer->lock);
        /* Only where bytes are about to be lost, and for no longer than a piece is copied. */
        while (file->is_copying && log_file_get_oldest(file, position) > file->done)
                (void) pthread_cond_wait(&file->writer->copied, &file->writer->lock);
        if (position > file->reserved)
                file->reserved = position;
        (void) pthread_mutex_unlock(&file->writer->lock);
}

void log_file_publish(LogFile *file, const LogExtent *extent) {
        (void) pthread_mutex_lock(&file->writer->lock);
        file->extent = *extent;
        if (!log_file_is_written(file))
                log_file_call_thread(file);
        (void) pthread_mutex_unlock(&file->writer->lock);
}

bool log_file_is_behind(LogFile *file, uint64_t position) {
        bool is_behind;

        (void) pthread_mutex_lock(&file->writer->lock);
        is_behind =
                file->done < log_store_raw(log_memory_store(file->memory), &file->extent, position);
        (void) pthread_mutex_unlock(&file->writer->lock);
        return is_behind;
}
