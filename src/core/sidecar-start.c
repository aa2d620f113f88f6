/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: the start of a generation
 *
 * Ports, program, environment, descriptors, and then the order to the keeper. Whatever is wrong
 * is told as a Cause with Evidence; whether trying again can help is decided here, where the
 * reason is known.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/catalog.h"
#include "core/environment.h"
#include "core/program-search.h"
#include "core/records.h"
#include "core/sidecar-parts.h"
#include "core/supervisor.h"
#include "core/tmpdirs.h"
#include "io/ports.h"
#include "model/template.h"
#include "util/crashpoint.h"
#include "util/format.h"
#include "util/mkdir.h"
#include "util/strv.h"
#include "util/xdg.h"

/* All that a start makes and hands on. */
typedef struct Launch {
        Sidecar *sidecar;
        TemplateValues values;
        char *runtime_dir;
        char *state_dir;
        char **urls;
        char *token_path;
        char *program;
        char **argv;
        char **env;
        char *working_directory;
        uint16_t *ports; /* chosen so far */
        size_t n_ports;
        Sockets former_sockets; /* that have not been taken yet */
        Sockets sockets;
        Cause *cause;
        bool *permanent;
} Launch;

static void launch_done(Launch *launch) {
        free(launch->runtime_dir);
        free(launch->state_dir);
        strv_free(launch->urls);
        free(launch->token_path);
        free(launch->program);
        strv_free(launch->argv);
        strv_free(launch->env);
        free(launch->working_directory);
        free(launch->ports);
        sockets_done(&launch->former_sockets);
        sockets_done(&launch->sockets);
}

/* Answers -ECANCELED, which only says that the cause is filled in. Takes the detail over. */
static int refuse(Launch *launch, ReasonCode code, int error, bool permanent, char *detail) {
        Evidence *evidence = &launch->sidecar->evidence;

        free(evidence->detail);
        evidence->detail = sidecar_blank(launch->sidecar, detail);
        free(detail);
        launch->cause->code = code;
        launch->cause->error = error;
        *launch->permanent = permanent;
        return -ECANCELED;
}

/* user: a sidecar that is up with it; NULL: whoever listens there. */
static int refuse_port(Launch *launch, uint16_t port, const Sidecar *user) {
        Evidence *evidence = &launch->sidecar->evidence;
        char *detail = user ? evidence_note_sidecar(evidence, port, user)
                            : evidence_take_holder(evidence, port);

        /* Whoever it was has just given it back. */
        if (!detail)
                detail = format_text("port %u was taken", port);

        return refuse(launch, REASON_PORT_IN_USE, 0, false, detail);
}

static bool port_is_allowed(uint16_t port, void *userdata) {
        const Launch *launch = userdata;
        const Sidecar *s = launch->sidecar;

        for (size_t i = 0; i < launch->n_ports; i++)
                if (launch->ports[i] == port)
                        return false;
        for (size_t i = 0; i < s->running->n_ports; i++)
                if (s->running->ports[i].number == port)
                        return false;

        return !supervisor_port_is_taken(s->supervisor, port, s);
}

/*
 * A number of the manifest is asked for at each start that somebody asks for: where it moved to
 * for a conflict it stays over automatic restarts (contract P3).
 */
static uint16_t wished_port(const Launch *launch, const PortSpec *spec, uint16_t former) {
        bool stays = spec->reassign && former != 0 && launch->sidecar->life.n_restarts > 0;

        return spec->number != 0 && !stays ? spec->number : former;
}

/* Nobody else listens there, and no sidecar is about to, or was promised it. */
static int port_is_there(Launch *launch, const PortSpec *spec, uint16_t port, const Sidecar *user) {
        int r;

        if (port == 0 || user || (port != spec->number && !port_is_allowed(port, launch)))
                return 0;
        if (sockets_has(&launch->former_sockets, port))
                return 1;

        r = port_find_listener(port, NULL);
        return r < 0 ? r : r == 0;
}

/* Contract P1 to P4. former: what the last generation had there, 0: nothing. */
static int choose_port(Launch *launch, const PortSpec *spec, uint16_t former, uint16_t *ret) {
        const Sidecar *s = launch->sidecar;
        uint16_t wish = wished_port(launch, spec, former);
        const Sidecar *user = supervisor_find_port_user(s->supervisor, wish, s);
        int r = port_is_there(launch, spec, wish, user);

        if (r < 0)
                return r;
        if (r > 0) {
                *ret = wish;
                return 0;
        }
        if (spec->number != 0 && !spec->reassign)
                return refuse_port(launch, wish, user);

        return port_pick_free(ret, port_is_allowed, launch);
}

