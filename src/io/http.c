/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * HTTP
 *
 * An easy handle and a fresh connection a request, so nothing of one answer touches the next: a
 * handle that is used again was reset, and is told everything anew. What the server sends is
 * counted as it comes, and the transfer ends when it is too much.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "io/curl-loop.h"
#include "io/http.h"
#include "util/duration.h"
#include "util/strv.h"

/* A head and a body of more than this end the transfer. CURLOPT_MAXFILESIZE does not, since it
 * goes by what Content-Length says. */
#define HEAD_BYTES_MAX (16u * 1024u)
#define BODY_BYTES_MAX (64u * 1024u)

/* To make an easy handle and to throw it away takes a tenth of what a probe costs. Each spare one
 * is 8 KiB, and there are never more than were under way at once. */
#define SPARE_MAX 64

struct HttpClient {
        CurlLoop *loop;
        const LibCurl *curl;
        CURL *spare[SPARE_MAX]; /* reset */
        size_t n_spare;
};

struct HttpRequest {
        HttpClient *client;
        CURL *easy;
        struct curl_slist *headers;
        http_handler_t handler;
        void *userdata;
        size_t n_head_bytes;
        size_t n_body_bytes;
        unsigned status; /* of the final head, once that is complete */
        int socket_error;
        char message[CURL_ERROR_SIZE];
};

/* Why it could not connect; curl knows only of what connect(2) said. */
static int request_connect_error(const HttpRequest *request) {
        long os_error = 0;

        if (request->socket_error < 0)
                return request->socket_error;

        (void) request->client->curl->easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &os_error);
        return os_error > 0 ? -(int) os_error : -EPROTO;
}

static int request_error(const HttpRequest *request, CURLcode code) {
        switch (code) {
        case CURLE_OPERATION_TIMEDOUT:
                return -ETIMEDOUT;
        case CURLE_COULDNT_CONNECT:
                return request_connect_error(request);
        case CURLE_OUT_OF_MEMORY:
                return -ENOMEM;
        default:
                return -EPROTO;
        }
}

/* What curl has no words for that say what the server did: limits of ours, and of curl's. */
static const char *request_say(const HttpRequest *request, CURLcode code) {
        switch (code) {

        case CURLE_UNSUPPORTED_PROTOCOL:
                return "what it answers is no HTTP";

        case CURLE_WRITE_ERROR:
                return "its answer has no end";

        case CURLE_OUT_OF_MEMORY:
                return "its answer is longer than there is room for";

        default:
                return request->message[0] ? request->message
                                           : request->client->curl->easy_strerror(code);
        }
}

/* Once it has answered, that the body was cut short, by the server or by us, changes nothing. */
static void client_on_done(CURL *easy, CURLcode code, void *userdata) {
        const HttpClient *client = userdata;
        HttpRequest *request = NULL;
        HttpAnswer answer = { 0 };

        (void) client->curl->easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &request);
        answer.status = request->status;
        answer.error = request->status != 0 ? 0 : request_error(request, code);
        answer.message = request_say(request, code);
        request->handler(&answer, request->userdata);
}

static bool address_is_ours(const struct curl_sockaddr *address) {
        if (address->family == AF_INET) {
                const struct sockaddr_in *v4 = (const void *) &address->addr;

                return v4->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
        }
        if (address->family == AF_INET6) {
                const struct sockaddr_in6 *v6 = (const void *) &address->addr;

                return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
        }

        return address->family == AF_UNIX;
}

static curl_socket_t request_on_open_socket(void *userdata,
                                            _unused_ curlsocktype purpose,
                                            struct curl_sockaddr *address) {
        HttpRequest *request = userdata;
        int fd;

        if (!address_is_ours(address)) {
                request->socket_error = -EPERM;
                return CURL_SOCKET_BAD;
        }

        fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
        if (fd < 0) {
                request->socket_error = -errno;
                return CURL_SOCKET_BAD;
        }

        return fd;
}

