/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LibCurl
 *
 * The functions of libcurl that io/http.c uses, found by dlopen(3) when the first of them is
 * needed: see io/probe.h for what that saves.
 */

#include <curl/curl.h>

typedef struct LibCurl {
        __typeof__(&curl_global_init) global_init;
        __typeof__(&curl_global_cleanup) global_cleanup;
        __typeof__(&curl_easy_init) easy_init;
        __typeof__(&curl_easy_setopt) easy_setopt;
        __typeof__(&curl_easy_getinfo) easy_getinfo;
        __typeof__(&curl_easy_strerror) easy_strerror;
        __typeof__(&curl_easy_reset) easy_reset;
        __typeof__(&curl_easy_cleanup) easy_cleanup;
        __typeof__(&curl_multi_init) multi_init;
        __typeof__(&curl_multi_setopt) multi_setopt;
        __typeof__(&curl_multi_add_handle) multi_add_handle;
        __typeof__(&curl_multi_remove_handle) multi_remove_handle;
        __typeof__(&curl_multi_socket_action) multi_socket_action;
        __typeof__(&curl_multi_assign) multi_assign;
        __typeof__(&curl_multi_info_read) multi_info_read;
        __typeof__(&curl_multi_cleanup) multi_cleanup;
        __typeof__(&curl_slist_append) slist_append;
        __typeof__(&curl_slist_free_all) slist_free_all;
} LibCurl;

/* The table is shared and stays for good. -ENOTSUP: there is no usable libcurl on this machine. */
int libcurl_load(const LibCurl **ret);
