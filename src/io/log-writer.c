/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LogWriter
 *
 * The thread, and what it does with the files that have something for it. A file is in one place
 * at a time: queued, in the thread's hands, pausing or at rest. The functions that speak of a file
 * are called with the lock held, and only those that ask the disk give it up meanwhile. News for
 * the loop are a list and an eventfd.
 *
 * Bytes are copied out of the ring first: while the disk takes them the ring may be written over,
 * and while they are copied it waits with that. Before and after each write(2) it is noted in the
 * memory what of it is in which file, so that another brain finds by the file's size how far a
 * write came in whose midst we were killed. A file that was moved aside was noted when all of it
 * was written.
 */

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>

#include "io/log-writer.h"
#include "util/crashpoint.h"
#include "util/duration.h"

/* After which a disk that refused is asked again. */
#define PAUSE_USEC USEC_PER_SEC

/*
 * To wake the thread costs more than what it then does with a few lines, and while it is awake for
 * each of them it has the core that the sidecar or the loop could have.
 */
#define GATHER_USEC (20 * USEC_PER_MSEC)
#define GATHER_BYTES (64u * 1024u)
#define GO_ON_BYTES (16u * 1024u) /* it is awake, and has that much */

#define FLUSH_USEC USEC_PER_SEC
#define TELL_LOST_USEC (10 * USEC_PER_SEC)

static uint64_t now_usec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * USEC_PER_SEC + (uint64_t) now.tv_nsec / 1000;
}

/* Answers false when that moment has come. */
static bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t usec) {
        struct timespec until = {
                .tv_sec = (time_t) (usec / USEC_PER_SEC),
                .tv_nsec = (long) (usec % USEC_PER_SEC) * 1000,
        };

        return pthread_cond_timedwait(cond, lock, &until) == 0;
}

static void file_unplace(LogFile *file) {
        if (file->place == LOG_FILE_IS_QUEUED)
                TAILQ_REMOVE(&file->writer->queue, file, link);
        else if (file->place == LOG_FILE_GATHERS)
                TAILQ_REMOVE(&file->writer->gathering, file, link);
        else if (file->place == LOG_FILE_PAUSES)
                TAILQ_REMOVE(&file->writer->pausing, file, link);

        file->place = LOG_FILE_RESTS;
}

static void file_queue(LogFile *file) {
        file_unplace(file);
        TAILQ_INSERT_TAIL(&file->writer->queue, file, link);
        file->place = LOG_FILE_IS_QUEUED;
}

/* All pauses are equally long: the end of the list is the right place. */
static void file_pause(LogFile *file) {
        file_unplace(file);
        file->due_usec = now_usec() + PAUSE_USEC;
        TAILQ_INSERT_TAIL(&file->writer->pausing, file, link);
        file->place = LOG_FILE_PAUSES;
}

/* All of these wait equally long, too. */
static void file_gather(LogFile *file) {
        file->due_usec = now_usec() + GATHER_USEC;
        TAILQ_INSERT_TAIL(&file->writer->gathering, file, link);
        file->place = LOG_FILE_GATHERS;
}

static uint64_t file_n_unwritten(const LogFile *file) {
        return log_extent_raw(&file->extent) - file->done;
}

void log_file_call_thread(LogFile *file) {
        LogWriter *writer = file->writer;
        bool is_first = TAILQ_EMPTY(&writer->gathering);

        if (file->error != 0 || file->place == LOG_FILE_IS_QUEUED ||
            file->place == LOG_FILE_IS_AT_WORK)
                return;

        if (file_n_unwritten(file) >= GATHER_BYTES) {
                file_queue(file);
                (void) pthread_cond_signal(&writer->work);
        } else if (file->place == LOG_FILE_RESTS) {
                file_gather(file);
                /* Behind others nothing changes for the thread: it waits for the first one. */
                if (is_first)
                        (void) pthread_cond_signal(&writer->work);
        }
}

uint64_t log_file_get_oldest(const LogFile *file, uint64_t position) {
        if (position <= LOG_STORE_RING_BYTES)
                return 0;

        return log_store_raw(log_memory_store(file->memory), &file->extent,
                             position - LOG_STORE_RING_BYTES);
}

bool log_file_is_written(const LogFile *file) {
        return file->done == log_extent_raw(&file->extent);
}

