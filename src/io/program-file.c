/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ProgramFile
 *
 * What execve(2) does with a file, in its order: the file, then the loader or interpreter that it
 * names. Which machines this kernel runs is told by what runs already: our own executable. Where
 * the kernel may know more formats than that (binfmt_misc, programs of 32 bits), the word of the
 * file is not enough to refuse a start.
 */

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "config.h"
#include "io/elf-file.h"
#include "io/library-search.h"
#include "io/program-file.h"
#include "util/format.h"
#include "util/strv.h"
#include "util/utf8.h"

#define HEAD_BYTES 256u /* of a script; BINPRM_BUF_SIZE of the kernel since 5.1 */
#define TRIPLES_MAX 16u
#define BINFMT_FOLDER "/proc/sys/fs/binfmt_misc"

#define COOKIE_MAGIC "MEI\014\013\012\013\016"
#define COOKIE_HEAD_BYTES 20u
#define COOKIE_BYTES_MAX 88u
#define COOKIE_WITHIN (64u * 1024u) /* of the end: behind it stand at most section headers */

typedef struct Program {
        const char *path;
        int fd;
        struct stat st;
        char head[HEAD_BYTES + 1]; /* ends with a NUL */
        size_t n_head;
} Program;

static void program_done(Program *program) {
        program->fd = safe_close(program->fd);
}

/* Answers the error, so that a finding is one line; it counts more than a sentence about it. */
static int advise_with(char **ret_advice, int error, char *text) {
        *ret_advice = text;
        return error;
}

#define advise(ret_advice, error, ...) advise_with(ret_advice, error, format_text(__VA_ARGS__))

/* What a file says of itself may be anything. */
static char *printable(const char *text) {
        char *copy = utf8_make_valid(text, strlen(text));

        return copy ? utf8_make_printable(copy) : NULL;
}

/* Of a file that is no program, or one that may not be executed. */
static int check_rights(const Program *program, char **ret_advice) {
        struct statvfs fs;

        if (S_ISDIR(program->st.st_mode))
                return advise(ret_advice, -EACCES, "%s is a folder: name the program in it",
                              program->path);
        if (!S_ISREG(program->st.st_mode))
                return advise(ret_advice, -EACCES, "%s is not a regular file: name a program",
                              program->path);
        if (access(program->path, X_OK) >= 0)
                return 0;

        if (statvfs(program->path, &fs) >= 0 && (fs.f_flag & ST_NOEXEC))
                return advise(ret_advice, -EACCES,
                              "%s lies where nothing may be executed (mounted noexec): move it",
                              program->path);
        return advise(ret_advice, -EACCES, "%s is not executable: chmod +x it", program->path);
}

/* 0 with fd -1: it can be executed but not read, and so not looked into. */
static int program_open(Program *ret, const char *path, char **ret_advice) {
        Program program = { .path = path, .fd = -1 };
        ssize_t n;
        int r;

        if (stat(path, &program.st) < 0) {
                r = -errno;
                return advise(ret_advice, r, "%s: %s", path, strerrordesc_np(-r));
        }
        r = check_rights(&program, ret_advice);
        if (r < 0)
                return r;
        if (program.st.st_size == 0)
                return advise(ret_advice, -ENOEXEC, "%s is empty: install it again", path);

        program.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (program.fd >= 0) {
                n = TEMP_FAILURE_RETRY(pread(program.fd, program.head, HEAD_BYTES, 0));
                program.n_head = n > 0 ? (size_t) n : 0;
        }

        *ret = program;
        return 0;
}

static bool is_elf(const Program *program) {
        return program->n_head >= SELFMAG && memcmp(program->head, ELFMAG, SELFMAG) == 0;
}

static bool is_script(const Program *program) {
        return program->n_head >= 2 && memcmp(program->head, "#!", 2) == 0;
}

/* What the kernel opens for a program: 0, or its errno. */
static int interpreter_error(const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                return -errno;
        return S_ISREG(st.st_mode) && access(path, X_OK) >= 0 ? 0 : -EACCES;
}

