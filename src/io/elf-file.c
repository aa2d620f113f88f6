/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ElfFile
 *
 * Headers of 32 bits are widened as they are read, and from there on all is 64 bits. Every offset
 * and length comes from the file, so each goes through file_read_at(), and no sum of two is
 * trusted not to wrap.
 */

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/elf-file.h"
#include "util/strv.h"

#define DYNAMIC_ENTRIES_MAX 512u
#define SECTIONS_MAX 512u

#define IS_BIG_ENDIAN (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

static const struct {
        uint16_t machine;
        const char *bits_32;
        const char *bits_64;
} machine_names[] = {
        { EM_386, "32-bit x86", NULL },
        { EM_X86_64, "x32", "64-bit x86" },
        { EM_ARM, "32-bit ARM", NULL },
        { EM_AARCH64, "64-bit ARM (ILP32)", "64-bit ARM" },
        { EM_RISCV, "32-bit RISC-V", "64-bit RISC-V" },
        { EM_PPC, "32-bit PowerPC", NULL },
        { EM_PPC64, NULL, "64-bit PowerPC" },
        { EM_S390, "32-bit S/390", "S/390x" },
        { EM_MIPS, "32-bit MIPS", "64-bit MIPS" },
        { EM_LOONGARCH, "32-bit LoongArch", "64-bit LoongArch" },
        { EM_SPARCV9, NULL, "64-bit SPARC" },
};

void elf_needs_done(ElfNeeds *needs) {
        strv_free(needs->libraries);
        free(needs->rpath);
        free(needs->runpath);
}

int file_read_at(int fd, uint64_t offset, void *buffer, size_t n_bytes) {
        char *to = buffer;

        if (offset > INT64_MAX - n_bytes)
                return -EBADMSG;

        while (n_bytes > 0) {
                ssize_t n = TEMP_FAILURE_RETRY(pread(fd, to, n_bytes, (off_t) offset));

                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EBADMSG;
                to += n;
                offset += (uint64_t) n;
                n_bytes -= (size_t) n;
        }

        return 0;
}

static bool is_foreign(const ElfKind *kind) {
        return kind->is_big_endian != IS_BIG_ENDIAN;
}

static uint16_t read_half(const ElfKind *kind, uint16_t half) {
        return is_foreign(kind) ? __builtin_bswap16(half) : half;
}

/* A header of either class has the same first fields. */
static int read_identity(int fd, ElfKind *ret, uint16_t *ret_type) {
        Elf32_Ehdr header;
        int r;

        r = file_read_at(fd, 0, &header, offsetof(Elf32_Ehdr, e_version));
        if (r == -EBADMSG || (r >= 0 && memcmp(header.e_ident, ELFMAG, SELFMAG) != 0))
                return -ENOEXEC;
        if (r < 0)
                return r;

        if ((header.e_ident[EI_CLASS] != ELFCLASS32 && header.e_ident[EI_CLASS] != ELFCLASS64) ||
            (header.e_ident[EI_DATA] != ELFDATA2LSB && header.e_ident[EI_DATA] != ELFDATA2MSB))
                return -ENOEXEC;

        ret->is_64_bit = header.e_ident[EI_CLASS] == ELFCLASS64;
        ret->is_big_endian = header.e_ident[EI_DATA] == ELFDATA2MSB;
        ret->machine = read_half(ret, header.e_machine);
        *ret_type = read_half(ret, header.e_type);
        return 0;
}

int elf_kind_read(ElfKind *ret, int fd) {
        ElfKind kind;
        uint16_t type;
        int r;

        r = read_identity(fd, &kind, &type);
        if (r < 0)
                return r;

        *ret = kind;
        return 0;
}

bool elf_kind_equal(const ElfKind *a, const ElfKind *b) {
        return a->is_64_bit == b->is_64_bit && a->is_big_endian == b->is_big_endian &&
               a->machine == b->machine;
}

const char *elf_kind_say(char buffer[ELF_KIND_TEXT_MAX], const ElfKind *kind) {
        const char *name = NULL;

        for (size_t i = 0; i < ELEMENTSOF(machine_names); i++)
                if (machine_names[i].machine == kind->machine)
                        name = kind->is_64_bit ? machine_names[i].bits_64
                                               : machine_names[i].bits_32;
        if (name && !is_foreign(kind))
                return name;

        if (name)
                (void) snprintf(buffer, ELF_KIND_TEXT_MAX, "%s, %s-endian", name,
                                kind->is_big_endian ? "big" : "little");
        else
                (void) snprintf(buffer, ELF_KIND_TEXT_MAX, "a %d-bit machine (ELF number %u)",
                                kind->is_64_bit ? 64 : 32, kind->machine);
        return buffer;
}

