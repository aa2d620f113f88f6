/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * HTTP
 *
 * One request to a server on this machine, of whose answer the status alone matters. The server is
 * not trusted: what it may cost in memory and time is bounded, and it cannot send us elsewhere.
 */

#include <stdint.h>

#include <systemd/sd-event.h>

#include "util/macro.h"

typedef struct HttpClient HttpClient;   /* what all requests share */
typedef struct HttpRequest HttpRequest; /* one that is under way */

/* Loads libcurl; -ENOTSUP: there is none. */
int http_client_new(HttpClient **ret, sd_event *event);
/* After the last of its requests. */
HttpClient *http_client_free(HttpClient *client);
DEFINE_CLEANUP(HttpClient, http_client_free);

/* Everything is borrowed, and only while http_request_start() runs. */
typedef struct HttpTarget {
        int family; /* AF_INET: 127.0.0.1; AF_INET6: ::1; AF_UNIX: unix_path */
        uint16_t port;
        const char *unix_path;
        const char *method;   /* "GET", "POST" or "DELETE", with nothing to send; NULL: "GET" */
        const char *path;     /* with its slash */
        char *const *headers; /* "Name: value" */
        uint64_t timeout_usec;
} HttpTarget;

typedef struct HttpAnswer {
        int error; /* 0: status is the answer. -ECONNREFUSED, -ETIMEDOUT, the errno of the socket,
                      or -EPROTO for all that is not HTTP or more of it than we take */
        unsigned status;     /* of the final head, 200 or more */
        const char *message; /* what was wrong, for people; borrowed during the call */
} HttpAnswer;

/* Called once, from the event loop, never from within http_request_start(). May free both. */
typedef void (*http_handler_t)(const HttpAnswer *answer, void *userdata);

/* -EINVAL: a path without its slash, or control characters in a header. */
int http_request_start(HttpRequest **ret,
                       HttpClient *client,
                       const HttpTarget *target,
                       http_handler_t handler,
                       void *userdata);
/* At any moment. Before its answer: there will be none. */
HttpRequest *http_request_free(HttpRequest *request);
DEFINE_CLEANUP(HttpRequest, http_request_free);

/* The status, if the head is complete and only the body is still coming in; else 0. */
unsigned http_request_status(const HttpRequest *request);
