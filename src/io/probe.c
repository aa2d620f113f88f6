/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Probe
 *
 * Brings together the question (io/http.c, io/tcp.c, io/guest.c), the decision
 * (model/probe-round.c) and the time. One timer a probe serves each request in turn, and never
 * fires later than the deadline of the whole. It stands behind the answers in the loop's order, so
 * that an answer that came while the brain was busy still counts.
 */

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "io/guest.h"
#include "io/http.h"
#include "io/probe.h"
#include "io/tcp.h"
#include "model/probe-round.h"
#include "util/duration.h"
#include "util/signal-name.h"
#include "util/strv.h"

#define PROBE_ERROR_MAX 512
#define WHERE_MAX 16
#define HTTP_LATE_USEC USEC_PER_MINUTE

struct Prober {
        sd_event *event;
        HttpClient *http; /* from the first HTTP probe on */
};

struct Probe {
        Prober *prober;
        ProbeKind kind;
        uint16_t port;
        char *unix_path; /* or NULL */
        const char *method;
        char **paths;
        char **headers;
        StatusRange *alive;
        char *program; /* exec: its name, for people */
        char *fault;   /* exec: the answer; or NULL */
        uint64_t timeout_usec;
        uint64_t deadline_usec;
        probe_handler_t handler;
        void *userdata;

        ProbeRound round;
        int family; /* of the address that is asked now */
        uint64_t asked_usec;
        uint64_t until_usec; /* when the request that was asked then is over */
        sd_event_source *timer;
        HttpRequest *request;
        TcpConnect *connection;
        Guest *guest;
        bool has_started;            /* exec: its turn has come */
        char error[PROBE_ERROR_MAX]; /* of the last request that got no answer */
};

/* The loop's own idea of now may be old: a turn may have taken its time. */
static uint64_t now_usec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * USEC_PER_SEC + (uint64_t) now.tv_nsec / 1000;
}

int prober_new(Prober **ret, sd_event *event) {
        Prober *prober = calloc(1, sizeof(*prober));

        if (!prober)
                return -ENOMEM;

        prober->event = sd_event_ref(event);
        *ret = prober;
        return 0;
}

Prober *prober_free(Prober *prober) {
        if (!prober)
                return NULL;

        http_client_free(prober->http);
        sd_event_unref(prober->event);
        free(prober);
        return NULL;
}

static void probe_drop_request(Probe *probe) {
        probe->request = http_request_free(probe->request);
        probe->connection = tcp_connect_free(probe->connection);
        probe->guest = guest_free(probe->guest);
}

static void probe_say_not_alive(const Probe *probe, char text[static PROBE_ERROR_MAX]) {
        if (probe->round.status != 0)
                (void) snprintf(text, PROBE_ERROR_MAX, "%s %s answered %u", probe->method,
                                probe->paths[probe->round.path_index], probe->round.status);
        else
                (void) snprintf(text, PROBE_ERROR_MAX, "%s", probe->error);
}

/* The probe may be gone afterwards. */
static void probe_finish(Probe *probe, ProbeStep step) {
        char error[PROBE_ERROR_MAX] = "";
        ProbeResult result = {
                .alive = step == PROBE_STEP_ALIVE,
                .is_loading = step == PROBE_STEP_LOADING,
                .path_index = probe->round.path_index,
                .status = probe->round.status,
                .latency_usec = now_usec() - probe->asked_usec,
                .until_usec = probe->until_usec,
                .error = error,
        };

        if (probe->fault)
                result.error = probe->fault;
        else if (!result.alive)
                probe_say_not_alive(probe, error);

        probe_drop_request(probe);
        probe->timer = sd_event_source_disable_unref(probe->timer);
        probe->handler(&result, probe->userdata);
}

/* Where it was asked, "port 8000" or the path of a socket. */
static const char *probe_say_where(const Probe *probe, char text[static WHERE_MAX]) {
        if (probe->unix_path)
                return probe->unix_path;

        (void) snprintf(text, WHERE_MAX, "port %u", (unsigned) probe->port);
        return text;
}

