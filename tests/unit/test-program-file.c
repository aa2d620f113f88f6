/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Contract S4: what is told of a program file. The judge is the kernel: each file is executed too,
 * and what execve(2) and ld.so(8) make of it is what was to be foretold.
 */

#include <endian.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "io/elf-file.h"
#include "io/program-file.h"
#include "test.h"
#include "util/strv.h"

#define MAGIC "MEI\014\013\012\013\016"

#define FOLDER "/tmp/sidecard-program-XXXXXX"

static char folder[sizeof(FOLDER)];
static char path[sizeof(FOLDER) + 16];

static int remove_entry(const char *name,
                        const struct stat *st _unused_,
                        int type _unused_,
                        struct FTW *walk _unused_) {
        return remove(name);
}

static void setup(void) {
        (void) strcpy(folder, FOLDER);
        ck_assert_ptr_nonnull(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/program", folder);
}

static void teardown(void) {
        ck_assert_int_eq(nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void write_file(const char *name, const void *bytes, size_t n_bytes, mode_t mode) {
        FILE *file = fopen(name, "we");

        ck_assert_ptr_nonnull(file);
        ck_assert_uint_eq(fwrite(bytes, 1, n_bytes, file), n_bytes);
        ck_assert_int_eq(fclose(file), 0);
        ck_assert_int_eq(chmod(name, mode), 0);
}

static void write_text(const char *text) {
        write_file(path, text, strlen(text), 0755);
}

/* All of a file, and a NUL. */
static char *read_file(const char *name, size_t *ret_n) {
        _cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC);
        struct stat st;
        char *bytes;

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fstat(fd, &st), 0);
        bytes = calloc(1, (size_t) st.st_size + 1);
        ck_assert_ptr_nonnull(bytes);
        ck_assert_int_eq(file_read_at(fd, 0, bytes, (size_t) st.st_size), 0);
        *ret_n = (size_t) st.st_size;
        return bytes;
}

static const char *child_path(const char *name) {
        static char buffer[4096];
        const char *children = getenv("SIDECARD_CHILDREN");

        ck_assert_ptr_nonnull(children);
        (void) snprintf(buffer, sizeof(buffer), "%s/%s", children, name);
        return buffer;
}

/* The negative errno of execve(2), or the exit code of the program that it became. */
static int really_execute(char *const *env) {
        char *argv[] = { path, NULL };
        int fds[2], error = 0, status;
        pid_t pid;

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                (void) dup2(open("/dev/null", O_RDWR | O_CLOEXEC), STDIN_FILENO);
                (void) dup2(STDIN_FILENO, STDOUT_FILENO);
                (void) dup2(STDIN_FILENO, STDERR_FILENO);
                (void) execve(path, argv, env);
                error = errno;
                (void) !write(fds[1], &error, sizeof(error));
                _exit(0);
        }

        (void) close(fds[1]);
        (void) !read(fds[0], &error, sizeof(error));
        (void) close(fds[0]);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        return error != 0 ? -error : WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* It is told before the start, with the errno of the kernel and with these words. */
static void assert_refused(const char *words) {
        char *env[] = { NULL };
        _cleanup_free_ char *advice = NULL, *explained = NULL;
        int r = program_file_check(path, &advice);

        ck_assert_int_lt(r, 0);
        ck_assert_int_eq(r, really_execute(env));
        ck_assert_ptr_nonnull(advice);
        ck_assert_msg(strstr(advice, words) && startswith(advice, path), "%s", advice);

        explained = program_file_explain(path, env);
        ck_assert_str_eq(explained, advice);
}

/* It is let through, and explained with these words (NULL: not at all) once it has failed. */
static void assert_suspected(char *const *env, const char *words) {
        _cleanup_free_ char *advice = NULL, *explained = NULL;

        ck_assert_int_eq(program_file_check(path, &advice), 0);
        ck_assert_ptr_null(advice);
        explained = program_file_explain(path, env);
        if (!words)
                ck_assert_msg(!explained, "%s", explained);
        else
                ck_assert_msg(explained && strstr(explained, words), "%s", explained);
}

START_TEST(what_is_no_file_to_execute_is_refused) {
        assert_refused("No such file");
        ck_assert_int_eq(mkdir(path, 0755), 0);
        assert_refused("is a folder");
        ck_assert_int_eq(rmdir(path), 0);
        ck_assert_int_eq(mkfifo(path, 0755), 0);
        assert_refused("not a regular file");
        ck_assert_int_eq(unlink(path), 0);
        write_file(path, "#!/bin/sh\n", 10, 0644);
        assert_refused("chmod +x");
        ck_assert_int_eq(unlink(path), 0);
        write_text("");
        assert_refused("is empty");
}
END_TEST

START_TEST(a_script_needs_its_interpreter) {
        write_text("#!/nonexistent/python3\n");
        assert_refused("names /nonexistent/python3 in its first line, which is not there");
        write_text("#! \t/nonexistent/python3 -u\n");
        assert_refused("/nonexistent/python3 in its");
        write_text("#!/nonexistent/python3");
        assert_refused("/nonexistent/python3 in its");
        write_text("#!/etc/passwd\n");
        assert_refused("/etc/passwd in its first line, which is not executable");
        write_text("#!/etc\n");
        assert_refused("not executable");
        write_text("#!/nonexistent/\033[31mred\n");
        assert_refused("/nonexistent/?[31mred");
}
END_TEST

START_TEST(a_script_with_the_line_ends_of_windows_is_recognised) {
        char *env[] = { (char *) "PATH=/usr/bin:/bin", NULL };

        write_text("#!/bin/sh\r\nexit 0\r\n");
        assert_refused("line ends of Windows");
        write_text("#!/usr/bin/env sh\r\nexit 0\r\n");
        ck_assert_int_eq(really_execute(env), 127);
        assert_suspected(env, "line ends of Windows");
}
END_TEST

START_TEST(a_healthy_script_is_let_through) {
        static const char *const scripts[] = { "#!/bin/sh\nexit 0\n", "#! /bin/sh -e\nexit 0\n",
                                               "#!/bin/sh", "#!/usr/bin/env sh\nexit 0\n" };
        char *env[] = { (char *) "PATH=/usr/bin:/bin", NULL };

        for (size_t i = 0; i < ELEMENTSOF(scripts); i++) {
                write_text(scripts[i]);
                ck_assert_int_eq(really_execute(env), 0);
                assert_suspected(env, NULL);
        }

        /* Of whose interpreter the kernel's buffer holds no end. */
        char line[600] = "#!/";
        memset(line + 3, 'x', sizeof(line) - 4);
        write_text(line);
        assert_suspected(env, NULL);
}
END_TEST

START_TEST(what_is_neither_program_nor_script_is_explained) {
        char *env[] = { NULL };

        write_text("echo hello\n");
        ck_assert_int_eq(really_execute(env), -ENOEXEC);
        assert_suspected(env, "neither a Linux program nor a script");
        write_text("MZ\x90");
        assert_suspected(env, "program for Windows");
        write_text("\x7F"
                   "ELF");
        ck_assert_int_eq(really_execute(env), -ENOEXEC);
        assert_suspected(env, "damaged or cut short");
}
END_TEST

/* A copy of a real program, with the header in hand. */
static char *copy_program(size_t *ret_n, Elf64_Ehdr **ret_header) {
        char *bytes = read_file(child_path("needs-library"), ret_n);

        ck_assert_int_eq(bytes[EI_CLASS], ELFCLASS64);
        *ret_header = (Elf64_Ehdr *) (void *) bytes;
        return bytes;
}

START_TEST(a_program_for_another_machine_names_both) {
        char *env[] = { NULL };
        Elf64_Ehdr *header;
        size_t n;
        _cleanup_free_ char *bytes = copy_program(&n, &header);
        _cleanup_free_ char *explained = NULL, *advice = NULL;
        char own_text[ELF_KIND_TEXT_MAX];
        ElfKind own = { true, __BYTE_ORDER == __BIG_ENDIAN, header->e_machine };
        int r;

        header->e_machine = header->e_machine == EM_S390 ? EM_X86_64 : EM_S390;
        write_file(path, bytes, n, 0755);
        ck_assert_int_eq(really_execute(env), -ENOEXEC);
        explained = program_file_explain(path, env);
        ck_assert_ptr_nonnull(
                strstr(explained, header->e_machine == EM_S390
                                          ? "is built for S/390x, and this machine is "
                                          : "is built for 64-bit x86, and"));
        ck_assert_ptr_nonnull(strstr(explained, elf_kind_say(own_text, &own)));

        /* Where somebody registered other formats, qemu say, it is only suspected. */
        r = program_file_check(path, &advice);
        ck_assert(r == -ENOEXEC ||
                  (r == 0 && access("/proc/sys/fs/binfmt_misc/status", F_OK) == 0));
        if (r < 0)
                ck_assert_str_eq(advice, explained);
}
END_TEST

START_TEST(a_machine_that_has_no_name_is_told_by_its_number) {
        char text[ELF_KIND_TEXT_MAX];
        ElfKind kind = { .is_64_bit = false, .machine = 4242 };

        kind.is_big_endian = __BYTE_ORDER == __BIG_ENDIAN;
        ck_assert_str_eq(elf_kind_say(text, &kind), "a 32-bit machine (ELF number 4242)");
        kind = (ElfKind){ true, __BYTE_ORDER == __LITTLE_ENDIAN, EM_PPC64 };
        ck_assert_ptr_nonnull(strstr(elf_kind_say(text, &kind), "64-bit PowerPC, "));
}
END_TEST

START_TEST(a_program_needs_its_loader) {
        Elf64_Ehdr *header;
        size_t n;
        _cleanup_free_ char *bytes = copy_program(&n, &header), *loader = NULL;
        _cleanup_close_ int fd = open(child_path("needs-library"), O_RDONLY | O_CLOEXEC);
        ElfFile elf;
        char *at;

        ck_assert_int_eq(elf_file_read(&elf, fd), 0);
        ck_assert_int_eq(elf_file_read_interpreter(&elf, &loader), 0);
        at = memmem(bytes, n, loader, strlen(loader) + 1);
        ck_assert_ptr_nonnull(at);
        at[strlen(loader) - 1] = '~';
        write_file(path, bytes, n, 0755);
        assert_refused("needs the loader /lib");

        memcpy(at, "/lib/musl", 10);
        write_file(path, bytes, n, 0755);
        assert_refused("needs the loader /lib/musl, which is not there: install musl");
}
END_TEST

START_TEST(a_library_that_is_missing_explains_exit_127) {
        Elf64_Ehdr *header;
        size_t n;
        _cleanup_free_ char *bytes = copy_program(&n, &header);
        _cleanup_free_ char *library = NULL, *explained = NULL;
        char *nowhere[] = { NULL };
        char *found[] = { NULL, NULL };

        /* Where it was built its DT_RUNPATH has $ORIGIN. */
        explained = program_file_explain(child_path("needs-library"), nowhere);
        ck_assert_msg(!explained, "%s", explained);

        write_file(path, bytes, n, 0755);
        ck_assert_int_eq(really_execute(nowhere), 127);
        assert_suspected(nowhere, "needs the library libneeded.so, which was not found");

        ck_assert_int_gt(asprintf(&library, "LD_LIBRARY_PATH=%s", child_path("")), 0);
        found[0] = library;
        ck_assert_int_eq(really_execute(found), 0);
        assert_suspected(found, NULL);

        /* One for another machine does not count; in doubt nothing is said. */
        header->e_machine = EM_NONE;
        (void) snprintf(path, sizeof(path), "%s/libneeded.so", folder);
        write_file(path, bytes, n, 0644);
        (void) snprintf(path, sizeof(path), "%s/program", folder);
        free(library);
        ck_assert_int_gt(asprintf(&library, "LD_LIBRARY_PATH=%s", folder), 0);
        found[0] = library;
        ck_assert_int_eq(really_execute(found), 127);
        assert_suspected(found, "libneeded.so");
        found[0] = (char *) "LD_LIBRARY_PATH=relative";
        assert_suspected(found, NULL);
        found[0] = (char *) "LD_LIBRARY_PATH=/usr/$LIB";
        assert_suspected(found, NULL);
}
END_TEST

START_TEST(programs_of_this_machine_raise_no_false_alarm) {
        static const char *const programs[] = { "/proc/self/exe", "/bin/sh", "/usr/bin/env",
                                                "/usr/bin/dpkg", "/usr/bin/perl" };

        /* They are there, so they are fine: their libraries stand in ld.so.conf's folders too. */
        for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
                _cleanup_free_ char *advice = NULL;

                if (access(programs[i], F_OK) < 0)
                        continue;
                advice = program_file_explain(programs[i], environ);
                ck_assert_msg(!advice, "%s", advice);
                ck_assert(!program_file_is_pyinstaller(programs[i]));
        }
}
END_TEST

