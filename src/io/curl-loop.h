/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * CurlLoop
 *
 * libcurl's multi interface on sd-event: curl says which descriptors it waits for and until when,
 * and is told when that has come. What is transferred, and what becomes of it, is up to
 * io/http.c.
 */

#include <systemd/sd-event.h>

#include "io/libcurl.h"
#include "util/macro.h"

typedef struct CurlLoop CurlLoop;

/* A transfer is over. Never called from within curl; may remove it and all others, and after the
 * last of them free the loop. */
typedef void (*curl_done_handler_t)(CURL *easy, CURLcode code, void *userdata);

/* Loads libcurl; -ENOTSUP: there is none. */
int curl_loop_new(CurlLoop **ret, sd_event *event, curl_done_handler_t handler, void *userdata);
/* After the last of its transfers. */
CurlLoop *curl_loop_free(CurlLoop *loop);
DEFINE_CLEANUP(CurlLoop, curl_loop_free);

const LibCurl *curl_loop_functions(const CurlLoop *loop);

/* Begins, from the event loop. */
int curl_loop_add(CurlLoop *loop, CURL *easy);
/* At any moment but from within curl; does nothing to one that was never added. */
void curl_loop_remove(CurlLoop *loop, CURL *easy);