/* A port belongs to a name: an edited manifest may have others, in another order. */
static uint16_t former_port(const Sidecar *s, const SidecarSpec *former, const char *name) {
        for (size_t i = 0; former && i < s->n_ports; i++)
                if (streq(former->ports[i].name, name))
                        return s->ports[i];

        return 0;
}

/* What it had and does not ask for any more is nobody's, before it is asked who listens. */
static int take_former_sockets(Launch *launch) {
        Sockets *former = &launch->former_sockets;
        const Sidecar *s = launch->sidecar;
        uint16_t wishes[WIRE_SOCKETS_MAX];
        size_t n_wishes = 0;
        int r;

        for (size_t i = 0; i < s->running->n_ports; i++) {
                const PortSpec *port = &s->running->ports[i];

                if (port->is_socket && n_wishes < ELEMENTSOF(wishes))
                        wishes[n_wishes++] = wished_port(launch, port,
                                                         former_port(s, s->ports_spec, port->name));
        }

        r = sockets_unpack(s->sockets_fd, former);
        if (r >= 0)
                sockets_shut_but(former, wishes, n_wishes);
        return r;
}

/* Whoever has bound it and does not listen yet is found out only now. */
static int listen_on(Launch *launch, const PortSpec *spec, uint16_t *port) {
        bool may_move = spec->number == 0 || spec->reassign;
        int r;

        r = sockets_take(&launch->sockets, &launch->former_sockets, *port);
        if (r == -ENOENT)
                r = sockets_listen(&launch->sockets, *port);
        if (r != -EADDRINUSE)
                return r;
        if (!may_move)
                return refuse_port(launch, *port, NULL);

        r = port_pick_free(port, port_is_allowed, launch);
        return r < 0 ? r : sockets_listen(&launch->sockets, *port);
}

static int choose_ports(Launch *launch) {
        Sidecar *s = launch->sidecar;
        const SidecarSpec *spec = s->running;
        int r;

        launch->ports = calloc(spec->n_ports + 1, sizeof(uint16_t));
        if (!launch->ports)
                return -ENOMEM;
        r = take_former_sockets(launch);
        if (r < 0)
                return r;

        while (launch->n_ports < spec->n_ports) {
                const PortSpec *port = &spec->ports[launch->n_ports];
                uint16_t former = former_port(s, s->ports_spec, port->name);

                r = choose_port(launch, port, former, &launch->ports[launch->n_ports]);
                if (r >= 0 && port->is_socket)
                        r = listen_on(launch, port, &launch->ports[launch->n_ports]);
                if (r < 0)
                        return r;
                launch->n_ports++;
        }

        free(s->ports);
        s->ports = TAKE_PTR(launch->ports);
        s->n_ports = launch->n_ports;
        sidecar_spec_unref(s->ports_spec);
        s->ports_spec = sidecar_spec_ref(s->running);
        launch->values.ports = s->ports;
        return sidecar_keep_sockets(s, &launch->sockets);
}

static bool any_mentions(char *const *texts, const char *word) {
        STRV_FOREACH (text, texts)
                if (strstr(*text, word))
                        return true;

        return false;
}

static char *folder_of(const Sidecar *s, const char *parent, const char *kind) {
        const SidecarSpec *spec = s->running ? s->running : s->spec;

        return format_text("%s/%s/%s/%s", parent, kind, spec->app_id, spec->name);
}

char *sidecar_runtime_dir(const Sidecar *s) {
        return folder_of(s, s->supervisor->runtime_dir, "run");
}

char *sidecar_state_dir(const Sidecar *s) {
        return folder_of(s, s->supervisor->state_dir, "data");
}