/* Of a script: "#! /bin/sh -e" is /bin/sh. NULL: it is not in the part that the kernel reads. */
static char *script_interpreter(const Program *program) {
        const char *from = program->head + 2 + strspn(program->head + 2, " \t");
        size_t n = strcspn(from, " \t\n");

        if (n == 0 || (!from[n] && program->n_head == HEAD_BYTES))
                return NULL;
        return strndup(from, n);
}

static int check_script(const Program *program, char **ret_advice) {
        _cleanup_free_ char *interpreter = script_interpreter(program), *shown = NULL;
        size_t n = interpreter ? strlen(interpreter) : 0;
        int r;

        /* A relative one depends on the working directory. */
        if (n == 0 || interpreter[0] != '/')
                return 0;
        r = interpreter_error(interpreter);
        if (r != -ENOENT && r != -ENOTDIR && r != -EACCES)
                return 0;

        if (interpreter[n - 1] == '\r')
                return advise(ret_advice, r,
                              "%s has the line ends of Windows, and no interpreter has one in its "
                              "name: convert it with dos2unix",
                              program->path);
        shown = printable(interpreter);
        return advise(ret_advice, r,
                      r == -EACCES ? "%s names %s in its first line, which is not executable: "
                                     "correct that line"
                                   : "%s names %s in its first line, which is not there: install "
                                     "it, or correct that line",
                      program->path, shown ? shown : "an interpreter");
}

/* Of the machine, as far as it is proven: we run on it. */
static int own_kind(ElfKind *ret) {
        _cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : elf_kind_read(ret, fd);
}

/* A kernel may run the programs of its smaller brother, or of the other byte order. */
static bool may_run(const ElfKind *own, const ElfKind *kind) {
        static const struct {
                uint16_t one, other;
        } pairs[] = {
                { EM_X86_64, EM_386 },
                { EM_AARCH64, EM_ARM },
                { EM_PPC64, EM_PPC },
                { EM_SPARCV9, EM_SPARC },
        };

        for (size_t i = 0; i < ELEMENTSOF(pairs); i++)
                if ((own->machine == pairs[i].one && kind->machine == pairs[i].other) ||
                    (kind->machine == pairs[i].one && own->machine == pairs[i].other))
                        return true;

        return own->machine == kind->machine;
}

/* Somebody registered an interpreter, such as qemu, for files of another format. */
static bool has_other_formats(void) {
        _cleanup_(closedirp) DIR *dir = opendir(BINFMT_FOLDER);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir)))
                if (entry->d_name[0] != '.' && !streq(entry->d_name, "register") &&
                    !streq(entry->d_name, "status"))
                        return true;

        return false;
}

static int
advise_machine(const Program *program, const ElfKind *kind, const ElfKind *own, char **ret_advice) {
        char kind_text[ELF_KIND_TEXT_MAX], own_text[ELF_KIND_TEXT_MAX];
        const char *here = elf_kind_say(own_text, own);

        return advise(ret_advice, -ENOEXEC,
                      "%s is built for %s, and this machine is %s: install the build for %s",
                      program->path, elf_kind_say(kind_text, kind), here, here);
}

static int check_loader(const Program *program, const char *loader, char **ret_advice) {
        _cleanup_free_ char *shown = printable(loader);
        int r = loader[0] == '/' ? interpreter_error(loader) : 0;

        if (r != -ENOENT && r != -ENOTDIR)
                return 0;

        return advise(
                ret_advice, r, "%s needs the loader %s, which is not there: %s", program->path,
                shown ? shown : "of another system",
                strstr(loader, "musl") ? "install musl, or the build for glibc"
                : streq(loader, "/lib/ld-linux.so.2")
                        ? "install the 32-bit C library (libc6:i386 on Debian)"
                        : "install the C library it belongs to, or the build for this system");
}

