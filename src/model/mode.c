/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Mode
 *
 * The server's URL is only handed on to clients, so what is checked is what they would trip over
 * or give away, and not all of RFC 3986.
 */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/dependency.h"
#include "model/mode.h"
#include "util/strv.h"

#define ALPHANUMERIC "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

bool mode_wants(const ModeSpec *mode, const char *sidecar) {
        return !mode->sidecars || strv_contains(mode->sidecars, sidecar);
}

int mode_wanted_up(char ***ret, const Manifest *manifest, const ModeSpec *mode, char *const *up) {
        _cleanup_(strv_freep) char **names = NULL;
        int r;

        for (size_t i = 0; i < manifest->n_sidecars; i++) {
                const SidecarSpec *spec = manifest->sidecars[i];

                if (!mode_wants(mode, spec->name) ||
                    (!spec->auto_start && !strv_contains(up, spec->name)))
                        continue;
                r = strv_extend(&names, spec->name);
                if (r < 0)
                        return r;
        }

        return dependency_close(ret, manifest, names);
}

/* ":8080", or nothing. */
static bool is_port(const char *text, size_t n) {
        unsigned long port = 0;

        if (n == 0)
                return true;
        if (text[0] != ':' || n < 2 || n > 6)
                return false;

        for (size_t i = 1; i < n; i++) {
                if (text[i] < '0' || text[i] > '9')
                        return false;
                port = port * 10 + (unsigned long) (text[i] - '0');
        }

        return port >= 1 && port <= UINT16_MAX;
}

/* What stands between "//" and the path. */
static const char *check_authority(const char *text, size_t n) {
        size_t n_host = strspn(text, ALPHANUMERIC "-._~");

        if (memchr(text, '@', n))
                return "has a user name or a password in it: take them out, any client may read it";
        if (text[0] == '[') {
                n_host = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
                if (n_host < 3 || text[n_host] != ']')
                        return "has a broken address: write IPv6 as in \"http://[::1]:8080\"";
                n_host++;
        }
        if (n == 0 || n_host == 0)
                return "has no host: write one as in \"https://example.org\"";
        if (n_host > n || !is_port(text + n_host, n - n_host))
                return "has a broken host or port: write them as in \"https://example.org:8443\"";

        return NULL;
}

const char *mode_check_server_url(const char *url) {
        const char *authority;

        for (const char *c = url; *c; c++)
                if (*c <= ' ' || *c >= 0x7F)
                        return "has spaces or other characters that no URL has: write them as %20"
                               " and the like";

        if (strncasecmp(url, "http://", strlen("http://")) == 0)
                authority = url + strlen("http://");
        else if (strncasecmp(url, "https://", strlen("https://")) == 0)
                authority = url + strlen("https://");
        else
                return "is no URL of a server: begin it with \"http://\" or \"https://\"";

        return check_authority(authority, strcspn(authority, "/?#"));
}
