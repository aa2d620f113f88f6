/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * HTTP
 *
 * libcurl's multi interface on sd-event: curl says which descriptors it waits for and until when,
 * and is told when that has come. An easy handle and a fresh connection a request, so nothing of
 * one answer touches the next.
 *
 * Nothing of ours that is called by curl calls a handler of a request: a finished one only arms
 * its event source. So http_request_free(), with its curl_multi_remove_handle(), never runs inside
 * of curl, which would be forbidden (libcurl-multi(3)).
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "io/http.h"
#include "io/libcurl.h"
#include "util/duration.h"
#include "util/strv.h"

/* A head and a body of more than this end the transfer. CURLOPT_MAXFILESIZE does not, since it
 * goes by what Content-Length says. */
#define HEAD_BYTES_MAX (16u * 1024u)
#define BODY_BYTES_MAX (64u * 1024u)

struct HttpClient {
        const LibCurl *curl;
        CURLM *multi;
        sd_event *event;
        sd_event_source *timer;
        sd_event_source **sockets; /* by descriptor; NULL where curl does not wait for it */
        size_t n_sockets;
};

struct HttpRequest {
        HttpClient *client;
        CURL *easy;
        struct curl_slist *headers;
        sd_event_source *done; /* armed once there is an answer */
        http_handler_t handler;
        void *userdata;
        HttpAnswer answer;
        size_t n_head_bytes;
        size_t n_body_bytes;
        unsigned status; /* of the final head, once that is complete */
        int socket_error;
        char message[CURL_ERROR_SIZE];
};

static void request_settle(HttpRequest *request, CURLcode code) {
        const LibCurl *curl = request->client->curl;
        long os_error = 0;

        request->answer.message =
                request->message[0] ? request->message : curl->easy_strerror(code);

        if (request->status != 0) {
                /* It has answered. That the body was cut short, by it or by us, changes nothing. */
                request->answer.status = request->status;
        } else if (code == CURLE_OPERATION_TIMEDOUT)
                request->answer.error = -ETIMEDOUT;
        else if (code == CURLE_COULDNT_CONNECT) {
                (void) curl->easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &os_error);
                if (request->socket_error < 0)
                        request->answer.error = request->socket_error;
                else
                        request->answer.error = os_error > 0 ? -(int) os_error : -EPROTO;
        } else
                request->answer.error = code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EPROTO;

        (void) sd_event_source_set_enabled(request->done, SD_EVENT_ONESHOT);
}

/* One call of curl may finish several requests, so all messages are read each time. */
static void client_read_messages(HttpClient *client) {
        CURLMsg *message;
        int n_left;

        while ((message = client->curl->multi_info_read(client->multi, &n_left))) {
                HttpRequest *request = NULL;

                if (message->msg != CURLMSG_DONE)
                        continue;

                (void) client->curl->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
                                                  (char **) &request);
                request_settle(request, message->data.result);
        }
}

static void client_act(HttpClient *client, curl_socket_t fd, int events) {
        int n_running;

        (void) client->curl->multi_socket_action(client->multi, fd, events, &n_running);
        client_read_messages(client);
}

static int
client_on_socket_ready(_unused_ sd_event_source *source, int fd, uint32_t revents, void *data) {
        int events = 0;

        if (revents & (EPOLLIN | EPOLLHUP))
                events |= CURL_CSELECT_IN;
        if (revents & EPOLLOUT)
                events |= CURL_CSELECT_OUT;
        if (revents & EPOLLERR)
                events |= CURL_CSELECT_ERR;

        client_act(data, fd, events);
        return 0;
}

static int
client_on_timer(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        client_act(userdata, CURL_SOCKET_TIMEOUT, 0);
        return 0;
}

static int client_on_timer_wanted(_unused_ CURLM *multi, long timeout_ms, void *userdata) {
        HttpClient *client = userdata;

        if (timeout_ms < 0) {
                (void) sd_event_source_set_enabled(client->timer, SD_EVENT_OFF);
                return 0;
        }

        (void) sd_event_source_set_time_relative(client->timer,
                                                 (uint64_t) timeout_ms * USEC_PER_MSEC);
        (void) sd_event_source_set_enabled(client->timer, SD_EVENT_ONESHOT);
        return 0;
}

static void client_forget_socket(HttpClient *client, curl_socket_t fd) {
        if ((size_t) fd < client->n_sockets)
                client->sockets[fd] = sd_event_source_disable_unref(client->sockets[fd]);
}

static int client_watch_socket(HttpClient *client, curl_socket_t fd, uint32_t events) {
        if ((size_t) fd >= client->n_sockets) {
                size_t n = (size_t) fd + 64;
                sd_event_source **grown =
                        reallocarray(client->sockets, n, sizeof(sd_event_source *));

                if (!grown)
                        return -ENOMEM;
                memset(grown + client->n_sockets, 0, (n - client->n_sockets) * sizeof(*grown));
                client->sockets = grown;
                client->n_sockets = n;
        }

        if (client->sockets[fd])
                return sd_event_source_set_io_events(client->sockets[fd], events);

        return sd_event_add_io(client->event, &client->sockets[fd], fd, events,
                               client_on_socket_ready, client);
}

static int client_on_socket_wanted(_unused_ CURL *easy,
                                   curl_socket_t fd,
                                   int what,
                                   void *userdata,
                                   _unused_ void *socket_data) {
        HttpClient *client = userdata;
        uint32_t events = 0;

        if (what == CURL_POLL_REMOVE) {
                client_forget_socket(client, fd);
                return 0;
        }

        if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
                events |= EPOLLIN;
        if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
                events |= EPOLLOUT;

        /* An error in here would end every transfer for good (CURLMOPT_SOCKETFUNCTION(3)). A
         * request that cannot be watched just runs into its timeout. */
        (void) client_watch_socket(client, fd, events);
        return 0;
}

