/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "io/ledger-file.h"
#include "seed.h"
#include "test.h"

#define KIND 5u
#define N_KILLS 200u
#define OVERGROWN_BYTES (256u * 1024u)
#define PAYLOAD_BYTES_MAX (64u * 1024u)

static int fd = -1; /* of the memfd, as the keeper has one beside that of the ledger */
static LedgerFile *ledger;
static uint64_t n_told;        /* records, by the last load() */
static uint64_t first_number;  /* of what is expected there */
static int kept_fd = -1;       /* by the last rewrite */
static pid_t writer;           /* a child that appends */
static unsigned n_write_calls; /* of write_all() */

/* Of a record: its number, then bytes that follow from it. */
static size_t payload_make(char payload[static PAYLOAD_BYTES_MAX], uint64_t number) {
        Random random = { .state = number };
        size_t n = sizeof(number) + random_span(&random, PAYLOAD_BYTES_MAX - sizeof(number));

        memcpy(payload, &number, sizeof(number));
        for (size_t i = sizeof(number); i < n; i++)
                payload[i] = (char) (number + i * 7);
        return n;
}

static int append(LedgerFile *file, uint64_t number) {
        static char payload[PAYLOAD_BYTES_MAX];

        return ledger_file_append(file, KIND, payload, payload_make(payload, number));
}

static int expect_next(uint32_t kind, const char *payload, size_t n_bytes, void *userdata) {
        static char expected[PAYLOAD_BYTES_MAX];
        size_t n = payload_make(expected, first_number + n_told);

        (void) userdata;
        ck_assert_uint_eq(kind, KIND);
        ck_assert_uint_eq(n_bytes, n);
        ck_assert_mem_eq(payload, expected, n);
        n_told++;
        return 0;
}

static size_t size_of(int file_fd) {
        struct stat st;

        ck_assert_int_eq(fstat(file_fd, &st), 0);
        return (size_t) st.st_size;
}

/* As the next brain does, which gets a descriptor of its own. */
static void load(int file_fd) {
        int own = fcntl(file_fd, F_DUPFD_CLOEXEC, 3);

        ck_assert_int_ge(own, 0);
        ledger = ledger_file_free(ledger);
        n_told = 0;
        ck_assert_int_eq(ledger_file_open(&ledger, own, expect_next, NULL), 0);
}

static void append_numbers(uint64_t from, uint64_t to) {
        for (uint64_t number = from; number < to; number++)
                ck_assert_int_eq(append(ledger, number), 0);
}

static int memory_file(void) {
        int made = memfd_create("test", MFD_CLOEXEC);

        ck_assert_int_ge(made, 0);
        return made;
}

static void setup(void) {
        /* What SIGXFSZ would end is to be seen as an errno. */
        (void) signal(SIGXFSZ, SIG_IGN);
        fd = memory_file();
}

static void writer_end(void) {
        if (writer > 0) {
                (void) kill(writer, SIGKILL);
                (void) waitpid(TAKE(writer, 0), NULL, 0);
        }
}

static void teardown(void) {
        writer_end();
        ledger = ledger_file_free(ledger);
        kept_fd = safe_close(kept_fd);
        fd = safe_close(fd);
}

START_TEST(a_fresh_file_becomes_a_ledger_that_remembers) {
        load(fd);
        ck_assert_uint_eq(n_told, 0);
        ck_assert_uint_eq(size_of(fd), LEDGER_HEADER_BYTES);

        append_numbers(0, 50);
        load(fd);
        ck_assert_uint_eq(n_told, 50);

        append_numbers(50, 60);
        load(fd);
        ck_assert_uint_eq(n_told, 60);
}
END_TEST

START_TEST(where_the_descriptor_stands_makes_no_difference) {
        load(fd);
        for (uint64_t number = 0; number < 10; number++) {
                ck_assert_int_eq(lseek(fd, (off_t) (number * 1000), SEEK_SET), number * 1000);
                ck_assert_int_eq(append(ledger, number), 0);
        }
        load(fd);
        ck_assert_uint_eq(n_told, 10);
}
END_TEST

static int never_write(LedgerFile *fresh, void *userdata) {
        (void) fresh;
        (void) userdata;
        ck_abort_msg("nobody keeps it");
}

static int never_keep(int fresh_fd, void *userdata) {
        (void) fresh_fd;
        (void) userdata;
        ck_abort_msg("nobody keeps it");
}

START_TEST(without_a_keeper_nothing_is_written) {
        ck_assert_int_eq(ledger_file_open(&ledger, -1, expect_next, NULL), 0);
        append_numbers(0, 1000);
        ck_assert(!ledger_file_is_overgrown(ledger));
        ck_assert_int_eq(ledger_file_rewrite(ledger, never_write, never_keep, NULL), 0);
}
END_TEST