static void probe_note_error(Probe *probe, int error, const char *message) {
        char what[PROBE_ERROR_MAX / 2], span[DURATION_TEXT_MAX], text[WHERE_MAX];
        const char *where = probe_say_where(probe, text);

        if (probe->kind == PROBE_HTTP)
                (void) snprintf(what, sizeof(what), "%s %s", probe->method,
                                probe->paths[probe->round.path]);
        else
                (void) snprintf(what, sizeof(what), "connecting to %s", where);

        if (error == -ECONNREFUSED)
                (void) snprintf(probe->error, sizeof(probe->error), "nothing listens on %s", where);
        else if (error == -ETIMEDOUT)
                (void) snprintf(probe->error, sizeof(probe->error), "%s: no answer within %s", what,
                                duration_say(span, probe->until_usec - probe->asked_usec));
        else
                (void) snprintf(probe->error, sizeof(probe->error), "%s: %s", what,
                                message ? message : strerror(-error));
}

static ProbeStep probe_judge(Probe *probe, int error, unsigned status) {
        if (probe->kind == PROBE_TCP)
                return error < 0 ? PROBE_STEP_DEAD : PROBE_STEP_ALIVE;
        if (error == -ECONNREFUSED)
                return probe_round_note(&probe->round, PROBE_ANSWER_REFUSED, 0);
        if (error < 0)
                return probe_round_note(&probe->round, PROBE_ANSWER_NONE, 0);

        return probe_round_note(&probe->round, PROBE_ANSWER_STATUS, status);
}

static void probe_on_outcome(Probe *probe, int error, unsigned status, const char *message);

static void probe_on_http_answer(const HttpAnswer *answer, void *userdata) {
        probe_on_outcome(userdata, answer->error, answer->status, answer->message);
}

static void probe_on_tcp_answer(int error, void *userdata) {
        probe_on_outcome(userdata, error, 0, NULL);
}

static int probe_ask_tcp(Probe *probe) {
        const TcpTarget target = {
                .family = probe->family,
                .port = probe->port,
                .unix_path = probe->unix_path,
        };

        return tcp_connect_start(&probe->connection, probe->prober->event, &target,
                                 probe_on_tcp_answer, probe);
}

/*
 * The probe's own timer ends it, since that looks at answers first. curl's looks at the clock
 * first, and would take an answer that lies in the socket for one that never came.
 */
static int probe_ask_http(Probe *probe) {
        const HttpTarget target = {
                .family = probe->family,
                .port = probe->port,
                .unix_path = probe->unix_path,
                .method = probe->method,
                .path = probe->paths[probe->round.path],
                .headers = probe->headers,
                .timeout_usec = probe->timeout_usec + HTTP_LATE_USEC,
        };

        return http_request_start(&probe->request, probe->prober->http, &target,
                                  probe_on_http_answer, probe);
}

/* The current path at the current address. */
static int probe_ask(Probe *probe) {
        probe_drop_request(probe);
        return probe->kind == PROBE_TCP ? probe_ask_tcp(probe) : probe_ask_http(probe);
}

/* What came of its program, if anything did. */
static void probe_say_end(Probe *probe, const GuestEnd *end) {
        char *text = probe->error;

        if (end->error == ECANCELED)
                (void) snprintf(text, PROBE_ERROR_MAX, "the sidecar was ended before it answered");
        else if (end->error != 0)
                (void) snprintf(text, PROBE_ERROR_MAX, "the probe %s could not be executed: %s",
                                probe->program, strerror(end->error));
        else if (end->code == CLD_EXITED)
                (void) snprintf(text, PROBE_ERROR_MAX, "the probe %s exited with code %d",
                                probe->program, end->status);
        else if (end->code == CLD_KILLED || end->code == CLD_DUMPED)
                (void) snprintf(text, PROBE_ERROR_MAX, "the probe %s was killed by %s",
                                probe->program, signal_to_name(end->status));
        else
                (void) snprintf(text, PROBE_ERROR_MAX, "the probe %s ended, nobody saw how",
                                probe->program);
}

static void probe_on_program_ended(const GuestEnd *end, void *userdata) {
        Probe *probe = userdata;
        bool alive = end->error == 0 && end->code == CLD_EXITED && end->status == 0;

        if (!alive)
                probe_say_end(probe, end);
        probe_finish(probe, alive ? PROBE_STEP_ALIVE : PROBE_STEP_DEAD);
}