/* Called a line, those of 1xx answers and of trailers included. */
static size_t request_on_head(char *line, _unused_ size_t size, size_t n, void *userdata) {
        HttpRequest *request = userdata;
        const LibCurl *curl = request->client->curl;
        long status = 0;

        request->n_head_bytes += n;
        if (request->n_head_bytes > HEAD_BYTES_MAX)
                return 0;

        if (n > 0 && (line[0] == '\r' || line[0] == '\n')) {
                (void) curl->easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
                if (status >= 200)
                        request->status = (unsigned) status;
        }

        return n;
}

/* The body is read so that a server need not see its answer refused, and kept by nobody. */
static size_t
request_on_body(_unused_ char *bytes, _unused_ size_t size, size_t n, void *userdata) {
        HttpRequest *request = userdata;

        request->n_body_bytes += n;
        return request->n_body_bytes > BODY_BYTES_MAX ? 0 : n;
}

static int headers_collect(HttpRequest *request, char *const *headers) {
        STRV_FOREACH (header, headers) {
                struct curl_slist *grown;

                for (const char *c = *header; *c; c++)
                        if ((unsigned char) *c < ' ' || *c == 0x7f)
                                return -EINVAL;

                grown = request->client->curl->slist_append(request->headers, *header);
                if (!grown)
                        return -ENOMEM;
                request->headers = grown;
        }

        return 0;
}

/* What every request is told, whatever it asks for. No environment variable has a say. */
static bool request_set_guards(CURL *easy, const LibCurl *curl) {
        static const struct {
                CURLoption option;
                long value;
        } guards[] = {
                { CURLOPT_FOLLOWLOCATION, 0 }, { CURLOPT_NOSIGNAL, 1 },
                { CURLOPT_FRESH_CONNECT, 1 },  { CURLOPT_FORBID_REUSE, 1 },
                { CURLOPT_HTTP09_ALLOWED, 0 },
        };
        static const struct {
                CURLoption option;
                const char *value;
        } names[] = {
                { CURLOPT_PROTOCOLS_STR, "http" },
                { CURLOPT_PROXY, "" },
                { CURLOPT_NOPROXY, "*" },
        };
        bool good = true;

        for (size_t i = 0; i < ELEMENTSOF(guards); i++)
                good &= curl->easy_setopt(easy, guards[i].option, guards[i].value) == CURLE_OK;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                good &= curl->easy_setopt(easy, names[i].option, names[i].value) == CURLE_OK;

        return good;
}

static bool request_set_callbacks(HttpRequest *request) {
        const LibCurl *curl = request->client->curl;
        CURL *easy = request->easy;
        bool good = true;

        good &= curl->easy_setopt(easy, CURLOPT_PRIVATE, request) == CURLE_OK;
        good &= curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, request->message) == CURLE_OK;
        good &= curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, request_on_head) == CURLE_OK;
        good &= curl->easy_setopt(easy, CURLOPT_HEADERDATA, request) == CURLE_OK;
        good &= curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, request_on_body) == CURLE_OK;
        good &= curl->easy_setopt(easy, CURLOPT_WRITEDATA, request) == CURLE_OK;
        good &= curl->easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, request_on_open_socket) ==
                CURLE_OK;
        good &= curl->easy_setopt(easy, CURLOPT_OPENSOCKETDATA, request) == CURLE_OK;

        return good;
}

/* A server may insist on a length, so a POST says that it is 0. */
static bool request_set_method(CURL *easy, const LibCurl *curl, const char *method) {
        if (!method || streq(method, "GET"))
                return true;
        if (!streq(method, "POST"))
                return curl->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK;

        return curl->easy_setopt(easy, CURLOPT_POSTFIELDS, "") == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L) == CURLE_OK;
}