static int check_elf(const Program *program, char **ret_advice) {
        _cleanup_free_ char *loader = NULL;
        ElfFile elf;
        ElfKind own;

        if (elf_file_read(&elf, program->fd) < 0 || own_kind(&own) < 0)
                return 0;
        if (!may_run(&own, &elf.kind))
                return has_other_formats() ? 0
                                           : advise_machine(program, &elf.kind, &own, ret_advice);
        if (elf_file_read_interpreter(&elf, &loader) < 0 || !loader)
                return 0;

        return check_loader(program, loader, ret_advice);
}

int program_file_check(const char *path, char **ret_advice) {
        _cleanup_(program_done) Program program = { .fd = -1 };
        int r;

        r = program_open(&program, path, ret_advice);
        if (r < 0 || program.fd < 0)
                return r;

        return is_elf(&program)      ? check_elf(&program, ret_advice)
               : is_script(&program) ? check_script(&program, ret_advice)
                                     : 0;
}

/* "#!/usr/bin/env python3\r": the interpreter is there, and gets an argument that is not. */
static void suspect_script(const Program *program, char **ret_advice) {
        const char *end = strchr(program->head, '\n');

        if (end && end[-1] == '\r')
                (void) advise(ret_advice, 0,
                              "%s has the line ends of Windows: convert it with dos2unix",
                              program->path);
}

static void suspect_format(const Program *program, char **ret_advice) {
        static const struct {
                const char *magic, *system;
        } others[] = {
                { "MZ", "Windows" },
                { "\xCF\xFA\xED\xFE", "macOS" },
                { "\xCA\xFE\xBA\xBE", "macOS, or Java" },
        };

        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (startswith(program->head, others[i].magic)) {
                        (void) advise(ret_advice, 0,
                                      "%s is a program for %s: install the build for Linux",
                                      program->path, others[i].system);
                        return;
                }

        (void) advise(ret_advice, 0,
                      "%s is neither a Linux program nor a script with #! in its first line: "
                      "let a script begin with #!/bin/sh",
                      program->path);
}

static void
suspect_library(const Program *program, const ElfFile *elf, char *const *env, char **ret_advice) {
        _cleanup_free_ char *loader = NULL, *library = NULL, *shown = NULL;

        if (elf_file_read_interpreter(elf, &loader) < 0 || !loader ||
            library_find_missing(elf, program->path, loader, env, &library) < 0 || !library)
                return;

        shown = printable(library);
        (void) advise(ret_advice, 0,
                      "%s needs the library %s, which was not found: install the package that "
                      "has it, or name its folder in LD_LIBRARY_PATH",
                      program->path, shown ? shown : "");
}

static void suspect_elf(const Program *program, char *const *env, char **ret_advice) {
        ElfFile elf;
        ElfKind own;
        int r;

        r = elf_file_read(&elf, program->fd);
        if (r < 0 || elf_file_is_cut_short(&elf))
                (void) advise(ret_advice, 0, "%s is damaged or cut short: install it again",
                              program->path);
        else if (elf.type != ET_EXEC && elf.type != ET_DYN)
                (void) advise(ret_advice, 0, "%s is a part of a program and no whole one: link it",
                              program->path);
        else
                suspect_library(program, &elf, env, ret_advice);

        if (r >= 0 && !*ret_advice && own_kind(&own) >= 0 && !elf_kind_equal(&elf.kind, &own))
                (void) advise_machine(program, &elf.kind, &own, ret_advice);
}

char *program_file_explain(const char *path, char *const *env) {
        _cleanup_(program_done) Program program = { .fd = -1 };
        char *advice = NULL;

        if (program_file_check(path, &advice) < 0)
                return advice;
        if (program_open(&program, path, &advice) < 0 || program.fd < 0)
                return advice;

        if (is_elf(&program))
                suspect_elf(&program, env, &advice);
        else if (is_script(&program))
                suspect_script(&program, &advice);
        else
                suspect_format(&program, &advice);

        return advice;
}

/*
 * The head of the cookie, in network byte order, is the same in all versions: magic, bytes of the
 * archive (which ends with the cookie), where in it the table of contents is, and how long. Our own
 * code has the magic too, so the numbers have to agree.
 */
