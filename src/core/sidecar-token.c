/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: its secret
 *
 * 32 random bytes, by which a sidecar knows its app from whoever else can reach its port. They stay
 * over automatic restarts (contract P3) and deaths of the brain, in the ledger, and nowhere else
 * but in the environment, the requests and the file that the manifest asks for: no argument vector,
 * log, event or property has them. What holds pass on is as secret, but for the argument vector of
 * a manifest that wants it there.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/sidecar-parts.h"
#include "model/secrets.h"
#include "util/format.h"
#include "util/mkdir.h"
#include "util/strv.h"

#define TOKEN_BYTES 32

static int make_token(char **ret) {
        unsigned char bytes[TOKEN_BYTES];
        char *token;

        if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t) sizeof(bytes))
                return -errno;
        token = malloc(2 * TOKEN_BYTES + 1);
        if (!token)
                return -ENOMEM;

        for (size_t i = 0; i < TOKEN_BYTES; i++)
                (void) snprintf(token + 2 * i, 3, "%02x", bytes[i]);
        explicit_bzero(bytes, sizeof(bytes));
        *ret = token;
        return 0;
}

static void forget_token(Sidecar *s) {
        if (s->token)
                explicit_bzero(s->token, strlen(s->token));
        s->token = (free(s->token), NULL);
}

char *sidecar_token_path(const Sidecar *s) {
        _cleanup_free_ char *folder = sidecar_runtime_dir(s);

        return folder ? format_text("%s/token", folder) : NULL;
}

/* One that is there belongs to a generation that is over, and can be written by nobody. */
static int write_token_file(const Sidecar *s) {
        _cleanup_free_ char *folder = sidecar_runtime_dir(s), *path = sidecar_token_path(s);
        _cleanup_close_ int fd = -1;
        size_t n_bytes = strlen(s->token);
        int r;

        if (!folder || !path)
                return -ENOMEM;
        r = mkdir_parents(folder, 0700);
        if (r < 0)
                return r;
        if (unlink(path) < 0 && errno != ENOENT)
                return -errno;
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
        if (fd < 0)
                return -errno;

        return write(fd, s->token, n_bytes) == (ssize_t) n_bytes ? 0 : -EIO;
}

int sidecar_prepare_token(Sidecar *s) {
        int r;

        /* A start that somebody asked for begins anew (contract P3). */
        if (s->life.n_restarts == 0 || !s->running->token)
                forget_token(s);
        if (!s->running->token)
                return 0;

        r = s->token ? 0 : make_token(&s->token);
        return r >= 0 && s->running->token_file ? write_token_file(s) : r;
}

void sidecar_remove_token_file(const Sidecar *s) {
        _cleanup_free_ char *path = NULL;

        if (!s->running || !s->running->token_file)
                return;

        path = sidecar_token_path(s);
        if (path)
                (void) unlink(path);
}

int sidecar_list_secrets(const Sidecar *s, char ***ret) {
        _cleanup_(strv_freep) char **secrets = NULL;
        int r;

        r = s->token ? strv_extend(&secrets, s->token) : 0;
        for (size_t i = 0; r >= 0 && s->running && i < s->running->n_passed; i++) {
                const PassedVariable *variable = &s->running->passed[i];
                const char *value = strv_env_get(s->passed, variable->name);

                /* A default stands in the manifest, for all to read. */
                if (value && !(variable->fallback && streq(value, variable->fallback)))
                        r = strv_extend(&secrets, value);
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(secrets);
        return 0;
}

char *sidecar_blank(const Sidecar *s, const char *text) {
        _cleanup_(strv_freep) char **texts = NULL;
        _cleanup_(secrets_freep) Secrets *secrets = NULL;
        size_t n_bytes = text ? strlen(text) : 0;
        char *copy;

        if (!text || sidecar_list_secrets(s, &texts) < 0)
                return NULL;
        if (!texts)
                return strdup(text);
        if (secrets_new(&secrets, texts) < 0)
                return NULL;
        copy = strdup(text);
        if (!copy)
                return NULL;
        if (secrets_blank(secrets, copy, &n_bytes, false) < 0) {
                free(copy);
                return NULL;
        }

        copy[n_bytes] = '\0';
        return copy;
}