static void probe_on_program_late(Probe *probe) {
        uint64_t limit_usec = probe->until_usec - probe->asked_usec;
        char limit[DURATION_TEXT_MAX];

        if (probe->fault) {
                probe_finish(probe, PROBE_STEP_DEAD);
                return;
        }
        /* As the manifest has it, if it is not the deadline of the whole. */
        if (limit_usec == probe->timeout_usec)
                duration_format(limit, limit_usec);
        else
                duration_say(limit, limit_usec);
        if (probe->has_started)
                (void) snprintf(probe->error, PROBE_ERROR_MAX, "the probe %s was killed after %s",
                                probe->program, limit);
        else
                (void) snprintf(probe->error, PROBE_ERROR_MAX,
                                "the probe %s had to wait for another one", probe->program);
        probe_finish(probe, PROBE_STEP_DEAD);
}

static int
probe_on_timer(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        Probe *probe = userdata;
        unsigned status = probe->request ? http_request_status(probe->request) : 0;

        if (probe->kind == PROBE_EXEC) {
                probe_on_program_late(probe);
                return 0;
        }
        probe_drop_request(probe);
        probe_on_outcome(probe, status != 0 ? 0 : -ETIMEDOUT, status, NULL);
        return 0;
}

static int probe_set_timer(Probe *probe) {
        int r;

        if (probe->timer) {
                r = sd_event_source_set_time(probe->timer, probe->until_usec);
                return r < 0 ? r : sd_event_source_set_enabled(probe->timer, SD_EVENT_ONESHOT);
        }

        r = sd_event_add_time(probe->prober->event, &probe->timer, CLOCK_MONOTONIC,
                              probe->until_usec, USEC_PER_MSEC, probe_on_timer, probe);
        return r < 0 ? r : sd_event_source_set_priority(probe->timer, SD_EVENT_PRIORITY_NORMAL + 1);
}

/* From now on there is a time for one answer; answers how long the whole may take still. */
static uint64_t probe_set_time(Probe *probe) {
        uint64_t now = now_usec();
        uint64_t left = probe->deadline_usec > now ? probe->deadline_usec - now : 0;

        probe->asked_usec = now;
        probe->until_usec = now + (probe->timeout_usec < left ? probe->timeout_usec : left);
        return left;
}

static void probe_on_program_started(void *userdata) {
        Probe *probe = userdata;

        probe->has_started = true;
        (void) probe_set_time(probe);
        (void) probe_set_timer(probe);
}

/* Its time is its own, without that which it waits for others. */
static int probe_ask_program(Probe *probe, Tree *tree, const SpawnSpec *program) {
        static const GuestObserver observer = {
                .on_started = probe_on_program_started,
                .on_ended = probe_on_program_ended,
        };
        int r;

        probe->asked_usec = now_usec();
        probe->until_usec = probe->fault ? probe->asked_usec : probe->deadline_usec;
        r = probe_set_timer(probe);
        if (r < 0 || probe->fault)
                return r;
        return guest_start(&probe->guest, tree, program, &observer, probe);
}

/* The current path, with a time of its own. */
static int probe_ask_path(Probe *probe) {
        uint64_t left = probe_set_time(probe);
        int r;

        r = probe_set_timer(probe);
        if (r < 0)
                return r;

        /* Past the deadline nothing is asked: the timer tells, from the loop. */
        return left > 0 ? probe_ask(probe) : 0;
}

/* A machine without IPv6 says so in one of three ways. */
static bool error_means_no_such_address(int error) {
        return error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL || error == -ENETUNREACH;
}

