/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LibrarySearch
 *
 * The order of ld.so(8), "DESCRIPTION", except that /etc/ld.so.cache is not read but the folders
 * that ldconfig(8) makes it from. The order does not matter to whether one is found, so all
 * folders are gathered first.
 */

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/library-search.h"
#include "util/strv.h"

#define CONFIG "/etc/ld.so.conf"
#define CONFIG_DEPTH_MAX 4 /* an include may name itself */
#define FOLDERS_MAX 64u    /* a file that asks for more is not worth the time */

typedef struct Search {
        char **folders;
        char *origin; /* the folder that the program really lies in */
        bool is_doubtful;
} Search;

static void search_done(Search *search) {
        strv_free(search->folders);
        free(search->origin);
}

/* Without the last component; "/" is its own. */
static char *folder_of(const char *path) {
        const char *slash = strrchr(path, '/');

        return strndup(path, slash && slash > path ? (size_t) (slash - path) : 1);
}

/* With $ORIGIN filled in; *ret is NULL where that cannot be done. */
static int expand_origin(const Search *search, const char *text, char **ret) {
        static const char *const spellings[] = { "${ORIGIN}", "$ORIGIN" };
        const char *dollar = strchr(text, '$');
        char *expanded;

        *ret = NULL;
        if (!dollar)
                return (*ret = strdup(text)) ? 0 : -ENOMEM;

        for (size_t i = 0; i < ELEMENTSOF(spellings); i++) {
                const char *rest = dollar + strlen(spellings[i]);

                if (!startswith(dollar, spellings[i]) || strchr(rest, '$'))
                        continue;
                if (asprintf(&expanded, "%.*s%s%s", (int) (dollar - text), text, search->origin,
                             rest) < 0)
                        return -ENOMEM;
                *ret = expanded;
                return 0;
        }

        return 0;
}

