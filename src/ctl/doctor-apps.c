/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Doctor: the apps
 *
 * `sidecard --check --preflight` looks at manifests, programs and fixed ports, so that this needs
 * no daemon; the daemon then knows which of the ports are held by their own sidecars, and what has
 * failed. Folders are gone through as the daemon does (contract F1): the first that has a manifest
 * hides those behind it.
 */

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "ctl/check.h"
#include "ctl/client.h"
#include "ctl/doctor.h"
#include "ctl/listing.h"
#include "ctl/preflight-line.h"
#include "util/strv.h"
#include "util/xdg.h"

#define SUBJECT_MANIFESTS "manifests"
#define SUBJECT_BINARIES "binaries"
#define SUBJECT_PORTS "ports"
#define SUBJECT_SIDECARS "sidecars"

typedef struct Tally {
        size_t n_manifests, n_broken, n_programs;
        const char *manifest; /* the last one, of which the lines are */
} Tally;

static bool is_manifest(const char *name) {
        size_t n = strlen(name), n_suffix = strlen(".json");

        return *name != '.' && n > n_suffix && streq(name + n - n_suffix, ".json");
}

static bool is_mask(const char *path) {
        char target[sizeof("/dev/null") + 1] = "";

        return readlink(path, target, sizeof(target) - 1) > 0 && streq(target, "/dev/null");
}

static int take_file(char ***files, char ***seen, const char *folder, const char *name) {
        _cleanup_free_ char *path = NULL;
        int r;

        if (!is_manifest(name) || strv_contains(*seen, name))
                return 0;
        if (asprintf(&path, "%s/%s", folder, name) < 0)
                return -ENOMEM;

        r = strv_extend(seen, name);
        return r < 0 || is_mask(path) ? r : strv_extend(files, path);
}

