/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * CurlLoop
 *
 * The descriptors are in an epoll of their own, and only that is in the event loop: sd-event asks
 * the kernel for all that is ready again before each single thing that it does, so that a hundred
 * answers at a time would be asked for a hundred times.
 *
 * Nothing of ours that is called by curl calls the handler, so that curl_multi_remove_handle()
 * never runs inside of curl, which would be forbidden (libcurl-multi(3)).
 */

#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>

#include "io/curl-loop.h"
#include "util/clock.h"
#include "util/duration.h"

/* Sockets that are served in one turn, before it is somebody else's. */
#define READY_MAX 32

typedef struct NewSocket {
        curl_socket_t fd; /* -1: not any more */
        int what;         /* that curl waits for */
} NewSocket;

struct CurlLoop {
        const LibCurl *curl;
        CURLM *multi;
        sd_event *event;
        curl_done_handler_t handler;
        void *userdata;
        bool is_telling; /* the handler may run */
        bool is_free;    /* and has freed the loop, which goes as soon as it returns */

        sd_event_source *timer;
        sd_event_source *at_once; /* in place of a timer for what is due already */
        long timeout_ms;          /* what curl wants of it; negative: nothing */
        bool timeout_is_new;
        uint64_t timer_until; /* USEC_INFINITY: it is off */
        bool is_acting;       /* curl is at work, and may want something else of the timer soon */

        int epoll_fd; /* of all descriptors that curl waits for */
        sd_event_source *sockets;
        struct epoll_event ready[READY_MAX]; /* in this turn; data.fd -1: not any more */
        int n_ready;

        bool is_beginning; /* transfers begin, and their sockets are these, not in the epoll yet */
        NewSocket new[READY_MAX];
        int n_new;
};

/* One call of curl may finish several transfers, so all messages are read each time. */
static void loop_tell(CurlLoop *loop) {
        CURLMsg *message;
        int n_left;

        loop->is_telling = true;
        while ((message = loop->curl->multi_info_read(loop->multi, &n_left)))
                if (message->msg == CURLMSG_DONE)
                        loop->handler(message->easy_handle, message->data.result, loop->userdata);

        loop->is_telling = false;
        if (loop->is_free)
                curl_loop_free(loop);
}

static void loop_act(CurlLoop *loop, curl_socket_t fd, uint32_t happened) {
        int n_running, events = 0;

        if (happened & (EPOLLIN | EPOLLHUP))
                events |= CURL_CSELECT_IN;
        if (happened & EPOLLOUT)
                events |= CURL_CSELECT_OUT;
        if (happened & EPOLLERR)
                events |= CURL_CSELECT_ERR;

        (void) loop->curl->multi_socket_action(loop->multi, fd, events, &n_running);
}

/*
 * The timer may fire for nothing, but never late: with each answer curl wants a later time, and the
 * time of what gets one is hardly ever reached.
 */
static void loop_set_timer(CurlLoop *loop) {
        uint64_t until;

        if (!TAKE(loop->timeout_is_new, false) || loop->timeout_ms < 0)
                return;
        if (loop->timeout_ms == 0) {
                (void) sd_event_source_set_enabled(loop->at_once, SD_EVENT_ONESHOT);
                return;
        }

        until = clock_monotonic_usec() + (uint64_t) loop->timeout_ms * USEC_PER_MSEC;
        if (until >= loop->timer_until)
                return;

        loop->timer_until = until;
        (void) sd_event_source_set_time(loop->timer, until);
        (void) sd_event_source_set_enabled(loop->timer, SD_EVENT_ONESHOT);
}

/* While curl is at work it says so again and again: then only its last word counts. */
static int loop_on_timer_wanted(_unused_ CURLM *multi, long timeout_ms, void *userdata) {
        CurlLoop *loop = userdata;

        loop->timeout_ms = timeout_ms;
        loop->timeout_is_new = true;
        if (!loop->is_acting)
                loop_set_timer(loop);
        return 0;
}

