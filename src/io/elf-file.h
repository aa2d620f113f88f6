/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ElfFile
 *
 * What elf(5) says of a program before it runs: for which machine it is, which loader it names,
 * which libraries it needs. Read with pread(2), so that a file that is cut, changed or made to
 * harm can at worst give a wrong answer. What is larger than any real program has is not read.
 */

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

#define ELF_SEGMENTS_MAX 64u

/* What two files must have in common to be in one process. */
typedef struct ElfKind {
        bool is_64_bit;
        bool is_big_endian;
        uint16_t machine; /* EM_ */
} ElfKind;

typedef struct ElfFile {
        int fd; /* borrowed */
        uint64_t n_bytes;
        ElfKind kind;
        uint16_t type; /* ET_ */
        Elf64_Phdr segments[ELF_SEGMENTS_MAX];
        size_t n_segments;     /* 0 also for a file of the other byte order */
        uint64_t sections_at;  /* 0: none */
        uint16_t section_size; /* of its header */
        uint16_t n_sections;
        uint16_t section_of_names;
} ElfFile;

/* What ld.so(8) is to find. */
typedef struct ElfNeeds {
        char **libraries;
        char *rpath;   /* or NULL */
        char *runpath; /* or NULL */
} ElfNeeds;

void elf_needs_done(ElfNeeds *needs);

/* -ENOEXEC: this is no ELF file; -EBADMSG: it contradicts itself or is cut short. */
int elf_file_read(ElfFile *ret, int fd);

/* Only the kind, and only of the front of a file; -ENOEXEC likewise. */
int elf_kind_read(ElfKind *ret, int fd);
bool elf_kind_equal(const ElfKind *a, const ElfKind *b);

/* For people, such as "64-bit ARM"; never NULL. The buffer is for those that have no name. */
#define ELF_KIND_TEXT_MAX 48
const char *elf_kind_say(char buffer[ELF_KIND_TEXT_MAX], const ElfKind *kind);

/* A segment that a loader would map reaches beyond the end of the file. */
bool elf_file_is_cut_short(const ElfFile *elf);

/* *ret is a new string, or NULL where the program is static. -EBADMSG as above. */
int elf_file_read_interpreter(const ElfFile *elf, char **ret);
int elf_file_read_needs(const ElfFile *elf, ElfNeeds *ret);

/* Where in the file a section lies; -ENOENT: there is none of that name. */
int elf_file_find_section(const ElfFile *elf,
                          const char *name,
                          uint64_t *ret_offset,
                          uint64_t *ret_n_bytes);

/* All n bytes from there on; -EBADMSG: the file has not that many. */
int file_read_at(int fd, uint64_t offset, void *buffer, size_t n_bytes);