START_TEST(a_program_that_is_cut_short_or_no_whole_one_is_explained) {
        char *env[] = { NULL };
        Elf64_Ehdr *header;
        size_t n;
        _cleanup_free_ char *bytes = copy_program(&n, &header);

        write_file(path, bytes, n / 4, 0755);
        assert_suspected(env, "cut short");
        header->e_type = ET_REL;
        write_file(path, bytes, n, 0755);
        ck_assert_int_eq(really_execute(env), -ENOEXEC);
        assert_suspected(env, "part of a program");
}
END_TEST

/* An archive as PyInstaller appends it: data, table, cookie. */
static size_t make_archive(char *to, uint32_t n_archive) {
        uint32_t numbers[] = { htobe32(n_archive), htobe32(100), htobe32(40), htobe32(311) };

        memset(to, 'z', 140);
        memset(to + 140, 0, 88);
        memcpy(to + 140, MAGIC, 8);
        memcpy(to + 148, numbers, sizeof(numbers));
        memcpy(to + 164, "libpython3.11.so.1.0", 20);
        return 228;
}

START_TEST(a_bootloader_of_pyinstaller_is_recognised_by_its_cookie) {
        size_t n;
        _cleanup_free_ char *bytes = read_file(child_path("sleeper"), &n);

        ck_assert(!program_file_is_pyinstaller(child_path("sleeper")));
        ck_assert(!program_file_is_pyinstaller(folder));
        bytes = reallocarray(bytes, n + 100000, 1);
        ck_assert_ptr_nonnull(bytes);

        n += make_archive(bytes + n, 228);
        write_file(path, bytes, n, 0755);
        ck_assert(program_file_is_pyinstaller(path));

        /* A signature may stand behind it. */
        memset(bytes + n, 's', 5000);
        write_file(path, bytes, n + 5000, 0755);
        ck_assert(program_file_is_pyinstaller(path));

        /* The magic alone, as programs have it that look for it, is none. */
        n -= 228;
        (void) make_archive(bytes + n, UINT32_MAX);
        write_file(path, bytes, n + 228, 0755);
        ck_assert(!program_file_is_pyinstaller(path));
        write_file(path, bytes, n + 148, 0755);
        ck_assert(!program_file_is_pyinstaller(path));
}
END_TEST