/* The event source must go before the descriptor: a new file may have its number at once. */
static int client_on_close_socket(void *userdata, curl_socket_t fd) {
        client_forget_socket(userdata, fd);
        return close(fd);
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

        return false;
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
        good &= curl->easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, client_on_close_socket) ==
                CURLE_OK;
        /* A connection may outlive its request, but not the client. */
        good &= curl->easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, request->client) == CURLE_OK;

        return good;
}

static bool request_set_target(HttpRequest *request, const HttpTarget *target, const char *url) {
        const LibCurl *curl = request->client->curl;
        CURL *easy = request->easy;
        /* Rounded up: 0 would mean no limit. */
        long timeout_ms = (long) (target->timeout_usec / USEC_PER_MSEC) + 1;
        bool good = true;

        good &= curl->easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK;
        good &= curl->easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers) == CURLE_OK;
        good &= curl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK;
        good &= curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms) == CURLE_OK;

        return good;
}

static int request_on_done(_unused_ sd_event_source *source, void *userdata) {
        HttpRequest *request = userdata;

        request->handler(&request->answer, request->userdata);
        return 0;
}

static int request_new(HttpRequest **ret, HttpClient *client) {
        _cleanup_(http_request_freep) HttpRequest *request = NULL;
        int r;

        request = calloc(1, sizeof(*request));
        if (!request)
                return -ENOMEM;
        request->client = client;

        request->easy = client->curl->easy_init();
        if (!request->easy)
                return -ENOMEM;

        /* Made beforehand, so that an answer cannot fail to be told. */
        r = sd_event_add_defer(client->event, &request->done, request_on_done, request);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(request->done, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(request);
        return 0;
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

        /* A numeric host needs no resolver, and no thread for it. */
        if (asprintf(&url, "http://%s:%u%s", target->family == AF_INET ? "127.0.0.1" : "[::1]",
                     (unsigned) target->port, target->path) < 0) {
                url = NULL;
                return -ENOMEM;
        }

        /* Fails with a libcurl that is older than one of the guards. */
        if (!request_set_guards(request->easy, client->curl))
                return -ENOTSUP;
        if (!request_set_callbacks(request) || !request_set_target(request, target, url))
                return -ENOMEM;

        if (client->curl->multi_add_handle(client->multi, request->easy) != CURLM_OK)
                return -ENOMEM;

        *ret = TAKE_PTR(request);
        return 0;
}

HttpRequest *http_request_free(HttpRequest *request) {
        if (!request)
                return NULL;

        if (request->easy) {
                const LibCurl *curl = request->client->curl;

                /* Does nothing to one that was never added. */
                (void) curl->multi_remove_handle(request->client->multi, request->easy);
                curl->easy_cleanup(request->easy);
                curl->slist_free_all(request->headers);
        }
        sd_event_source_disable_unref(request->done);
        free(request);
        return NULL;
}

unsigned http_request_status(const HttpRequest *request) {
        return request->status;
}

static bool client_set_callbacks(HttpClient *client) {
        const LibCurl *curl = client->curl;
        CURLM *multi = client->multi;
        bool good = true;

        good &= curl->multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, client_on_socket_wanted) ==
                CURLM_OK;
        good &= curl->multi_setopt(multi, CURLMOPT_SOCKETDATA, client) == CURLM_OK;
        good &= curl->multi_setopt(multi, CURLMOPT_TIMERFUNCTION, client_on_timer_wanted) ==
                CURLM_OK;
        good &= curl->multi_setopt(multi, CURLMOPT_TIMERDATA, client) == CURLM_OK;

        return good;
}

static int client_init_curl(HttpClient *client) {
        const LibCurl *curl;
        int r;

        r = libcurl_load(&curl);
        if (r < 0)
                return r;

        /* Nothing: no TLS is ever spoken, and OpenSSL's tables would be 2 MiB. */
        if (curl->global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
                return -ENOMEM;
        client->curl = curl;

        client->multi = curl->multi_init();
        if (!client->multi || !client_set_callbacks(client))
                return -ENOMEM;

        /* libcurl 7.88 makes the pair of sockets of curl_multi_wakeup(3) without close-on-exec.
         * The brain neither forks nor has a descriptor that is to be inherited. */
        (void) close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
        return 0;
}

int http_client_new(HttpClient **ret, sd_event *event) {
        _cleanup_(http_client_freep) HttpClient *client = NULL;
        int r;

        client = calloc(1, sizeof(*client));
        if (!client)
                return -ENOMEM;
        client->event = sd_event_ref(event);

        r = sd_event_add_time_relative(event, &client->timer, CLOCK_MONOTONIC, 0, USEC_PER_MSEC,
                                       client_on_timer, client);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(client->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;

        r = client_init_curl(client);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(client);
        return 0;
}

HttpClient *http_client_free(HttpClient *client) {
        if (!client)
                return NULL;

        if (client->multi)
                (void) client->curl->multi_cleanup(client->multi);
        if (client->curl)
                client->curl->global_cleanup();

        for (size_t i = 0; i < client->n_sockets; i++)
                sd_event_source_disable_unref(client->sockets[i]);
        free(client->sockets);
        sd_event_source_disable_unref(client->timer);
        sd_event_unref(client->event);
        free(client);
        return NULL;
}