/* Counted from what is on the disk: what is on its way there is needed again if we are killed. */
size_t log_file_get_room(const LogFile *file) {
        uint64_t n_taken = file->n_besides;

        if (file->error != 0 || !file->memory)
                return LOG_FILE_ROOM_BYTES;
        if (file->done < log_file_get_oldest(file, file->reserved))
                return 0;

        n_taken += file->extent.end -
                   log_store_position(log_memory_store(file->memory), &file->extent, file->done);
        return n_taken < LOG_FILE_ROOM_BYTES ? LOG_FILE_ROOM_BYTES - n_taken : 0;
}

static void file_destroy(LogFile *file) {
        file_unplace(file);
        if (file->is_news)
                TAILQ_REMOVE(&file->writer->news, file, news_link);
        log_memory_unref(file->memory);
        rotated_file_free(file->disk);
        free(file);
}

void log_file_release(LogFile *file) {
        file->is_released = true;
        if (file->is_news)
                TAILQ_REMOVE(&file->writer->news, file, news_link);
        file->is_news = false;

        if (file->place != LOG_FILE_IS_AT_WORK && log_file_is_written(file))
                file_destroy(file);
        else if (file->place == LOG_FILE_GATHERS || file->place == LOG_FILE_PAUSES) {
                /* Nothing more will come together; to a disk that refused it is the last chance. */
                file_queue(file);
                (void) pthread_cond_signal(&file->writer->work);
        }
}

static void file_tell_loop(LogFile *file) {
        const uint64_t one = 1;

        if (file->is_news || file->is_released)
                return;

        TAILQ_INSERT_TAIL(&file->writer->news, file, news_link);
        file->is_news = true;
        (void) !write(file->writer->news_fd, &one, sizeof(one));
}

/* Half of it: a loop that is woken for less is woken too often. */
static void file_tell_room(LogFile *file) {
        if (!file->wants_room ||
            log_file_get_room(file) < (LOG_FILE_ROOM_BYTES - file->n_besides) / 2)
                return;

        file->wants_room = false;
        file->has_room = true;
        file_tell_loop(file);
}

static void note_written(LogFileNote *note, uint64_t n_bytes) {
        note->size += n_bytes;
        if (note->n_line == 0)
                note->raw += n_bytes;
        else if (n_bytes < note->n_line)
                note->n_line -= n_bytes;
        else {
                note->raw += note->n_lost;
                note->n_line = note->n_lost = 0;
        }
}

/* Without the lock. *note: what is to be noted meanwhile, and then is true. */
static int disk_write(const LogFile *file, LogFileNote *note, const char *bytes, size_t n_bytes) {
        const LogStore *store = log_memory_store(file->memory);

        while (n_bytes > 0) {
                RotatedFilePlace place;
                ssize_t n = rotated_file_prepare(file->disk, bytes, n_bytes, &place);

                if (n < 0)
                        return (int) n;

                note->device = place.device;
                note->inode = place.inode;
                note->size = place.size;
                log_store_note_file(store, note);

                CRASHPOINT("file-noted");
                n = rotated_file_write(file->disk, bytes, (size_t) n);
                if (n < 0)
                        return (int) n;

                CRASHPOINT("file-written");
                note_written(note, (uint64_t) n);
                log_store_note_file(store, note);
                bytes += n;
                n_bytes -= (size_t) n;
        }

        return 0;
}

/* Without the lock, which the loop wants several times a read: it would be in its way. */
static size_t file_copy_piece(LogFile *file) {
        const LogExtent extent = file->extent;
        LogWriter *writer = file->writer;
        size_t n_bytes;

        file->is_copying = true;
        (void) pthread_mutex_unlock(&writer->lock);
        n_bytes = log_store_copy(log_memory_store(file->memory), &extent, file->done, writer->piece,
                                 sizeof(writer->piece));
        (void) pthread_mutex_lock(&writer->lock);
        file->is_copying = false;
        (void) pthread_cond_signal(&writer->copied);
        return n_bytes;
}

static int file_write_piece(LogFile *file) {
        LogFileNote note = { .raw = file->done };
        size_t n_bytes = file_copy_piece(file);
        int r;

        (void) pthread_mutex_unlock(&file->writer->lock);
        r = disk_write(file, &note, file->writer->piece, n_bytes);
        (void) pthread_mutex_lock(&file->writer->lock);

        /* What was refused is still in the ring, as a rule. */
        file->done = note.raw;
        return r;
}