static int list_folder(char ***files, char ***seen, const char *folder) {
        struct dirent **entries;
        int n = scandir(folder, &entries, NULL, alphasort), r = 0;

        if (n < 0)
                return 0;

        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = take_file(files, seen, folder, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        return r;
}

static int list_manifests(char ***ret) {
        _cleanup_(strv_freep) char **path = NULL, **files = NULL, **seen = NULL;
        int r;

        r = xdg_data_path(&path);
        STRV_FOREACH (dir, path) {
                _cleanup_free_ char *folder = NULL;

                if (r >= 0 && asprintf(&folder, "%s/sidecard/apps", *dir) < 0)
                        return -ENOMEM;
                if (r >= 0)
                        r = list_folder(&files, &seen, folder);
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(files);
        return 0;
}

/* Whether it is of the tree of that sidecar; who is down has none. */
static bool is_of_sidecar(const Doctor *doctor, const char *name, pid_t pid) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *app = strndup(name, strcspn(name, "/")), *path = NULL;
        const char *command;
        uint32_t each;

        path = app ? path_of_sidecar(app, strchr(name, '/') + 1) : NULL;
        if (!path || !doctor->is_up ||
            sd_bus_call_method(doctor->bus, BUS_NAME, path, INTERFACE_SIDECAR, "GetProcesses", NULL,
                               &reply, NULL) < 0 ||
            sd_bus_message_enter_container(reply, 'a', "(us)") < 0)
                return false;

        while (sd_bus_message_read(reply, "(us)", &each, &command) > 0)
                if (each == (uint32_t) pid)
                        return true;

        return false;
}

static void judge_port(Doctor *doctor, const PreflightLine *line) {
        Findings *findings = &doctor->findings;
        char holder[128];

        if (line->pid > 0 && is_of_sidecar(doctor, line->name, line->pid)) {
                findings_add(findings, FINDING_OK, SUBJECT_PORTS, "%s has its port %u", line->name,
                             line->port);
                return;
        }

        if (line->pid > 0)
                (void) snprintf(holder, sizeof(holder), "%s, pid %d", line->program,
                                (int) line->pid);
        else
                (void) snprintf(holder, sizeof(holder), "a process that we cannot see");
        if (line->is_reassigned) {
                findings_add(findings, FINDING_OK, SUBJECT_PORTS,
                             "port %u of %s is held by %s: it takes another one", line->port,
                             line->name, holder);
                return;
        }

        findings_add(findings, FINDING_PROBLEM, SUBJECT_PORTS, "port %u of %s is held by %s",
                     line->port, line->name, holder);
        if (line->pid > 0)
                findings_advise(findings,
                                "kill %d, if it can go; else \"port\": \"auto\" in the manifest",
                                (int) line->pid);
        else
                findings_advise(findings, "see whose it is: sudo ss -ltnp 'sport = :%u'",
                                line->port);
}

static void judge_line(Doctor *doctor, const PreflightLine *line, Tally *tally) {
        Findings *findings = &doctor->findings;

        switch (line->kind) {

        case PREFLIGHT_MANIFEST:
                tally->n_manifests++;
                tally->manifest = line->text;
                break;

        case PREFLIGHT_PROGRAM_FOUND:
                tally->n_programs++;
                break;

        case PREFLIGHT_PROGRAM_MISSING:
                findings_add(findings, FINDING_PROBLEM, SUBJECT_BINARIES, "%s: %s", line->name,
                             line->text);
                findings_advise(findings, "install it there, or correct the manifest: %s",
                                tally->manifest);
                break;

        case PREFLIGHT_PORT:
                judge_port(doctor, line);
                break;

        default:
                tally->n_broken++;
                findings_add(findings, FINDING_PROBLEM, SUBJECT_MANIFESTS, "%s", line->text);
                findings_advise(findings, "correct it, then: sidecarctl check %.*s",
                                (int) strcspn(line->text, ":"), line->text);
        }
}

static int look_at_files(Doctor *doctor, char *const *files, Tally *tally) {
        _cleanup_(strv_freep) char **lines = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = check_preflight(&text, files);
        if (r >= 0)
                r = strv_split(&lines, text ? text : "", '\n');
        if (r != 0)
                return r < 0 ? r : 0;

        STRV_FOREACH (each, lines) {
                PreflightLine line = preflight_line_parse(*each);

                judge_line(doctor, &line, tally);
        }
        return 0;
}

int doctor_look_at_manifests(Doctor *doctor) {
        _cleanup_(strv_freep) char **files = NULL;
        Findings *findings = &doctor->findings;
        Tally tally = { 0 };
        int r;

        r = list_manifests(&files);
        if (r < 0 || !doctor->has_program)
                return r;
        if (!files) {
                findings_add(findings, FINDING_OK, SUBJECT_MANIFESTS,
                             "there is none in the sidecard/apps of XDG_DATA_HOME and "
                             "XDG_DATA_DIRS");
                return 0;
        }

        r = look_at_files(doctor, files, &tally);
        if (r < 0)
                return r;
        if (tally.n_manifests + tally.n_broken < strv_length(files)) {
                findings_add(findings, FINDING_PROBLEM, SUBJECT_MANIFESTS,
                             "sidecard has not told of all of them, and may have died of one");
                findings_advise(findings, "sidecarctl check, with one file after the other");
        } else if (tally.n_broken == 0)
                findings_add(findings, FINDING_OK, SUBJECT_MANIFESTS, "%zu, and all can be read",
                             tally.n_manifests);
        if (tally.n_programs > 0)
                findings_add(findings, FINDING_OK, SUBJECT_BINARIES, "%zu program%s found",
                             tally.n_programs, tally.n_programs == 1 ? "" : "s");
        return 0;
}

static int tell_failure(Doctor *doctor, const Listed *item) {
        _cleanup_free_ char *reason = NULL;
        int r;

        r = sd_bus_get_property_string(doctor->bus, BUS_NAME, item->path, INTERFACE_SIDECAR,
                                       "Reason", NULL, &reason);
        if (r == -ENOMEM)
                return r;

        findings_add(&doctor->findings, FINDING_PROBLEM, SUBJECT_SIDECARS, "%s/%s has failed: %s",
                     item->app, item->name, reason ? reason : "it is gone by now");
        findings_advise(&doctor->findings, "sidecarctl why %s/%s", item->app, item->name);
        return 0;
}

int doctor_look_at_failures(Doctor *doctor) {
        _cleanup_(listing_done) Listing listing = { 0 };
        size_t n_failed = 0;
        int r;

        r = doctor->is_up ? listing_read(&listing, doctor->bus, NULL) : 0;
        for (size_t i = 0; r == 0 && i < listing.n_items; i++)
                if (streq(listing.items[i].status, "Failed")) {
                        n_failed++;
                        r = tell_failure(doctor, &listing.items[i]);
                }
        if (r != 0 || !doctor->is_up || n_failed > 0)
                return r < 0 ? r : 0;

        findings_add(&doctor->findings, FINDING_OK, SUBJECT_SIDECARS, "none of %zu has failed",
                     listing.n_items);
        return 0;
}
