/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LibCurl
 *
 * Loaded once and never unloaded: what libcurl brings along (OpenSSL, above all) registers
 * handlers for the end of the process. One thread only, as the event loop has.
 */

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "io/libcurl.h"
#include "util/log.h"

#define SYMBOL(field) \
        { "curl_" #field, offsetof(LibCurl, field) }

static const struct {
        const char *name;
        size_t offset;
} symbols[] = {
        SYMBOL(global_init),         SYMBOL(global_cleanup),   SYMBOL(easy_init),
        SYMBOL(easy_setopt),         SYMBOL(easy_getinfo),     SYMBOL(easy_strerror),
        SYMBOL(easy_reset),          SYMBOL(easy_cleanup),     SYMBOL(multi_init),
        SYMBOL(multi_setopt),        SYMBOL(multi_add_handle), SYMBOL(multi_remove_handle),
        SYMBOL(multi_socket_action), SYMBOL(multi_assign),     SYMBOL(multi_info_read),
        SYMBOL(multi_cleanup),       SYMBOL(slist_append),     SYMBOL(slist_free_all),
};

static int symbols_find(void *library, LibCurl *curl) {
        for (size_t i = 0; i < ELEMENTSOF(symbols); i++) {
                void *symbol = dlsym(library, symbols[i].name);

                if (!symbol) {
                        log_debug("libcurl.so.4 has no %s", symbols[i].name);
                        return -ENOTSUP;
                }
                /* ISO C has no conversion from an object's pointer to a function's. */
                memcpy((char *) curl + symbols[i].offset, &symbol, sizeof(symbol));
        }

        return 0;
}

int libcurl_load(const LibCurl **ret) {
        static LibCurl curl;
        static void *library;
        int r;

        if (!library) {
                void *opened = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);

                if (!opened) {
                        log_debug("cannot load libcurl: %s", dlerror());
                        return -ENOTSUP;
                }

                r = symbols_find(opened, &curl);
                if (r < 0) {
                        (void) dlclose(opened);
                        return r;
                }
                library = opened;
        }

        *ret = &curl;
        return 0;
}