int sidecar_list_urls(const Sidecar *s, char ***ret) {
        _cleanup_(strv_freep) char **urls = NULL;

        for (size_t i = 0; i < s->running->n_depends_on; i++) {
                const Sidecar *other = app_find(s->app, s->running->depends_on[i].name);
                int r = strv_consume(&urls, other ? sidecar_endpoint(other) : strdup(""));

                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(urls);
        return 0;
}

/* Made only for those that speak of it. */
static int make_folder(const SidecarSpec *spec, const char *path, const char *word) {
        const char *socket = spec->readiness.unix_socket;
        bool wanted = any_mentions(spec->command, word) || any_mentions(spec->env, word) ||
                      any_mentions(spec->readiness.command, word) ||
                      any_mentions(spec->liveness.probe.command, word) ||
                      (spec->working_directory && strstr(spec->working_directory, word)) ||
                      (socket && strstr(socket, word));

        return wanted ? mkdir_parents(path, 0700) : 0;
}

static int make_folders(Launch *launch) {
        const SidecarSpec *spec = launch->sidecar->running;
        int r;

        launch->runtime_dir = sidecar_runtime_dir(launch->sidecar);
        launch->state_dir = sidecar_state_dir(launch->sidecar);
        if (!launch->runtime_dir || !launch->state_dir)
                return -ENOMEM;

        r = make_folder(spec, launch->runtime_dir, "{runtimeDir}");
        if (r >= 0)
                r = make_folder(spec, launch->state_dir, "{stateDir}");

        launch->values.runtime_dir = launch->runtime_dir;
        launch->values.state_dir = launch->state_dir;
        return r;
}

static int ask_for_urls(Launch *launch) {
        int r = sidecar_list_urls(launch->sidecar, &launch->urls);

        launch->values.urls = launch->urls;
        return r;
}

static int prepare_token(Launch *launch) {
        Sidecar *s = launch->sidecar;
        int r;

        r = sidecar_prepare_token(s);
        if (r < 0)
                return r;
        launch->token_path = sidecar_token_path(s);
        if (!launch->token_path)
                return -ENOMEM;

        launch->values.token = s->token;
        launch->values.token_file = launch->token_path;
        return 0;
}

static int take_passed(Launch *launch) {
        int r = sidecar_take_passed(launch->sidecar);

        launch->values.passed = launch->sidecar->passed;
        return r;
}

/* What a client adds is no template. */
static int expand_command(Launch *launch) {
        Sidecar *s = launch->sidecar;
        int r;

        r = sidecar_expand_all(&launch->argv, s->running->command, &launch->values);
        STRV_FOREACH (argument, s->arguments)
                if (r >= 0)
                        r = strv_extend(&launch->argv, *argument);

        return r;
}

/* For clients, who are not to read there what another has passed on. */
static int note_tried(Sidecar *s, char *const *candidates) {
        _cleanup_(strv_freep) char **tried = NULL;
        int r = 0;

        STRV_FOREACH (path, candidates) {
                char *blanked = sidecar_blank(s, *path);

                if (r >= 0 && blanked)
                        r = strv_consume(&tried, blanked);
        }
        if (r < 0)
                return r;

        strv_free(s->evidence.tried);
        s->evidence.tried = TAKE_PTR(tried);
        return 0;
}

/* Takes what the fault says over. */
static int refuse_program(Launch *launch, ProgramFault *fault) {
        int r = note_tried(launch->sidecar, fault->tried);

        return r < 0 ? r
                     : refuse(launch,
                              fault->is_missing ? REASON_BINARY_MISSING : REASON_EXEC_FAILED,
                              fault->error, true, TAKE_PTR(fault->text));
}

/* For this start, and for whoever asks later what is wrong with it. */
static int find_program(Launch *launch) {
        _cleanup_(program_search_done) ProgramSearch search = { 0 };
        _cleanup_(program_fault_done) ProgramFault fault = { 0 };
        Sidecar *s = launch->sidecar;
        int r;

        s->program_is_other = false;
        s->identity = (ProgramIdentity){ 0 };
        r = free_and_strdup(&s->program_word, launch->argv[0]);
        if (r >= 0)
                r = program_require(&search, s, "program", s->program_word, &fault);
        catalog_note_program(s->supervisor->catalog);
        s->identity = search.identity;
        if (r == -ECANCELED)
                return refuse_program(launch, &fault);
        if (r < 0)
                return r;

        launch->program = TAKE_PTR(search.path);
        return free_and_strdup(&s->program, launch->program);
}

/* What asks it how it is has to be there too: a probe that cannot be made never succeeds. */
static int find_probe_program(Launch *launch, const ProbeSpec *spec) {
        _cleanup_(program_search_done) ProgramSearch search = { 0 };
        _cleanup_(program_fault_done) ProgramFault fault = { 0 };
        _cleanup_free_ char *name = NULL;
        int r;

        if (spec->kind != PROBE_EXEC)
                return 0;
        r = template_expand(&name, spec->command[0], &launch->values, NULL);
        if (r >= 0)
                r = program_require(&search, launch->sidecar, "probe program", name, &fault);
        return r == -ECANCELED ? refuse_program(launch, &fault) : r;
}

static int find_probe_programs(Launch *launch) {
        const SidecarSpec *spec = launch->sidecar->running;
        int r;

        r = find_probe_program(launch, &spec->readiness);
        return r < 0 ? r : find_probe_program(launch, &spec->liveness.probe);
}

static int find_working_directory(Launch *launch) {
        const char *template = launch->sidecar->running->working_directory;
        struct stat st;
        int r;

        r = template ? template_expand(&launch->working_directory, template, &launch->values, NULL)
                     : xdg_home(&launch->working_directory);
        if (r < 0)
                return r;
        if (stat(launch->working_directory, &st) >= 0 && S_ISDIR(st.st_mode))
                return 0;

        return refuse(launch, REASON_EXEC_FAILED, ENOTDIR, true,
                      format_text("its working directory %s is not a directory: make it, or name "
                                  "another in \"workingDirectory\"",
                                  launch->working_directory));
}

/* Whoever comes after us must know that it is wanted, before anybody is asked for it. */
static int write_down(Sidecar *s) {
        Records *records = s->supervisor->records;
        int r;

        /* Within a batch: outside of one the record is written, or not, where nobody asks. */
        records_begin(records);
        record_sidecar(s);
        CRASHPOINT("spawn-made-ready");
        r = records_flush(records);
        records_commit(records);
        CRASHPOINT("spawn-recorded");
        return r;
}

static int spawn(Launch *launch) {
        Sidecar *s = launch->sidecar;
        _cleanup_(strv_freep) char **env = NULL;
        _cleanup_close_ int stdin_fd = -1;
        OutputEnds ends;
        SpawnSpec spec = {
                .generation = s->life.generation,
                .path = launch->program,
                .argv = launch->argv,
                .envp = launch->env,
                .working_directory = launch->working_directory,
                .limits = s->running->limits,
                .hands_sockets = s->sockets_fd >= 0,
                .sockets_fd = s->sockets_fd,
        };
        int r = 0;

        /* Its alone: not of what asks how it is. */
        if (spec.hands_sockets) {
                r = sidecar_add_sockets(s, launch->env, &env);
                spec.envp = env;
        }
        if (r >= 0)
                r = sidecar_open_stdin(s, &stdin_fd, &spec.kept_stdin_fd);
        if (r >= 0)
                r = output_open(s->output, s->life.generation, &ends);
        if (r < 0)
                return r;

        spec.stdin_fd = stdin_fd;
        spec.stdout_fd = ends.stdout_fd;
        spec.stderr_fd = ends.stderr_fd;
        spec.kept_stdout_fd = ends.kept_stdout_fd;
        spec.kept_stderr_fd = ends.kept_stderr_fd;
        spec.kept_notify_fd = notify_socket_fd(s->notify);

        r = write_down(s);
        if (r >= 0)
                r = tree_spawn(s->tree, &spec);
        CRASHPOINT("spawn-sent");
        if (r < 0)
                output_close(s->output);

        safe_close(ends.stdout_fd);
        safe_close(ends.stderr_fd);
        return r;
}

int sidecar_launch(Sidecar *s, Cause *ret_cause, bool *ret_permanent) {
        _cleanup_(launch_done) Launch launch = {
                .sidecar = s,
                .values = { .spec = s->running },
                .cause = ret_cause,
                .permanent = ret_permanent,
        };
        int r;

        evidence_clear(&s->evidence);
        if (s->supervisor->is_safe_mode)
                return refuse(&launch, REASON_RESOURCES, 0, true, strdup(SAFE_MODE_SENTENCE));

        r = choose_ports(&launch);
        if (r >= 0)
                r = make_folders(&launch);
        if (r >= 0)
                r = ask_for_urls(&launch);
        if (r >= 0)
                r = prepare_token(&launch);
        if (r >= 0)
                r = take_passed(&launch);
        if (r >= 0)
                r = expand_command(&launch);
        if (r >= 0)
                r = find_program(&launch);
        if (r >= 0)
                r = find_probe_programs(&launch);
        if (r >= 0)
                r = find_working_directory(&launch);
        if (r >= 0)
                r = sidecar_open_notify(s);
        if (r >= 0)
                r = environment_make(&launch.env, s, &launch.values);
        if (r >= 0)
                r = tmpdirs_set(s, &launch.env);
        if (r >= 0)
                r = spawn(&launch);
        if (r >= 0)
                sidecar_keep_environment(s, TAKE_PTR(launch.env));
        if (r >= 0 || r == -ECANCELED)
                return r;

        /* What is left are shortages: of memory, descriptors, ports. They may pass. */
        return refuse(&launch, REASON_RESOURCES, -r, false, NULL);
}