static int file_write_lost(LogFile *file, uint64_t n_lost) {
        LogFileNote note = { .raw = file->done, .n_lost = n_lost };
        char line[64];
        int r;

        (void) pthread_mutex_unlock(&file->writer->lock);
        note.n_line =
                (uint64_t) snprintf(line, sizeof(line), "%s[sidecard: %" PRIu64 " bytes lost]\n",
                                    rotated_file_is_at_line_start(file->disk) ? "" : "\n", n_lost);
        r = disk_write(file, &note, line, note.n_line);
        (void) pthread_mutex_lock(&file->writer->lock);

        file->done = note.raw;
        if (r >= 0)
                file->n_lost += n_lost;
        return r;
}

/* How far did the brain come that was killed? */
static void file_find_out(LogFile *file) {
        LogFileNote note = log_store_file_note(log_memory_store(file->memory));
        RotatedFilePlace place;
        int r;

        (void) pthread_mutex_unlock(&file->writer->lock);
        r = rotated_file_find(file->disk, &place);
        (void) pthread_mutex_lock(&file->writer->lock);

        if (r >= 0 && place.device == note.device && place.inode == note.inode &&
            place.size > note.size)
                note_written(&note, place.size - note.size);
        if (note.raw <= log_extent_raw(&file->extent))
                file->done = note.raw;
        file->is_unsure = false;
}

static int file_write(LogFile *file) {
        uint64_t oldest;

        if (file->is_unsure)
                file_find_out(file);
        if (log_file_is_written(file))
                return 0;

        oldest = log_file_get_oldest(file, file->reserved);
        if (file->done < oldest)
                return file_write_lost(file, oldest - file->done);

        return file_write_piece(file);
}

/* A disk that is slow for ever would have something to tell at each write. */
static void file_tell_lost(LogFile *file) {
        uint64_t now = now_usec();

        if (file->n_lost == 0 || file->has_lost || !file->handlers.on_lost ||
            (!log_file_is_written(file) && now < file->told_lost_usec + TELL_LOST_USEC))
                return;

        file->told_lost_usec = now;
        file->has_lost = true;
        file_tell_loop(file);
}

static void file_note_result(LogFile *file, int r) {
        if ((file->error != 0) != (r < 0)) {
                file->error = -r;
                file_tell_loop(file);
        }

        file_tell_room(file);
        file_tell_lost(file);
}

static void writer_work(LogFile *file) {
        int r;

        file_unplace(file);
        file->place = LOG_FILE_IS_AT_WORK;
        r = file_write(file);
        file->place = LOG_FILE_RESTS;
        file_note_result(file, r);

        if (file->is_released && (r < 0 || log_file_is_written(file)))
                file_destroy(file);
        else if (r < 0)
                file_pause(file);
        else if (file->is_released || file_n_unwritten(file) >= GO_ON_BYTES)
                file_queue(file);
        else if (!log_file_is_written(file))
                file_gather(file);
}

static LogFile *writer_next_due(const LogWriter *writer) {
        LogFile *pausing = TAILQ_FIRST(&writer->pausing),
                *gathering = TAILQ_FIRST(&writer->gathering);

        if (!pausing || !gathering)
                return pausing ? pausing : gathering;

        return gathering->due_usec < pausing->due_usec ? gathering : pausing;
}

/* Answers false when there is nothing left to do, ever. */
static bool writer_step(LogWriter *writer) {
        LogFile *file = TAILQ_FIRST(&writer->queue), *due = writer_next_due(writer);

        if (writer->is_abandoned)
                return false;
        if (due && due->due_usec <= now_usec())
                file_queue(due);
        else if (file)
                writer_work(file);
        else if (writer->is_stopping)
                return false;
        else if (due)
                (void) cond_wait_until(&writer->work, &writer->lock, due->due_usec);
        else
                (void) pthread_cond_wait(&writer->work, &writer->lock);

        return true;
}

static void writer_destroy(LogWriter *writer) {
        LogFile *file;

        while ((file = TAILQ_FIRST(&writer->queue)) || (file = writer_next_due(writer)))
                file_destroy(file);

        (void) pthread_cond_destroy(&writer->copied);
        (void) pthread_cond_destroy(&writer->end);
        (void) pthread_cond_destroy(&writer->work);
        (void) pthread_mutex_destroy(&writer->lock);
        safe_close(writer->news_fd);
        free(writer);
}