/* What came of one request. The probe may be gone afterwards. */
static void probe_on_outcome(Probe *probe, int error, unsigned status, const char *message) {
        ProbeStep step;

        if (error == -ECONNREFUSED && probe->family == AF_INET) {
                /* For the rest of the round too: 127.0.0.1 would only refuse again. */
                probe->family = AF_INET6;
                error = probe_ask(probe);
                if (error >= 0)
                        return;
                message = NULL; /* went with its request */
        }
        if (probe->family == AF_INET6 && error_means_no_such_address(error))
                error = -ECONNREFUSED; /* as 127.0.0.1 has said before */
        if (probe->family == AF_UNIX && error == -ENOENT)
                error = -ECONNREFUSED; /* it has not made its socket yet */
        if (error < 0)
                probe_note_error(probe, error, message);

        step = probe_judge(probe, error, status);
        if (step == PROBE_STEP_ASK && now_usec() < probe->deadline_usec) {
                error = probe_ask_path(probe);
                if (error >= 0)
                        return;
                probe_note_error(probe, error, NULL);
        }

        probe_finish(probe, step == PROBE_STEP_ASK ? PROBE_STEP_DEAD : step);
}

static int probe_set_http(Probe *probe, const ProbeTarget *target) {
        int r;

        if (strv_length(target->paths) == 0)
                return -EINVAL;

        r = strv_copy(&probe->paths, target->paths);
        if (r < 0)
                return r;
        r = strv_copy(&probe->headers, target->headers);
        if (r < 0)
                return r;

        probe->alive = calloc(target->n_alive + 1, sizeof(StatusRange));
        if (!probe->alive)
                return -ENOMEM;
        for (size_t i = 0; i < target->n_alive; i++)
                probe->alive[i] = target->alive[i];

        probe->method = target->method ? target->method : "GET";
        probe->round = probe_round(strv_length(probe->paths), probe->alive, target->n_alive);
        return probe->prober->http ? 0
                                   : http_client_new(&probe->prober->http, probe->prober->event);
}

static int probe_set_program(Probe *probe, const ProbeTarget *target) {
        int r;

        if (!target->tree || (!target->program && !target->fault))
                return -EINVAL;

        r = free_and_strdup(&probe->fault, target->fault);
        if (r >= 0 && target->program)
                r = free_and_strdup(&probe->program, target->program->argv[0]);
        return r;
}

static bool unix_path_is_good(const char *path) {
        return path[0] == '/' && strlen(path) < sizeof(((struct sockaddr_un *) NULL)->sun_path);
}

static int probe_new(Probe **ret, Prober *prober, const ProbeTarget *target) {
        _cleanup_(probe_freep) Probe *probe = NULL;
        int r;

        if (!probe_kind_is_asked(target->kind))
                return -EINVAL;
        if (target->unix_path && !unix_path_is_good(target->unix_path))
                return -EINVAL;

        probe = calloc(1, sizeof(*probe));
        if (!probe)
                return -ENOMEM;

        probe->prober = prober;
        probe->kind = target->kind;
        probe->port = target->port;
        probe->timeout_usec = target->timeout_usec;
        probe->deadline_usec = target->deadline_usec;
        probe->family = target->unix_path ? AF_UNIX : AF_INET;
        probe->round.path_index = -1;

        r = free_and_strdup(&probe->unix_path, target->unix_path);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(probe);
        return 0;
}

int probe_start(Probe **ret,
                Prober *prober,
                const ProbeTarget *target,
                probe_handler_t handler,
                void *userdata) {
        _cleanup_(probe_freep) Probe *probe = NULL;
        int r;

        r = probe_new(&probe, prober, target);
        if (r < 0)
                return r;
        probe->handler = handler;
        probe->userdata = userdata;

        if (target->kind == PROBE_HTTP) {
                r = probe_set_http(probe, target);
                if (r < 0)
                        return r;
        }
        if (target->kind == PROBE_EXEC) {
                r = probe_set_program(probe, target);
                if (r < 0)
                        return r;
        }

        r = target->kind == PROBE_EXEC ? probe_ask_program(probe, target->tree, target->program)
                                       : probe_ask_path(probe);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(probe);
        return 0;
}

Probe *probe_free(Probe *probe) {
        if (!probe)
                return NULL;

        probe_drop_request(probe);
        sd_event_source_disable_unref(probe->timer);
        free(probe->unix_path);
        strv_free(probe->paths);
        strv_free(probe->headers);
        free(probe->alive);
        free(probe->program);
        free(probe->fault);
        free(probe);
        return NULL;
}