static bool is_cookie(const char *bytes, uint64_t offset) {
        uint32_t numbers[3];
        uint64_t n_archive, toc, n_toc;

        memcpy(numbers, bytes + strlen(COOKIE_MAGIC), sizeof(numbers));
        n_archive = be32toh(numbers[0]);
        toc = be32toh(numbers[1]);
        n_toc = be32toh(numbers[2]);

        return n_archive > COOKIE_HEAD_BYTES && n_archive <= offset + COOKIE_BYTES_MAX &&
               n_toc > 0 && toc + n_toc < n_archive;
}

/* Before that end, which is the file's or that of a section. */
static bool has_cookie_before(int fd, uint64_t end) {
        size_t n = end < COOKIE_WITHIN ? (size_t) end : COOKIE_WITHIN;
        _cleanup_free_ char *bytes = malloc(n + 1);
        const char *from = bytes, *hit;

        if (!bytes || file_read_at(fd, end - n, bytes, n) < 0)
                return false;

        while ((hit = memmem(from, n - (size_t) (from - bytes), COOKIE_MAGIC,
                             strlen(COOKIE_MAGIC)))) {
                if ((size_t) (bytes + n - hit) >= COOKIE_HEAD_BYTES &&
                    is_cookie(hit, end - n + (size_t) (hit - bytes)))
                        return true;
                from = hit + 1;
        }

        return false;
}

bool program_file_is_pyinstaller(const char *path) {
        _cleanup_close_ int fd = -1;
        uint64_t offset, n_bytes, end;
        struct stat st;
        ElfFile elf;

        /* A device or a pipe might not even open. */
        if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
                return false;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || elf_file_read(&elf, fd) < 0)
                return false;

        /* Behind the ELF file, or, where objcopy was there to do it, in a section of it. */
        if (has_cookie_before(fd, elf.n_bytes))
                return true;
        return elf_file_find_section(&elf, "pydata", &offset, &n_bytes) >= 0 &&
               !__builtin_add_overflow(offset, n_bytes, &end) && end <= elf.n_bytes &&
               has_cookie_before(fd, end);
}

/* "aarch64-apple-darwin" and the like: two dashes at least, and it begins as a machine does. */
static bool is_triple(const char *text) {
        static const char *const machines[] = { "aarch64-",   "arm",     "i586-", "i686-",
                                                "loongarch",  "powerpc", "riscv", "s390x-",
                                                "universal-", "x86_64-" };
        const char *dash = strchr(text, '-');

        if (!dash || !strchr(dash + 1, '-'))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(machines); i++)
                if (startswith(text, machines[i]))
                        return true;

        return false;
}

/* Of one candidate: what lies in its folder as its name, a dash and a triple. */
static int add_triples(char ***list, const char *candidate) {
        const char *name = strrchr(candidate, '/') + 1;
        _cleanup_free_ char *folder = strndup(candidate, (size_t) (name - candidate));
        _cleanup_(closedirp) DIR *dir = folder ? opendir(folder) : NULL;
        const struct dirent *entry;
        size_t n = strlen(name);

        while (dir && strv_length(*list) < TRIPLES_MAX && (entry = readdir(dir))) {
                int r;

                if (!startswith(entry->d_name, name) || entry->d_name[n] != '-' ||
                    !is_triple(entry->d_name + n + 1))
                        continue;
                r = strv_extendf(list, "%s%s", folder, entry->d_name);
                if (r < 0)
                        return r;
        }

        return folder ? 0 : -ENOMEM;
}

int program_file_list_triples(char ***ret, char *const *candidates) {
        _cleanup_(strv_freep) char **list = NULL;

        STRV_FOREACH (candidate, candidates) {
                int r;

                /* The one with our own triple is beside the one without. */
                if (**candidate != '/' || strstr(*candidate, "-" SIDECARD_TRIPLE))
                        continue;
                r = add_triples(&list, *candidate);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(list);
        return 0;
}