static int read_segment(const ElfFile *elf, uint64_t offset, Elf64_Phdr *ret) {
        Elf32_Phdr narrow;
        int r;

        if (elf->kind.is_64_bit)
                return file_read_at(elf->fd, offset, ret, sizeof(*ret));

        r = file_read_at(elf->fd, offset, &narrow, sizeof(narrow));
        if (r < 0)
                return r;

        *ret = (Elf64_Phdr){
                .p_type = narrow.p_type,
                .p_offset = narrow.p_offset,
                .p_vaddr = narrow.p_vaddr,
                .p_filesz = narrow.p_filesz,
        };
        return 0;
}

/* The rest of the header: where the tables are. */
static int read_header(ElfFile *elf, Elf64_Ehdr *ret) {
        Elf32_Ehdr narrow;
        int r;

        if (elf->kind.is_64_bit)
                return file_read_at(elf->fd, 0, ret, sizeof(*ret));

        r = file_read_at(elf->fd, 0, &narrow, sizeof(narrow));
        if (r < 0)
                return r;

        *ret = (Elf64_Ehdr){
                .e_phoff = narrow.e_phoff,
                .e_phentsize = narrow.e_phentsize,
                .e_phnum = narrow.e_phnum,
                .e_shoff = narrow.e_shoff,
                .e_shentsize = narrow.e_shentsize,
                .e_shnum = narrow.e_shnum,
                .e_shstrndx = narrow.e_shstrndx,
        };
        return 0;
}

static int read_tables(ElfFile *elf) {
        size_t size = elf->kind.is_64_bit ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
        Elf64_Ehdr header;
        int r;

        r = read_header(elf, &header);
        if (r < 0)
                return r;
        if (header.e_phnum > ELF_SEGMENTS_MAX || header.e_phoff > elf->n_bytes ||
            (header.e_phnum > 0 && header.e_phentsize != size))
                return -EBADMSG;

        for (size_t i = 0; i < header.e_phnum; i++) {
                r = read_segment(elf, header.e_phoff + i * size, &elf->segments[i]);
                if (r < 0)
                        return r;
        }

        elf->n_segments = header.e_phnum;
        elf->sections_at = header.e_shoff;
        elf->section_size = header.e_shentsize;
        elf->n_sections = header.e_shnum;
        elf->section_of_names = header.e_shstrndx;
        return 0;
}

int elf_file_read(ElfFile *ret, int fd) {
        ElfFile elf = { .fd = fd };
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        elf.n_bytes = (uint64_t) st.st_size;

        r = read_identity(fd, &elf.kind, &elf.type);
        if (r >= 0 && !is_foreign(&elf.kind))
                r = read_tables(&elf);
        if (r < 0)
                return r;

        *ret = elf;
        return 0;
}

bool elf_file_is_cut_short(const ElfFile *elf) {
        for (size_t i = 0; i < elf->n_segments; i++) {
                const Elf64_Phdr *segment = &elf->segments[i];

                if (segment->p_type == PT_LOAD && segment->p_filesz > 0 &&
                    (segment->p_offset > elf->n_bytes ||
                     segment->p_filesz > elf->n_bytes - segment->p_offset))
                        return true;
        }

        return false;
}

static const Elf64_Phdr *find_segment(const ElfFile *elf, uint32_t type) {
        for (size_t i = 0; i < elf->n_segments; i++)
                if (elf->segments[i].p_type == type)
                        return &elf->segments[i];

        return NULL;
}

/* A string that ends within n_max bytes, and within PATH_MAX. */
static int read_string(const ElfFile *elf, uint64_t offset, uint64_t n_max, char **ret) {
        char buffer[PATH_MAX];
        size_t n;
        int r;

        if (offset >= elf->n_bytes)
                return -EBADMSG;
        if (n_max > elf->n_bytes - offset)
                n_max = elf->n_bytes - offset;
        n = n_max < sizeof(buffer) ? (size_t) n_max : sizeof(buffer);

        r = file_read_at(elf->fd, offset, buffer, n);
        if (r < 0)
                return r;
        if (!memchr(buffer, '\0', n))
                return -EBADMSG;

        *ret = strdup(buffer);
        return *ret ? 0 : -ENOMEM;
}

int elf_file_read_interpreter(const ElfFile *elf, char **ret) {
        const Elf64_Phdr *segment = find_segment(elf, PT_INTERP);

        if (segment)
                return read_string(elf, segment->p_offset, segment->p_filesz, ret);

        *ret = NULL;
        return 0;
}

/* Where in the file lies what will be at that address. */
static int find_address(const ElfFile *elf, uint64_t address, uint64_t *ret) {
        for (size_t i = 0; i < elf->n_segments; i++) {
                const Elf64_Phdr *segment = &elf->segments[i];

                if (segment->p_type == PT_LOAD && address >= segment->p_vaddr &&
                    address - segment->p_vaddr < segment->p_filesz)
                        return __builtin_add_overflow(segment->p_offset, address - segment->p_vaddr,
                                                      ret)
                                       ? -EBADMSG
                                       : 0;
        }

        return -EBADMSG;
}