static bool request_set_target(HttpRequest *request, const HttpTarget *target, const char *url) {
        const LibCurl *curl = request->client->curl;
        CURL *easy = request->easy;
        /* Rounded up: 0 would mean no limit. */
        long timeout_ms = (long) (target->timeout_usec / USEC_PER_MSEC) + 1;
        bool good = request_set_method(easy, curl, target->method);

        good &= curl->easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK;
        if (target->family == AF_UNIX)
                good &= curl->easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, target->unix_path) ==
                        CURLE_OK;
        good &= curl->easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers) == CURLE_OK;
        good &= curl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK;
        good &= curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms) == CURLE_OK;

        return good;
}

static CURL *client_take_easy(HttpClient *client) {
        return client->n_spare > 0 ? client->spare[--client->n_spare] : client->curl->easy_init();
}

static void client_give_easy(HttpClient *client, CURL *easy) {
        curl_loop_remove(client->loop, easy);
        if (client->n_spare >= SPARE_MAX) {
                client->curl->easy_cleanup(easy);
                return;
        }

        client->curl->easy_reset(easy);
        client->spare[client->n_spare++] = easy;
}

static int request_new(HttpRequest **ret, HttpClient *client) {
        _cleanup_(http_request_freep) HttpRequest *request = NULL;

        request = calloc(1, sizeof(*request));
        if (!request)
                return -ENOMEM;
        request->client = client;

        request->easy = client_take_easy(client);
        if (!request->easy)
                return -ENOMEM;

        *ret = TAKE_PTR(request);
        return 0;
}

/* A numeric host needs no resolver, and no thread for it; nor does one at the end of a socket that
 * has a name: there it is only what the server is told. */
static char *target_url(const HttpTarget *target) {
        char *url;
        int n;

        if (target->family == AF_UNIX)
                n = asprintf(&url, "http://localhost%s", target->path);
        else
                n = asprintf(&url, "http://%s:%u%s",
                             target->family == AF_INET ? "127.0.0.1" : "[::1]",
                             (unsigned) target->port, target->path);

        return n < 0 ? NULL : url;
}

int http_request_start(HttpRequest **ret,
                       HttpClient *client,
                       const HttpTarget *target,
                       http_handler_t handler,
                       void *userdata) {
        _cleanup_(http_request_freep) HttpRequest *request = NULL;
        _cleanup_free_ char *url = NULL;
        int r;

        /* Without its slash a path could name another host: "http://127.0.0.1:80" "@elsewhere". */
        if (target->path[0] != '/')
                return -EINVAL;

        r = request_new(&request, client);
        if (r < 0)
                return r;
        request->handler = handler;
        request->userdata = userdata;

        r = headers_collect(request, target->headers);
        if (r < 0)
                return r;

        url = target_url(target);
        if (!url)
                return -ENOMEM;

        /* Fails with a libcurl that is older than one of the guards. */
        if (!request_set_guards(request->easy, client->curl))
                return -ENOTSUP;
        if (!request_set_callbacks(request) || !request_set_target(request, target, url))
                return -ENOMEM;

        r = curl_loop_add(client->loop, request->easy);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(request);
        return 0;
}

HttpRequest *http_request_free(HttpRequest *request) {
        if (!request)
                return NULL;

        if (request->easy) {
                client_give_easy(request->client, request->easy);
                request->client->curl->slist_free_all(request->headers);
        }
        free(request);
        return NULL;
}

unsigned http_request_status(const HttpRequest *request) {
        return request->status;
}

int http_client_new(HttpClient **ret, sd_event *event) {
        _cleanup_(http_client_freep) HttpClient *client = NULL;
        int r;

        client = calloc(1, sizeof(*client));
        if (!client)
                return -ENOMEM;

        r = curl_loop_new(&client->loop, event, client_on_done, client);
        if (r < 0)
                return r;
        client->curl = curl_loop_functions(client->loop);

        *ret = TAKE_PTR(client);
        return 0;
}

HttpClient *http_client_free(HttpClient *client) {
        if (!client)
                return NULL;

        while (client->n_spare > 0)
                client->curl->easy_cleanup(client->spare[--client->n_spare]);
        curl_loop_free(client->loop);
        free(client);
        return NULL;
}