static int loop_on_sockets_ready(_unused_ sd_event_source *source,
                                 int epoll_fd,
                                 _unused_ uint32_t revents,
                                 void *userdata) {
        CurlLoop *loop = userdata;

        loop->is_acting = true;
        loop->n_ready = epoll_wait(epoll_fd, loop->ready, READY_MAX, 0);
        for (int i = 0; i < loop->n_ready; i++)
                if (loop->ready[i].data.fd >= 0)
                        loop_act(loop, loop->ready[i].data.fd, loop->ready[i].events);

        loop->n_ready = 0;
        loop->is_acting = false;
        loop_set_timer(loop);
        loop_tell(loop);
        return 0;
}

/* What it was ready for counts no more: a new socket may have its number at once. */
static void loop_forget_socket(CurlLoop *loop, curl_socket_t fd) {
        for (int i = 0; i < loop->n_ready; i++)
                if (loop->ready[i].data.fd == fd)
                        loop->ready[i].data.fd = -1;
        for (int i = 0; i < loop->n_new; i++)
                if (loop->new[i].fd == fd)
                        loop->new[i].fd = -1;
}

static void loop_watch_socket(CurlLoop *loop, curl_socket_t fd, int what, bool is_watched) {
        struct epoll_event event = { .data.fd = fd };

        if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
                event.events |= EPOLLIN;
        if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
                event.events |= EPOLLOUT;

        /* An error in here would end every transfer for good (CURLMOPT_SOCKETFUNCTION(3)). A
         * request that cannot be watched just runs into its timeout. */
        (void) epoll_ctl(loop->epoll_fd, is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
        /* Whatever is not NULL is given back as is_watched, until the socket is removed. */
        if (!is_watched)
                (void) loop->curl->multi_assign(loop->multi, fd, loop);
}

/* NULL: it is not new, or there is no room. */
static NewSocket *loop_find_new(CurlLoop *loop, curl_socket_t fd) {
        for (int i = 0; i < loop->n_new; i++)
                if (loop->new[i].fd == fd)
                        return &loop->new[i];

        if (!loop->is_beginning || loop->n_new == READY_MAX)
                return NULL;

        loop->new[loop->n_new] = (NewSocket){ .fd = fd };
        return &loop->new[loop->n_new++];
}

static int loop_on_socket_wanted(
        _unused_ CURL *easy, curl_socket_t fd, int what, void *userdata, void *is_watched) {
        CurlLoop *loop = userdata;
        NewSocket *new = is_watched || what == CURL_POLL_REMOVE ? NULL : loop_find_new(loop, fd);

        if (new)
                new->what = what;
        else if (what != CURL_POLL_REMOVE)
                loop_watch_socket(loop, fd, what, is_watched);
        else {
                (void) epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
                loop_forget_socket(loop, fd);
        }
        return 0;
}

/* One that curl still waits for leaves the epoll with close(2): nobody else has it, epoll(7). */
static int loop_on_close_socket(void *userdata, curl_socket_t fd) {
        loop_forget_socket(userdata, fd);
        return close(fd);
}

/*
 * connect(2) to this machine itself has mostly come to something when it returns, so that the
 * request can go out at once: curl looks for itself whether it can. Only then is it known what is
 * to be waited for.
 */
static void loop_run_due(CurlLoop *loop) {
        loop->is_acting = loop->is_beginning = true;
        loop_act(loop, CURL_SOCKET_TIMEOUT, 0);
        loop->is_beginning = false;

        for (int i = 0; i < loop->n_new; i++)
                if (loop->new[i].fd >= 0 && loop->new[i].what == CURL_POLL_OUT)
                        loop_act(loop, loop->new[i].fd, EPOLLOUT);
        for (int i = 0; i < loop->n_new; i++)
                if (loop->new[i].fd >= 0)
                        loop_watch_socket(loop, loop->new[i].fd, loop->new[i].what, false);

        loop->n_new = 0;
        loop->is_acting = false;
        loop_set_timer(loop);
        loop_tell(loop);
}

static int loop_on_timer(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        CurlLoop *loop = userdata;

        loop->timer_until = USEC_INFINITY;
        loop_run_due(loop);
        return 0;
}

static int loop_on_at_once(_unused_ sd_event_source *source, void *userdata) {
        loop_run_due(userdata);
        return 0;
}

static bool loop_set_callbacks(CurlLoop *loop) {
        const LibCurl *curl = loop->curl;
        CURLM *multi = loop->multi;
        bool good = true;

        good &= curl->multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, loop_on_socket_wanted) ==
                CURLM_OK;
        good &= curl->multi_setopt(multi, CURLMOPT_SOCKETDATA, loop) == CURLM_OK;
        good &= curl->multi_setopt(multi, CURLMOPT_TIMERFUNCTION, loop_on_timer_wanted) == CURLM_OK;
        good &= curl->multi_setopt(multi, CURLMOPT_TIMERDATA, loop) == CURLM_OK;

        return good;
}

