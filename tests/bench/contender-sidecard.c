/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Contender: Sidecard
 *
 * As a desktop app would have it: manifests, a keeper and its brain, and one long-lived connection
 * to the bus. What concerns all is a call each, written without waiting for the answers in between.
 */

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <systemd/sd-bus.h>

#include "tests/bench/contender.h"
#include "tests/bench/machine.h"

#define SIDECARS_PER_APP 64 /* as many as a manifest may have */

#define BUS_NAME "org.sidecard.Sidecars1"
#define INTERFACE BUS_NAME ".Sidecar"
#define PATH_APPS "/org/sidecard/Sidecars1/app"

typedef struct Sidecard {
        Contender contender;
        const Session *session;
        sd_bus *bus;
        char **paths; /* n + 1 */
        unsigned n_unanswered;
} Sidecard;

static void
write_sidecar(const Session *session, const Contender *contender, unsigned id, FILE *file) {
        (void) fprintf(file, "    \"s%u\": { \"command\": [\"%s\", \"%s\", \"%u\", \"%s\"] }%s\n",
                       id, session->stamp, id < contender->n ? "pause" : "exit", id,
                       contender->stamps.path,
                       id < contender->n && (id + 1) % SIDECARS_PER_APP != 0 ? "," : "");
}

static void app_file(char ret[static PATH_MAX], const Session *session, unsigned first) {
        (void) snprintf(ret, PATH_MAX, "%s/data/sidecard/apps/org.bench.App%u.json",
                        session->folder, first / SIDECARS_PER_APP);
}

static void write_app(const Session *session, const Contender *contender, unsigned first) {
        char path[PATH_MAX];
        FILE *file;

        app_file(path, session, first);
        file = fopen(path, "we");
        if (!file)
                fail("cannot make %s", path);
        (void) fprintf(file,
                       "{\n  \"manifestVersion\": 1,\n  \"id\": \"org.bench.App%u\",\n"
                       "  \"defaults\": { \"restart\": { \"delay\": \"0s\", \"attempts\": "
                       "\"unlimited\" } },\n  \"sidecars\": {\n",
                       first / SIDECARS_PER_APP);
        for (unsigned id = first; id <= contender->n && id < first + SIDECARS_PER_APP; id++)
                write_sidecar(session, contender, id, file);
        (void) fputs("  }\n}\n", file);
        if (fclose(file) != 0)
                fail("cannot write %s", path);
}

static void write_apps(const Session *session, const Contender *contender) {
        char path[PATH_MAX];

        (void) snprintf(path, sizeof(path), "%s/data/sidecard", session->folder);
        (void) mkdir(path, 0700);
        (void) snprintf(path, sizeof(path), "%s/data/sidecard/apps", session->folder);
        (void) mkdir(path, 0700);
        for (unsigned id = 0; id <= contender->n; id += SIDECARS_PER_APP)
                write_app(session, contender, id);
}

static void remove_apps(const Session *session, const Contender *contender) {
        char path[PATH_MAX];

        for (unsigned id = 0; id <= contender->n; id += SIDECARS_PER_APP) {
                app_file(path, session, id);
                (void) unlink(path);
        }
}

static int
on_answer(sd_bus_message *answer, void *userdata, sd_bus_error *ret_error __attribute__((unused))) {
        Sidecard *sidecard = userdata;

        if (sd_bus_message_is_method_error(answer, NULL))
                fail("sidecard refuses: %s", sd_bus_message_get_error(answer)->message);
        sidecard->n_unanswered--;
        return 1;
}

static void send_call(Sidecard *sidecard, unsigned id, const char *method) {
        if (sd_bus_call_method_async(sidecard->bus, NULL, BUS_NAME, sidecard->paths[id], INTERFACE,
                                     method, on_answer, sidecard, "a{sv}", 0) < 0)
                fail("cannot call %s", method);
        sidecard->n_unanswered++;
}

static void wait_for_answers(Sidecard *sidecard) {
        while (sidecard->n_unanswered > 0) {
                int r = sd_bus_process(sidecard->bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(sidecard->bus, UINT64_MAX);
                if (r < 0)
                        fail("the bus has gone");
        }
}

static void call(Contender *contender, unsigned id, const char *method) {
        Sidecard *sidecard = (Sidecard *) contender;

        send_call(sidecard, id, method);
        wait_for_answers(sidecard);
}

static void call_all(Contender *contender, const char *method) {
        Sidecard *sidecard = (Sidecard *) contender;

        for (unsigned id = 0; id < contender->n; id++)
                send_call(sidecard, id, method);
        wait_for_answers(sidecard);
}

static void start(Contender *contender, unsigned id) {
        call(contender, id, "Start");
}

static void stop(Contender *contender, unsigned id) {
        call(contender, id, "Stop");
}

static void start_all(Contender *contender) {
        call_all(contender, "Start");
}

static void stop_all(Contender *contender) {
        call_all(contender, "Stop");
}

/* As a service manager stops it (contract D1). */
static void stop_for_good(Contender *contender) {
        (void) kill(contender->pids[0], SIGTERM);
}

static void end(Contender *contender) {
        Sidecard *sidecard = (Sidecard *) contender;
        int status;

        stop_for_good(contender);
        if (waitpid(contender->pids[0], &status, 0) < 0 || status != 0)
                fail("sidecard-init ended with %#x", (unsigned) status);
        stamps_close(&contender->stamps);
        remove_apps(sidecard->session, contender);
        sd_bus_flush_close_unref(sidecard->bus);
        for (unsigned id = 0; id <= contender->n; id++)
                free(sidecard->paths[id]);
        free(sidecard->paths);
        free(sidecard);
}

static char *make_path(unsigned id) {
        char app[32], name[16], *app_path, *path;

        (void) snprintf(app, sizeof(app), "org.bench.App%u", id / SIDECARS_PER_APP);
        (void) snprintf(name, sizeof(name), "s%u", id);
        if (sd_bus_path_encode(PATH_APPS, app, &app_path) < 0 ||
            sd_bus_path_encode(app_path, name, &path) < 0)
                fail("cannot make a path");
        free(app_path);
        return path;
}

/* A caller is identified at its first call, which is not what is measured. */
static void connect_and_introduce(Sidecard *sidecard) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *status = NULL;

        if (sd_bus_open_user(&sidecard->bus) < 0)
                fail("cannot connect to the bus");
        if (sd_bus_get_property_string(sidecard->bus, BUS_NAME, sidecard->paths[0], INTERFACE,
                                       "Status", &error, &status) < 0)
                fail("sidecard does not answer: %s", error.message);
}

Contender *sidecard_new(const Session *session, unsigned n) {
        static const ContenderKind kind = { start, stop, start_all, stop_all, stop_for_good, end };
        Sidecard *sidecard = calloc(1, sizeof(*sidecard));

        if (!sidecard || !(sidecard->paths = calloc(n + 1, sizeof(char *))))
                fail("cannot begin");

        sidecard->contender.kind = &kind;
        sidecard->session = session;
        sidecard->contender.n = n;
        stamps_open(&sidecard->contender.stamps, session->folder, "sidecard");
        write_apps(session, &sidecard->contender);
        for (unsigned id = 0; id <= n; id++)
                sidecard->paths[id] = make_path(id);
        session_run_daemon(session, sidecard->contender.pids);
        sidecard->contender.n_pids = 2;
        connect_and_introduce(sidecard);
        return &sidecard->contender;
}
