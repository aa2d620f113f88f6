/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz: program file
 *
 * Any bytes are a program: nothing is read beyond them, and what is said of them is one printable
 * line. A file that is refused is refused again by the explanation. abort() is a find.
 */

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "io/elf-file.h"
#include "io/program-file.h"
#include "util/strv.h"
#include "util/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text) {
        if (!text)
                return;

        assert(utf8_is_valid(text, strlen(text)));
        for (const char *c = text; *c; c++)
                assert((unsigned char) *c >= 0x20 && *c != 0x7F);
}

static void check_elf(int fd) {
        _cleanup_(elf_needs_done) ElfNeeds needs = { 0 };
        _cleanup_free_ char *loader = NULL;
        uint64_t offset, n_bytes;
        ElfFile elf;

        if (elf_file_read(&elf, fd) < 0)
                return;

        (void) elf_file_read_interpreter(&elf, &loader);
        (void) elf_file_read_needs(&elf, &needs);
        (void) elf_file_find_section(&elf, "pydata", &offset, &n_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_close_ int fd = memfd_create("program", MFD_CLOEXEC);
        _cleanup_free_ char *advice = NULL, *explained = NULL;
        char *env[] = { NULL };
        char path[64];
        int r;

        assert(fd >= 0 && write(fd, data, size) == (ssize_t) size);
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

        check_elf(fd);
        r = program_file_check(path, &advice);
        assert(r < 0 ? advice != NULL : r == 0 && !advice);
        explained = program_file_explain(path, env);
        assert(r == 0 || streq(advice, explained));
        check_text(advice);
        check_text(explained);
        (void) program_file_is_pyinstaller(path);
        return 0;
}
