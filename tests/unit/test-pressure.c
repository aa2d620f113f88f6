/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "io/pressure.h"
#include "test.h"

static char folder[] = "/tmp/test-pressure-XXXXXX";
static char path[64];

static void set_up(void) {
        ck_assert_ptr_nonnull(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/cpu.pressure", folder);
}

static void tear_down(void) {
        (void) unlink(path);
        (void) rmdir(folder);
}

static bool machine_counts(void) {
        char text[64];
        FILE *file = fopen("/proc/pressure/cpu", "re");
        bool counts = file && fgets(text, sizeof(text), file);

        if (file)
                fclose(file);
        if (!counts)
                puts("SKIP: this kernel does not count pressure");
        return counts;
}

/* What a cgroup's directory looks like, with a pressure that no real one would have on demand. */
START_TEST(the_cgroup_is_asked_first) {
        static const char text[] = "some avg10=76.54 avg60=0.00 avg300=0.00 total=1\n"
                                   "full avg10=12.34 avg60=0.00 avg300=0.00 total=1\n";
        _cleanup_close_ int directory = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        unsigned some = 0;

        ck_assert_int_eq(write(file, text, strlen(text)), strlen(text));
        ck_assert_int_eq(pressure_read_cpu(directory, &some), 0);
        ck_assert_uint_eq(some, 7654);
}
END_TEST

START_TEST(the_machine_speaks_where_there_is_no_cgroup_or_it_does_not_count) {
        _cleanup_close_ int directory = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int file = -1;
        unsigned some = 99999;

        if (!machine_counts())
                return;

        ck_assert_int_eq(pressure_read_cpu(-1, &some), 0);
        ck_assert_uint_le(some, 10000);

        some = 99999;
        ck_assert_int_eq(pressure_read_cpu(directory, &some), 0);
        ck_assert_uint_le(some, 10000);

        file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        some = 99999;
        ck_assert_int_eq(pressure_read_cpu(directory, &some), 0);
        ck_assert_uint_le(some, 10000);
}
END_TEST

TEST_MAIN("pressure",
          set_up,
          tear_down,
          the_cgroup_is_asked_first,
          the_machine_speaks_where_there_is_no_cgroup_or_it_does_not_count)