START_TEST(a_bootloader_may_have_its_archive_in_a_section) {
        size_t n, n_archive;
        _cleanup_free_ char *bytes = read_file(child_path("sleeper"), &n);
        Elf64_Ehdr *header = (Elf64_Ehdr *) (void *) bytes;
        Elf64_Shdr *sections = (Elf64_Shdr *) (void *) (bytes + header->e_shoff);
        const char *names = bytes + sections[header->e_shstrndx].sh_offset;
        char archive[228];
        size_t i = 0;

        /* .comment takes the role, and lies far from the end. */
        while (i < header->e_shnum && !streq(names + sections[i].sh_name, ".comment"))
                i++;
        ck_assert_uint_lt(i, header->e_shnum);
        n_archive = make_archive(archive, 228);
        bytes = reallocarray(bytes, n + n_archive + 100000, 1);
        ck_assert_ptr_nonnull(bytes);
        header = (Elf64_Ehdr *) (void *) bytes;
        sections = (Elf64_Shdr *) (void *) (bytes + header->e_shoff);
        memcpy(bytes + sections[header->e_shstrndx].sh_offset + sections[i].sh_name, "pydata", 7);
        memcpy(bytes + n, archive, n_archive);
        memset(bytes + n + n_archive, 0, 100000);
        sections[i].sh_offset = n;
        sections[i].sh_size = n_archive;
        write_file(path, bytes, n + n_archive + 100000, 0755);
        ck_assert(program_file_is_pyinstaller(path));

        sections[i].sh_offset = UINT64_MAX - 100;
        write_file(path, bytes, n + n_archive + 100000, 0755);
        ck_assert(!program_file_is_pyinstaller(path));
}
END_TEST

