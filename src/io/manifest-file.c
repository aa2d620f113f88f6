/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ManifestFile
 *
 * What is checked is the file that was opened, not its name: nothing can be swapped in between.
 */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "io/manifest-file.h"
#include "model/manifest-merge.h"
#include "util/format.h"
#include "util/strv.h"

#define EXTENSION ".json"

/* With its drop-ins: the ledger has it in one piece. */
#define WHOLE_BYTES_MAX (2 * MANIFEST_BYTES_MAX)

/* The file as a whole is not what it should be. Takes the message over. */
static int load_fail_with(ManifestError *ret_error, const char *path, char *message) {
        ManifestError error = { .path = strdup(path), .pointer = strdup(""), .message = message };

        if (!error.path || !error.pointer || !error.message) {
                manifest_error_done(&error);
                return -ENOMEM;
        }

        *ret_error = error;
        return -EBADMSG;
}

#define load_fail(ret_error, path, ...) load_fail_with(ret_error, path, format_text(__VA_ARGS__))

static int check_file(const struct stat *st, const char *path, ManifestError *ret_error) {
        if (!S_ISREG(st->st_mode))
                return load_fail(ret_error, path, "not a regular file: put the JSON here");
        if (st->st_uid != 0 && st->st_uid != geteuid())
                return load_fail(ret_error, path,
                                 "it belongs to uid %u: chown it to root or to uid %u",
                                 (unsigned) st->st_uid, (unsigned) geteuid());
        if (st->st_mode & (S_IWGRP | S_IWOTH))
                return load_fail(ret_error, path, "others may write it: chmod go-w it");
        if (st->st_size > MANIFEST_BYTES_MAX)
                return load_fail(ret_error, path, "%lld bytes, of at most %u: make it smaller",
                                 (long long) st->st_size, MANIFEST_BYTES_MAX);
        return 0;
}

/* At most n_max bytes, which a file that grows meanwhile may well have. */
static ssize_t read_all(int fd, char *buffer, size_t n_max) {
        size_t n = 0;

        while (n < n_max) {
                ssize_t k = TEMP_FAILURE_RETRY(read(fd, buffer + n, n_max - n));

                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t) k;
        }

        return (ssize_t) n;
}

/* *ret_text is n_bytes long, which the answer is. */
static ssize_t read_file(char **ret_text, const char *path, ManifestError *ret_error) {
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -1;
        struct stat st;
        ssize_t n;
        int r;

        /* O_NONBLOCK: open(2) of a FIFO would wait for a writer, and of a device do as it likes. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 && errno == ELOOP)
                return load_fail(ret_error, path, "a symbolic link: put the file itself here");
        if (fd < 0 && errno == EACCES)
                return load_fail(ret_error, path, "it may not be read: chmod +r it");
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        r = check_file(&st, path, ret_error);
        if (r < 0)
                return r;

        /* One byte more than there may be, so that growth past the limit is seen. */
        text = malloc(MANIFEST_BYTES_MAX + 1);
        if (!text)
                return -ENOMEM;
        n = read_all(fd, text, MANIFEST_BYTES_MAX + 1);
        if (n >= 0)
                *ret_text = TAKE_PTR(text);
        return n;
}

/* The manifest and what lies over it, as they were read. */
typedef struct Files {
        ManifestLayer layers[1 + MANIFEST_DROP_INS_MAX]; /* path and text are ours */
        size_t n_layers;
        size_t n_bytes;
} Files;

static void files_done(Files *files) {
        for (size_t i = 0; i < files->n_layers; i++) {
                free((char *) files->layers[i].path);
                free((char *) files->layers[i].text);
        }
}

static int add_file(Files *files, const char *path, ManifestError *ret_error) {
        _cleanup_free_ char *copy = strdup(path), *text = NULL;
        ssize_t n;

        if (!copy)
                return -ENOMEM;
        n = read_file(&text, path, ret_error);
        if (n < 0)
                return (int) n;
        files->n_bytes += (size_t) n;
        if (files->n_bytes > WHOLE_BYTES_MAX)
                return load_fail(ret_error, path,
                                 "with it there are %zu bytes in all, of at most %u: make it "
                                 "smaller",
                                 files->n_bytes, WHOLE_BYTES_MAX);

        files->layers[files->n_layers++] =
                (ManifestLayer){ TAKE_PTR(copy), TAKE_PTR(text), (size_t) n };
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Paths, in the order of the names. There need not be such a folder. */
static int list_drop_ins(char ***ret, const char *folder, ManifestError *ret_error) {
        _cleanup_(strv_freep) char **paths = NULL;
        DIR *dir = opendir(folder);
        int r = 0;

        if (!dir && errno != ENOENT && errno != ENOTDIR)
                return load_fail(ret_error, folder, "it cannot be read: %s", strerror(errno));
        if (!dir)
                return 0;

        for (struct dirent *entry; r >= 0 && (entry = readdir(dir));)
                if (manifest_is_name(entry->d_name))
                        r = strv_extendf(&paths, "%s/%s", folder, entry->d_name);
        (void) closedir(dir);
        if (r < 0)
                return r;
        if (strv_length(paths) > MANIFEST_DROP_INS_MAX)
                return load_fail(ret_error, folder, "%zu drop-ins, of at most %u: merge some",
                                 strv_length(paths), MANIFEST_DROP_INS_MAX);

        if (paths)
                qsort(paths, strv_length(paths), sizeof(char *), compare_names);
        *ret = TAKE_PTR(paths);
        return 0;
}

static int add_drop_ins(Files *files, const char *folder, ManifestError *ret_error) {
        _cleanup_(strv_freep) char **paths = NULL;
        int r;

        r = list_drop_ins(&paths, folder, ret_error);
        STRV_FOREACH (path, paths) {
                if (r < 0)
                        break;
                if (manifest_is_masked(*path))
                        continue;
                r = add_file(files, *path, ret_error);
                /* It has gone since. */
                if (r == -ENOENT)
                        r = 0;
        }

        return r;
}

int manifest_load(Manifest **ret,
                  const Manifest *former,
                  const char *path,
                  const char *drop_ins,
                  ManifestError *ret_error) {
        _cleanup_(files_done) Files files = { 0 };
        int r;

        r = add_file(&files, path, ret_error);
        if (r >= 0 && drop_ins)
                r = add_drop_ins(&files, drop_ins, ret_error);
        if (r < 0)
                return r;

        return manifest_parse_layers(ret, former, files.layers, files.n_layers, ret_error);
}

bool manifest_is_name(const char *name) {
        size_t n = strlen(name), n_extension = strlen(EXTENSION);

        return n > n_extension && *name != '.' && streq(name + n - n_extension, EXTENSION);
}

bool manifest_is_masked(const char *path) {
        char target[sizeof("/dev/null")];
        ssize_t n = readlink(path, target, sizeof(target));

        return n == (ssize_t) strlen("/dev/null") && memcmp(target, "/dev/null", (size_t) n) == 0;
}