START_TEST(what_was_torn_is_cut_and_appended_to) {
        Random random = seed_take();

        load(fd);
        for (unsigned i = 0; i < 100; i++) {
                size_t size;
                uint64_t n_whole;

                append_numbers(n_told, n_told + 3);
                size = size_of(fd);
                ck_assert_int_eq(ftruncate(fd, (off_t) (size - random_below(&random, size))), 0);

                load(fd);
                n_whole = n_told;
                append_numbers(n_whole, n_whole + 2);
                load(fd);
                ck_assert_uint_eq(n_told, n_whole + 2);
        }
}
END_TEST

START_TEST(rubbish_behind_the_last_record_is_cut) {
        static const char rubbish[5000] = "rubbish";
        size_t size;

        load(fd);
        append_numbers(0, 5);
        size = size_of(fd);
        ck_assert_int_eq(pwrite(fd, rubbish, sizeof(rubbish), (off_t) size), sizeof(rubbish));

        load(fd);
        ck_assert_uint_eq(n_told, 5);
        ck_assert_uint_eq(size_of(fd), size);
}
END_TEST

START_TEST(a_torn_header_is_written_anew) {
        char header[LEDGER_HEADER_BYTES];

        ledger_make_header(header);
        for (size_t n = 0; n < sizeof(header); n++) {
                ck_assert_int_eq(ftruncate(fd, 0), 0);
                ck_assert_int_eq(pwrite(fd, header, n, 0), n);
                load(fd);
                append_numbers(0, 2);
                load(fd);
                ck_assert_uint_eq(n_told, 2);
        }
}
END_TEST

START_TEST(what_cannot_be_read_stays_as_it_is_and_with_whom_it_was) {
        static const char text[] = "this is no ledger, but longer than its header";
        const uint32_t major = LEDGER_MAJOR + 1;
        LedgerFile *none = NULL;

        ck_assert_int_eq(write(fd, text, sizeof(text)), sizeof(text));
        ck_assert_int_eq(ledger_file_open(&none, fd, expect_next, NULL), -EBADMSG);
        ck_assert_uint_eq(size_of(fd), sizeof(text));

        ck_assert_int_eq(ftruncate(fd, 0), 0);
        load(fd);
        append_numbers(0, 3);
        ck_assert_int_eq(pwrite(fd, &major, sizeof(major), 8), sizeof(major));
        n_told = 0;
        ck_assert_int_eq(ledger_file_open(&none, fd, expect_next, NULL), -EPROTONOSUPPORT);
        ck_assert_uint_eq(n_told, 0);
        ck_assert_ptr_null(none);
}
END_TEST

static int refuse(uint32_t kind, const char *payload, size_t n_bytes, void *userdata) {
        (void) kind;
        (void) payload;
        (void) n_bytes;
        (void) userdata;
        return -EBADMSG;
}

START_TEST(a_reader_that_gives_up_leaves_all_as_it_is) {
        LedgerFile *none = NULL;
        size_t size;

        load(fd);
        append_numbers(0, 3);
        size = size_of(fd) - 1;
        ck_assert_int_eq(ftruncate(fd, (off_t) size), 0);
        ck_assert_int_eq(ledger_file_open(&none, fd, refuse, NULL), -EBADMSG);
        ck_assert_uint_eq(size_of(fd), size);
        load(fd);
        ck_assert_uint_eq(n_told, 2);
}
END_TEST

START_TEST(a_record_over_the_limit_is_refused) {
        _cleanup_free_ char *large = calloc(1, LEDGER_RECORD_BYTES_MAX + 1);

        ck_assert_ptr_nonnull(large);
        load(fd);
        ck_assert_int_eq(ledger_file_append(ledger, KIND, large, LEDGER_RECORD_BYTES_MAX + 1),
                         -EMSGSIZE);
        ck_assert_uint_eq(size_of(fd), LEDGER_HEADER_BYTES);
        ck_assert_int_eq(ledger_file_append(ledger, KIND, large, LEDGER_RECORD_BYTES_MAX), 0);
        ck_assert_uint_eq(size_of(fd),
                          LEDGER_HEADER_BYTES + LEDGER_FRAME_BYTES + LEDGER_RECORD_BYTES_MAX);
}
END_TEST