START_TEST(builds_for_other_machines_are_listed) {
        static const char *const names[] = { "program-aarch64-apple-darwin",
                                             "program-x86_64-pc-windows-msvc.exe",
                                             "program-config",
                                             "program-config-of-x86_64",
                                             "programs-aarch64-apple-darwin",
                                             "program-x86_64" };
        char *candidates[] = { path, (char *) "/nonexistent/program", NULL };
        _cleanup_(strv_freep) char **list = NULL;
        char name[128];

        ck_assert_int_eq(program_file_list_triples(&list, candidates), 0);
        ck_assert_ptr_null(list);

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                (void) snprintf(name, sizeof(name), "%s/%s", folder, names[i]);
                write_file(name, "", 0, 0755);
        }
        ck_assert_int_eq(program_file_list_triples(&list, candidates), 0);
        ck_assert_uint_eq(strv_length(list), 2);
        for (size_t i = 0; i < 2; i++) {
                (void) snprintf(name, sizeof(name), "%s/%s", folder, names[i]);
                ck_assert(strv_contains(list, name));
        }
}
END_TEST

TEST_MAIN("program file",
          setup,
          teardown,
          what_is_no_file_to_execute_is_refused,
          a_script_needs_its_interpreter,
          a_script_with_the_line_ends_of_windows_is_recognised,
          a_healthy_script_is_let_through,
          what_is_neither_program_nor_script_is_explained,
          a_program_for_another_machine_names_both,
          a_machine_that_has_no_name_is_told_by_its_number,
          a_program_needs_its_loader,
          a_library_that_is_missing_explains_exit_127,
          programs_of_this_machine_raise_no_false_alarm,
          a_program_that_is_cut_short_or_no_whole_one_is_explained,
          a_bootloader_of_pyinstaller_is_recognised_by_its_cookie,
          a_bootloader_may_have_its_archive_in_a_section,
          builds_for_other_machines_are_listed)