static int loop_init_curl(CurlLoop *loop) {
        const LibCurl *curl;
        int r;

        r = libcurl_load(&curl);
        if (r < 0)
                return r;

        /* Nothing: no TLS is ever spoken, and OpenSSL's tables would be 2 MiB. */
        if (curl->global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
                return -ENOMEM;
        loop->curl = curl;

        loop->multi = curl->multi_init();
        if (!loop->multi || !loop_set_callbacks(loop))
                return -ENOMEM;

        /* libcurl 7.88 makes the pair of sockets of curl_multi_wakeup(3) without close-on-exec.
         * The brain neither forks nor has a descriptor that is to be inherited. */
        (void) close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
        return 0;
}

static int loop_add_sources(CurlLoop *loop) {
        int r;

        loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (loop->epoll_fd < 0)
                return -errno;
        r = sd_event_add_io(loop->event, &loop->sockets, loop->epoll_fd, EPOLLIN,
                            loop_on_sockets_ready, loop);
        if (r < 0)
                return r;

        r = sd_event_add_time_relative(loop->event, &loop->timer, CLOCK_MONOTONIC, 0, USEC_PER_MSEC,
                                       loop_on_timer, loop);
        if (r >= 0)
                r = sd_event_source_set_enabled(loop->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(loop->event, &loop->at_once, loop_on_at_once, loop);
        return r < 0 ? r : sd_event_source_set_enabled(loop->at_once, SD_EVENT_OFF);
}

int curl_loop_new(CurlLoop **ret, sd_event *event, curl_done_handler_t handler, void *userdata) {
        _cleanup_(curl_loop_freep) CurlLoop *loop = NULL;
        int r;

        loop = calloc(1, sizeof(*loop));
        if (!loop)
                return -ENOMEM;
        loop->event = sd_event_ref(event);
        loop->handler = handler;
        loop->userdata = userdata;
        loop->epoll_fd = -1;
        loop->timer_until = USEC_INFINITY;

        r = loop_add_sources(loop);
        if (r < 0)
                return r;
        r = loop_init_curl(loop);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(loop);
        return 0;
}

CurlLoop *curl_loop_free(CurlLoop *loop) {
        if (!loop)
                return NULL;
        if (loop->is_telling) {
                loop->is_free = true;
                return NULL;
        }

        if (loop->multi)
                (void) loop->curl->multi_cleanup(loop->multi);
        if (loop->curl)
                loop->curl->global_cleanup();

        sd_event_source_disable_unref(loop->sockets);
        sd_event_source_disable_unref(loop->timer);
        sd_event_source_disable_unref(loop->at_once);
        safe_close(loop->epoll_fd);
        sd_event_unref(loop->event);
        free(loop);
        return NULL;
}

const LibCurl *curl_loop_functions(const CurlLoop *loop) {
        return loop->curl;
}

int curl_loop_add(CurlLoop *loop, CURL *easy) {
        const LibCurl *curl = loop->curl;

        /* A connection may outlive its transfer, but not the loop. */
        if (curl->easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, loop_on_close_socket) !=
                    CURLE_OK ||
            curl->easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, loop) != CURLE_OK ||
            curl->multi_add_handle(loop->multi, easy) != CURLM_OK)
                return -ENOMEM;

        return 0;
}

void curl_loop_remove(CurlLoop *loop, CURL *easy) {
        (void) loop->curl->multi_remove_handle(loop->multi, easy);
}