/* The limit of file sizes counts for memory too: what does not fit is written in part. */
static void limit_size(rlim_t size) {
        struct rlimit limit;

        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
        limit.rlim_cur = size < limit.rlim_max ? size : limit.rlim_max;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(a_record_that_finds_no_room_leaves_nothing_behind) {
        static char payload[PAYLOAD_BYTES_MAX];
        size_t size, needed;

        load(fd);
        append_numbers(0, 7);
        size = size_of(fd);
        needed = LEDGER_FRAME_BYTES + payload_make(payload, 7);

        for (size_t room = 0; room < needed; room += 1 + room / 4) {
                limit_size(size + room);
                ck_assert_int_eq(append(ledger, 7), room == 0 ? -EFBIG : -ENOSPC);
                ck_assert_uint_eq(size_of(fd), size);
        }

        limit_size(RLIM_INFINITY);
        append_numbers(7, 9);
        load(fd);
        ck_assert_uint_eq(n_told, 9);
}
END_TEST

static int write_numbers(LedgerFile *fresh, void *userdata) {
        int r = 0;

        (void) userdata;
        n_write_calls++;
        for (uint64_t number = first_number; number < first_number + 10 && r >= 0; number++)
                r = append(fresh, number);
        return r;
}

static int keep(int fresh_fd, void *userdata) {
        (void) userdata;
        safe_close(kept_fd);
        kept_fd = fcntl(fresh_fd, F_DUPFD_CLOEXEC, 3);
        ck_assert_int_ge(kept_fd, 0);
        ck_assert_int_eq(fcntl(fresh_fd, F_GETFD), FD_CLOEXEC);
        return 0;
}

static void append_until_overgrown(uint64_t from) {
        while (!ledger_file_is_overgrown(ledger))
                ck_assert_int_eq(append(ledger, from++), 0);
}

START_TEST(what_is_live_takes_the_place_of_all_the_rest) {
        char link[64], name[64] = "";
        size_t size;

        load(fd);
        append_until_overgrown(0);
        size = size_of(fd);
        ck_assert_uint_gt(size, OVERGROWN_BYTES);

        first_number = 1000;
        ck_assert_int_eq(ledger_file_rewrite(ledger, write_numbers, keep, NULL), 0);
        ck_assert_uint_eq(n_write_calls, 1);
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", kept_fd);
        ck_assert_int_gt(readlink(link, name, sizeof(name) - 1), 0);
        ck_assert_str_eq(name, "/memfd:sidecard-ledger (deleted)");

        /* From now on only the new one grows. */
        append_numbers(1010, 1015);
        ck_assert_uint_eq(size_of(fd), size);
        load(kept_fd);
        ck_assert_uint_eq(n_told, 15);
}
END_TEST

static int write_large(LedgerFile *fresh, void *userdata) {
        static const char large[OVERGROWN_BYTES / 2];

        (void) userdata;
        return ledger_file_append(fresh, KIND, large, sizeof(large));
}

START_TEST(is_overgrown_at_four_times_what_was_live) {
        static const char piece[1024];
        size_t live, size;

        load(fd);
        ck_assert_int_eq(ledger_file_rewrite(ledger, write_large, keep, NULL), 0);
        live = size_of(kept_fd);
        ck_assert_uint_gt(4 * live, OVERGROWN_BYTES);

        for (size = live; size <= 4 * live; size = size_of(kept_fd)) {
                ck_assert(!ledger_file_is_overgrown(ledger));
                ck_assert_int_eq(ledger_file_append(ledger, KIND, piece, sizeof(piece)), 0);
        }
        ck_assert(ledger_file_is_overgrown(ledger));
}
END_TEST

START_TEST(a_small_one_is_overgrown_at_256_kib) {
        static const char piece[1024];
        size_t size;

        load(fd);
        for (size = size_of(fd); size <= OVERGROWN_BYTES; size = size_of(fd)) {
                ck_assert(!ledger_file_is_overgrown(ledger));
                ck_assert_int_eq(ledger_file_append(ledger, KIND, piece, sizeof(piece)), 0);
        }
        ck_assert(ledger_file_is_overgrown(ledger));
}
END_TEST

static int fail_after_some(LedgerFile *fresh, void *userdata) {
        (void) write_numbers(fresh, userdata);
        return -ENOMEM;
}

static int fail_to_keep(int fresh_fd, void *userdata) {
        (void) fresh_fd;
        (void) userdata;
        return -EAGAIN;
}

static unsigned count_descriptors(void) {
        unsigned n = 0;

        for (int i = 0; i < 256; i++)
                n += fcntl(i, F_GETFD) >= 0;
        return n;
}

START_TEST(a_failed_rewrite_leaves_all_as_before) {
        unsigned n_descriptors;
        struct rlimit limit;
        size_t size;

        load(fd);
        append_numbers(0, 20);
        size = size_of(fd);
        n_descriptors = count_descriptors();
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);

        ck_assert_int_eq(ledger_file_rewrite(ledger, fail_after_some, never_keep, NULL), -ENOMEM);
        ck_assert_int_eq(ledger_file_rewrite(ledger, write_numbers, fail_to_keep, NULL), -EAGAIN);
        limit_size(LEDGER_HEADER_BYTES + 100);
        ck_assert_int_eq(ledger_file_rewrite(ledger, write_numbers, never_keep, NULL), -ENOSPC);
        limit_size(LEDGER_HEADER_BYTES - 1);
        ck_assert_int_eq(ledger_file_rewrite(ledger, never_write, never_keep, NULL), -ENOSPC);
        limit_size(RLIM_INFINITY);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ .rlim_max = limit.rlim_max }),
                         0);
        ck_assert_int_eq(ledger_file_rewrite(ledger, never_write, never_keep, NULL), -EMFILE);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);

        ck_assert_uint_eq(count_descriptors(), n_descriptors);
        ck_assert_uint_eq(size_of(fd), size);
        append_numbers(20, 22);
        load(fd);
        ck_assert_uint_eq(n_told, 22);
}
END_TEST