static int read_dynamic(const ElfFile *elf, uint64_t offset, Elf64_Dyn *ret) {
        Elf32_Dyn narrow;
        int r;

        if (elf->kind.is_64_bit)
                return file_read_at(elf->fd, offset, ret, sizeof(*ret));

        r = file_read_at(elf->fd, offset, &narrow, sizeof(narrow));
        if (r < 0)
                return r;

        *ret = (Elf64_Dyn){ .d_tag = narrow.d_tag, .d_un = { .d_val = narrow.d_un.d_val } };
        return 0;
}

/* Entries up to DT_NULL. Answers how many. */
static ssize_t read_dynamics(const ElfFile *elf, Elf64_Dyn entries[DYNAMIC_ENTRIES_MAX]) {
        const Elf64_Phdr *segment = find_segment(elf, PT_DYNAMIC);
        size_t size = elf->kind.is_64_bit ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn), n = 0;

        if (!segment)
                return 0;

        while (n < DYNAMIC_ENTRIES_MAX && n < segment->p_filesz / size) {
                uint64_t offset;
                int r;

                if (__builtin_add_overflow(segment->p_offset, n * size, &offset))
                        return -EBADMSG;
                r = read_dynamic(elf, offset, &entries[n]);
                if (r < 0)
                        return r;
                if (entries[n].d_tag == DT_NULL)
                        return (ssize_t) n;
                n++;
        }

        return (ssize_t) n;
}

/* One entry, whose value is a place in the table of strings. */
static int
needs_add(ElfNeeds *needs, const ElfFile *elf, const Elf64_Dyn *entry, uint64_t strings) {
        char **slot = entry->d_tag == DT_RPATH     ? &needs->rpath
                      : entry->d_tag == DT_RUNPATH ? &needs->runpath
                                                   : NULL;
        char *text = NULL;
        uint64_t offset;
        int r;

        if (!slot && entry->d_tag != DT_NEEDED)
                return 0;
        if (__builtin_add_overflow(strings, entry->d_un.d_val, &offset))
                return -EBADMSG;

        r = read_string(elf, offset, PATH_MAX, &text);
        if (r < 0)
                return r;
        if (!slot)
                return strv_consume(&needs->libraries, text);

        free(*slot);
        *slot = text;
        return 0;
}

int elf_file_read_needs(const ElfFile *elf, ElfNeeds *ret) {
        _cleanup_(elf_needs_done) ElfNeeds needs = { 0 };
        Elf64_Dyn entries[DYNAMIC_ENTRIES_MAX];
        ssize_t n = read_dynamics(elf, entries);
        uint64_t strings = 0;
        int r = 0;

        if (n < 0)
                return (int) n;

        for (ssize_t i = 0; i < n; i++)
                if (entries[i].d_tag == DT_STRTAB)
                        r = find_address(elf, entries[i].d_un.d_ptr, &strings);
        for (ssize_t i = 0; i < n && r >= 0 && strings > 0; i++)
                r = needs_add(&needs, elf, &entries[i], strings);
        if (r < 0)
                return r;

        *ret = needs;
        needs = (ElfNeeds){ 0 };
        return 0;
}

static int read_section(const ElfFile *elf, uint16_t index, Elf64_Shdr *ret) {
        size_t size = elf->kind.is_64_bit ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
        Elf32_Shdr narrow;
        uint64_t offset;
        int r;

        if (elf->section_size != size ||
            __builtin_add_overflow(elf->sections_at, (uint64_t) index * size, &offset))
                return -EBADMSG;
        if (elf->kind.is_64_bit)
                return file_read_at(elf->fd, offset, ret, size);

        r = file_read_at(elf->fd, offset, &narrow, size);
        if (r < 0)
                return r;

        *ret = (Elf64_Shdr){
                .sh_name = narrow.sh_name,
                .sh_offset = narrow.sh_offset,
                .sh_size = narrow.sh_size,
        };
        return 0;
}

int elf_file_find_section(const ElfFile *elf,
                          const char *name,
                          uint64_t *ret_offset,
                          uint64_t *ret_n_bytes) {
        Elf64_Shdr names, section;
        int r;

        if (elf->sections_at == 0 || elf->n_sections > SECTIONS_MAX)
                return -ENOENT;
        r = read_section(elf, elf->section_of_names, &names);
        if (r < 0)
                return r;

        for (uint16_t i = 0; i < elf->n_sections; i++) {
                _cleanup_free_ char *other = NULL;
                uint64_t offset;

                r = read_section(elf, i, &section);
                if (r < 0)
                        return r;
                if (__builtin_add_overflow(names.sh_offset, section.sh_name, &offset) ||
                    read_string(elf, offset, strlen(name) + 1, &other) < 0 || !streq(other, name))
                        continue;

                *ret_offset = section.sh_offset;
                *ret_n_bytes = section.sh_size;
                return 0;
        }

        return -ENOENT;
}