/* A list as DT_RPATH, DT_RUNPATH and LD_LIBRARY_PATH have it; NULL is an empty one. */
static int search_add_list(Search *search, const char *list) {
        _cleanup_free_ char *copy = NULL;
        char *rest, *item;

        if (!list || !*list)
                return 0;

        rest = copy = strdup(list);
        if (!copy)
                return -ENOMEM;

        while ((item = strsep(&rest, ":;"))) {
                char *folder;
                int r;

                r = expand_origin(search, item, &folder);
                if (r < 0)
                        return r;
                /* An empty one is the working directory. */
                if (!folder || folder[0] != '/')
                        search->is_doubtful = true;
                if (folder)
                        r = strv_consume(&search->folders, folder);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int search_add_config(Search *search, const char *path, int depth);

static int search_add_included(Search *search, const char *pattern, int depth) {
        _cleanup_(globfree) glob_t found = { 0 };
        _cleanup_free_ char *absolute = NULL;
        int r = 0;

        if (asprintf(&absolute, "%s%s", pattern[0] == '/' ? "" : "/etc/", pattern) < 0)
                return -ENOMEM;
        if (glob(absolute, 0, NULL, &found) != 0)
                return 0;

        for (size_t i = 0; i < found.gl_pathc && r >= 0; i++)
                r = search_add_config(search, found.gl_pathv[i], depth + 1);
        return r;
}

/* A line of ldconfig(8)'s: a folder, "include PATTERN", or something old. */
static int search_add_config_line(Search *search, char *line, int depth) {
        static const char blank[] = " \t\r\n";
        size_t n;

        line[strcspn(line, "#")] = '\0';
        line += strspn(line, blank);
        n = strlen(line);
        while (n > 0 && strchr(blank, line[n - 1]))
                line[--n] = '\0';

        if (startswith(line, "include") && strchr(blank, line[7]) && line[7])
                return search_add_included(search, line + 8 + strspn(line + 8, blank), depth);
        if (line[0] != '/')
                return 0;

        line[strcspn(line, "=")] = '\0'; /* a kind of library stood there in the days of libc5 */
        return strv_extend(&search->folders, line);
}

static int search_add_config(Search *search, const char *path, int depth) {
        _cleanup_(fclosep) FILE *file = depth < CONFIG_DEPTH_MAX ? fopen(path, "re") : NULL;
        _cleanup_free_ char *line = NULL;
        size_t room = 0;
        int r = 0;

        while (file && r >= 0 && getline(&line, &room, file) >= 0)
                r = search_add_config_line(search, line, depth);

        return r;
}

static int search_add_standard(Search *search) {
        static const char *const folders[] = {
                "/lib", "/usr/lib", "/lib64", "/usr/lib64", "/lib32", "/usr/lib32",
        };

        for (size_t i = 0; i < ELEMENTSOF(folders); i++) {
                int r = strv_extend(&search->folders, folders[i]);

                if (r < 0)
                        return r;
        }

        return search_add_config(search, CONFIG, 0);
}

/* ld.so passes over what is for another machine. */
static bool is_library(const char *path, const ElfKind *kind) {
        _cleanup_close_ int fd = -1;
        ElfKind found;
        struct stat st;

        if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
                return false;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

        return fd < 0 || elf_kind_read(&found, fd) < 0 || elf_kind_equal(&found, kind);
}

static bool search_has(const Search *search, const char *library, const ElfKind *kind) {
        STRV_FOREACH (folder, search->folders) {
                char path[PATH_MAX];
                int n = snprintf(path, sizeof(path), "%s/%s", *folder, library);

                if (n > 0 && (size_t) n < sizeof(path) && is_library(path, kind))
                        return true;
        }

        return false;
}

/* A name with a slash is a path, and searched for nowhere. */
static int is_found(const Search *search, const char *library, const ElfKind *kind) {
        _cleanup_free_ char *path = NULL;
        int r;

        if (!strchr(library, '/'))
                return search_has(search, library, kind);

        r = expand_origin(search, library, &path);
        if (r < 0)
                return r;
        return !path || path[0] != '/' || access(path, F_OK) >= 0;
}

/* glibc's, where a distribution puts it: one of an own prefix has other folders and another
 * cache. */
static bool is_plain_loader(const char *interpreter) {
        static const char *const plain[] = { "/lib/ld", "/lib32/ld", "/lib64/ld", "/usr/lib" };

        if (strstr(interpreter, "musl"))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(plain); i++)
                if (startswith(interpreter, plain[i]))
                        return true;

        return false;
}

static int search_begin(Search *search, const char *path) {
        _cleanup_free_ char *real = realpath(path, NULL);

        search->origin = folder_of(real ? real : path);
        return search->origin ? 0 : -ENOMEM;
}

static int search_fill(Search *search, const ElfNeeds *needs, char *const *env) {
        int r = search_add_list(search, needs->runpath ? needs->runpath : needs->rpath);

        if (r >= 0)
                r = search_add_list(search, strv_env_get(env, "LD_LIBRARY_PATH"));
        return r < 0 ? r : search_add_standard(search);
}

int library_find_missing(const ElfFile *elf,
                         const char *path,
                         const char *interpreter,
                         char *const *env,
                         char **ret) {
        _cleanup_(elf_needs_done) ElfNeeds needs = { 0 };
        _cleanup_(search_done) Search search = { 0 };
        char *missing = NULL;
        struct stat st;
        int r;

        if (fstat(elf->fd, &st) < 0)
                return -errno;
        r = elf_file_read_needs(elf, &needs);
        if (r >= 0)
                r = search_begin(&search, path);
        if (r >= 0)
                r = search_fill(&search, &needs, env);
        if (r < 0)
                return r;

        search.is_doubtful |= !is_plain_loader(interpreter) || (st.st_mode & (S_ISUID | S_ISGID)) ||
                              strv_length(search.folders) > FOLDERS_MAX;
        STRV_FOREACH (library, needs.libraries) {
                if (search.is_doubtful || missing)
                        break;
                r = is_found(&search, *library, &elf->kind);
                if (r == 0)
                        missing = strdup(*library);
                if (r < 0 || (r == 0 && !missing))
                        return r < 0 ? r : -ENOMEM;
        }

        *ret = missing;
        return 0;
}