static int count_record(uint32_t kind, const char *payload, size_t n_bytes, void *userdata) {
        (void) kind;
        (void) payload;
        (void) n_bytes;
        ++*(uint64_t *) userdata;
        return 0;
}

/*
 * Appends without end, and notes in shared memory how many it was told are whole. Asserts nothing:
 * it would be killed in the midst of what libcheck writes down.
 */
static _Noreturn void run_writer(pid_t parent, _Atomic uint64_t *n_whole) {
        uint64_t number = 0;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(1);

        ledger = NULL;
        if (ledger_file_open(&ledger, fd, count_record, &number) < 0)
                _exit(1);
        *n_whole = number;
        while (append(ledger, number) == 0)
                *n_whole = ++number;
        _exit(1);
}

/* Until it has appended so many bytes: most of the time it is in the midst of the next record. */
static void kill_writer_after(size_t n_bytes) {
        size_t begun = size_of(fd);

        while (size_of(fd) < begun + n_bytes) {
                ck_assert_int_eq(waitpid(writer, NULL, WNOHANG), 0);
                (void) sched_yield();
        }
        writer_end();
}

START_TEST(a_writer_that_is_killed_leaves_whole_records_without_a_gap) {
        Random random = seed_take();
        _Atomic uint64_t *n_whole = mmap(NULL, sizeof(*n_whole), PROT_READ | PROT_WRITE,
                                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        unsigned n_torn = 0;
        uint64_t n_all = 0;

        ck_assert_ptr_ne(n_whole, MAP_FAILED);
        for (unsigned i = 0; i < N_KILLS; i++) {
                pid_t parent = getpid();
                size_t size;

                if (size_of(fd) > 1024 * 1024) {
                        n_all += n_told;
                        ck_assert_int_eq(ftruncate(fd, 0), 0);
                        *n_whole = 0; /* the next one may be killed before it has said so */
                }
                writer = fork();
                ck_assert_int_ge(writer, 0);
                if (writer == 0)
                        run_writer(parent, n_whole);
                kill_writer_after(1 + random_span(&random, 100000));

                size = size_of(fd);
                load(fd);
                n_torn += size_of(fd) < size;
                /* What it was told is there; of the one that it was not yet told of either. */
                ck_assert_uint_ge(n_told, *n_whole);
                ck_assert_uint_le(n_told, *n_whole + 1);
        }
        printf("%u kills, %u records torn of some %" PRIu64 "\n", N_KILLS, n_torn, n_all);
        ck_assert_int_eq(munmap(n_whole, sizeof(*n_whole)), 0);
}
END_TEST

TEST_MAIN_TIMEOUT("ledger-file",
                  240,
                  setup,
                  teardown,
                  a_fresh_file_becomes_a_ledger_that_remembers,
                  where_the_descriptor_stands_makes_no_difference,
                  without_a_keeper_nothing_is_written,
                  what_was_torn_is_cut_and_appended_to,
                  rubbish_behind_the_last_record_is_cut,
                  a_torn_header_is_written_anew,
                  what_cannot_be_read_stays_as_it_is_and_with_whom_it_was,
                  a_reader_that_gives_up_leaves_all_as_it_is,
                  a_record_over_the_limit_is_refused,
                  a_record_that_finds_no_room_leaves_nothing_behind,
                  what_is_live_takes_the_place_of_all_the_rest,
                  is_overgrown_at_four_times_what_was_live,
                  a_small_one_is_overgrown_at_256_kib,
                  a_failed_rewrite_leaves_all_as_before,
                  a_writer_that_is_killed_leaves_whole_records_without_a_gap)