static void *writer_run(void *userdata) {
        LogWriter *writer = userdata;
        bool is_abandoned;

        (void) pthread_mutex_lock(&writer->lock);
        while (writer_step(writer))
                ;
        writer->has_ended = true;
        is_abandoned = writer->is_abandoned;
        (void) pthread_cond_signal(&writer->end);
        (void) pthread_mutex_unlock(&writer->lock);

        if (is_abandoned)
                writer_destroy(writer);
        return NULL;
}

typedef struct News {
        LogFile *file;
        bool is_state;
        int error;
        uint64_t n_lost;
} News;

static bool writer_next_news(LogWriter *writer, News *ret) {
        LogFile *file;

        (void) pthread_mutex_lock(&writer->lock);
        while ((file = TAILQ_FIRST(&writer->news))) {
                *ret = (News){ file, file->error != file->told_error, file->error, 0 };

                if (ret->is_state) {
                        file->told_error = file->error;
                        break;
                }
                if (TAKE(file->has_lost, false)) {
                        ret->n_lost = TAKE(file->n_lost, 0);
                        break;
                }
                if (TAKE(file->has_room, false))
                        break;

                TAILQ_REMOVE(&writer->news, file, news_link);
                file->is_news = false;
        }
        (void) pthread_mutex_unlock(&writer->lock);
        return file;
}

/* A handler may free any file: each piece of news is fetched when the last one is told. */
static int writer_on_news(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        LogWriter *writer = userdata;
        uint64_t n;
        News news;

        (void) source, (void) revents;
        (void) !read(fd, &n, sizeof(n));

        while (writer_next_news(writer, &news))
                if (news.is_state)
                        news.file->handlers.on_state(news.error, news.file->userdata);
                else if (news.n_lost > 0)
                        news.file->handlers.on_lost(news.n_lost, news.file->userdata);
                else
                        news.file->handlers.on_room(news.file->userdata);

        return 0;
}

/* With default attributes, and a clock of its own for the waiting, none of these can fail. */
static void writer_init_locks(LogWriter *writer) {
        pthread_condattr_t monotonic;

        (void) pthread_condattr_init(&monotonic);
        (void) pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        (void) pthread_mutex_init(&writer->lock, NULL);
        (void) pthread_cond_init(&writer->work, &monotonic);
        (void) pthread_cond_init(&writer->end, &monotonic);
        (void) pthread_cond_init(&writer->copied, &monotonic);
        (void) pthread_condattr_destroy(&monotonic);
}

int log_writer_new(LogWriter **ret, sd_event *event) {
        _cleanup_(log_writer_freep) LogWriter *writer = NULL;
        int r;

        writer = calloc(1, sizeof(*writer));
        if (!writer)
                return -ENOMEM;

        TAILQ_INIT(&writer->queue);
        TAILQ_INIT(&writer->gathering);
        TAILQ_INIT(&writer->pausing);
        TAILQ_INIT(&writer->news);
        writer_init_locks(writer);
        writer->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (writer->news_fd < 0)
                return -errno;

        r = sd_event_add_io(event, &writer->news_source, writer->news_fd, EPOLLIN, writer_on_news,
                            writer);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(writer);
        return 0;
}

/* Answers whether the thread has ended. */
static bool writer_flush(LogWriter *writer) {
        uint64_t until_usec = now_usec() + FLUSH_USEC;
        bool has_ended;

        (void) pthread_mutex_lock(&writer->lock);
        writer->is_stopping = true;
        (void) pthread_cond_signal(&writer->work);
        while (!writer->has_ended && cond_wait_until(&writer->end, &writer->lock, until_usec))
                ;
        has_ended = writer->has_ended;
        writer->is_abandoned = !has_ended;
        (void) pthread_mutex_unlock(&writer->lock);
        return has_ended;
}

LogWriter *log_writer_free(LogWriter *writer) {
        if (!writer)
                return NULL;

        sd_event_source_disable_unref(writer->news_source);

        if (!writer->is_started)
                writer_destroy(writer);
        else {
                pthread_t thread = writer->thread;

                /* A thread that hangs in the disk cannot be ended, only left to itself. */
                if (writer_flush(writer)) {
                        (void) pthread_join(thread, NULL);
                        writer_destroy(writer);
                } else
                        (void) pthread_detach(thread);
        }

        return NULL;
}

/* Signals are the loop's business: the thread is born with all of them blocked. */
int log_writer_start(LogWriter *writer) {
        sigset_t all, before;
        int r;

        if (writer->is_started)
                return 0;

        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&writer->thread, NULL, writer_run, writer);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r != 0)
                return -r;

        writer->is_started = true;
        return 0;
}
