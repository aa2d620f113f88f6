/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Doctor: the daemon
 *
 * What is installed, and what runs. A daemon that is not there is started as any client would start
 * it, by the bus, since only that tells whether it works; not where it is known by then that it
 * cannot.
 */

#include <stdio.h>
#include <string.h>

#include "config.h"
#include "ctl/check.h"
#include "ctl/client.h"
#include "ctl/doctor.h"
#include "ctl/unit-state.h"
#include "util/duration.h"
#include "util/strv.h"

#define SUBJECT_PROGRAMS "programs"
#define SUBJECT_DAEMON "daemon"
#define SUBJECT_KEEPER "keeper"
#define SUBJECT_CGROUPS "cgroups"
#define SUBJECT_SAFE_MODE "safe mode"

#define KEEPER "sidecard-init"
#define COMM_MAX 16 /* proc_pid_comm(5) */
#define PATIENCE_USEC (30 * USEC_PER_SEC)

int doctor_look_at_programs(Doctor *doctor) {
        _cleanup_free_ char *keeper = NULL, *program = NULL;
        const char *missing = NULL;
        int r;

        r = check_find_program(&program);
        if (r < 0)
                return r;
        if (asprintf(&keeper, "%.*s/" KEEPER, (int) (strrchr(program, '/') - program), program) < 0)
                return -ENOMEM;

        if (access(program, X_OK) < 0)
                missing = program;
        else if (access(keeper, X_OK) < 0)
                missing = keeper;
        if (missing) {
                findings_add(&doctor->findings, FINDING_PROBLEM, SUBJECT_PROGRAMS, "%s: %s",
                             missing, strerror(errno));
                findings_advise(&doctor->findings, "install sidecard again, as a whole");
        } else
                findings_add(&doctor->findings, FINDING_OK, SUBJECT_PROGRAMS,
                             "%s, and beside it " KEEPER, program);

        doctor->has_program = missing != program;
        return 0;
}

static int start(sd_bus *bus, sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, "org.freedesktop.DBus",
                                           "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                           "StartServiceByName");
        if (r >= 0)
                r = sd_bus_message_append(call, "su", BUS_NAME, 0);

        return r < 0 ? r : sd_bus_call(bus, call, PATIENCE_USEC, ret_error, NULL);
}

static void bring_up(Doctor *doctor) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        Findings *findings = &doctor->findings;
        int r;

        if (findings_count(findings, FINDING_PROBLEM) > 0) {
                findings_add(findings, FINDING_WARNING, SUBJECT_DAEMON,
                             "it does not run, and with these problems it was not started");
                findings_advise(findings, "once they are gone: sidecarctl doctor");
                return;
        }

        r = start(doctor->bus, &error);
        if (r >= 0) {
                doctor->is_up = true;
                return;
        }

        findings_add(findings, FINDING_PROBLEM, SUBJECT_DAEMON, "the bus could not start it: %s",
                     error.message ? error.message : strerror(-r));
        if (doctor->has_systemd)
                findings_advise(findings, "journalctl --user -n 50 -u " UNIT_NAME);
        else
                findings_advise(findings,
                                "see what it says in a terminal: " SIDECARD_LIBEXECDIR "/" KEEPER);
}

/* "PID (COMM) STATE PPID", where COMM may have anything in it: proc_pid_stat(5). */
static pid_t parent_of(pid_t pid) {
        char path[64], text[512] = "", *end;
        FILE *stream;

        (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
        stream = fopen(path, "re");
        if (!stream)
                return 0;
        (void) fgets(text, sizeof(text), stream);
        (void) fclose(stream);

        end = strrchr(text, ')');
        return end && strlen(end) > strlen(") S ") ? (pid_t) atoi(end + strlen(") S ")) : 0;
}

static bool is_keeper(pid_t pid) {
        char path[64], comm[COMM_MAX + 1] = "";
        FILE *stream;

        (void) snprintf(path, sizeof(path), "/proc/%d/comm", (int) pid);
        stream = fopen(path, "re");
        if (!stream)
                return false;
        (void) fgets(comm, sizeof(comm), stream);
        (void) fclose(stream);

        comm[strcspn(comm, "\n")] = '\0';
        return streq(comm, KEEPER);
}

static void look_at_keeper(Doctor *doctor) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *owner = NULL;
        Findings *findings = &doctor->findings;
        pid_t pid = 0, keeper;

        if (sd_bus_get_name_creds(doctor->bus, BUS_NAME, SD_BUS_CREDS_PID, &owner) < 0 ||
            sd_bus_creds_get_pid(owner, &pid) < 0) {
                findings_add(findings, FINDING_PROBLEM, SUBJECT_KEEPER,
                             "the bus does not know who runs sidecard");
                findings_advise(findings, "sidecarctl doctor, again: it may just have ended");
                return;
        }

        keeper = parent_of(pid);
        if (is_keeper(keeper)) {
                findings_add(findings, FINDING_OK, SUBJECT_KEEPER,
                             "sidecard (pid %d) has " KEEPER " (pid %d) above it", (int) pid,
                             (int) keeper);
                return;
        }
        findings_add(findings, FINDING_PROBLEM, SUBJECT_KEEPER,
                     "process %d, which has the name " BUS_NAME ", has no " KEEPER " above it",
                     (int) pid);
        findings_advise(findings, "see what it is: ps -fp %d", (int) pid);
}

static void judge_version(Findings *findings, const char *version) {
        if (streq(version, SIDECARD_VERSION)) {
                findings_add(findings, FINDING_OK, SUBJECT_DAEMON, "sidecard %s answers", version);
                return;
        }
        findings_add(findings, FINDING_WARNING, SUBJECT_DAEMON,
                     "sidecard %s runs, and this is sidecarctl " SIDECARD_VERSION, version);
        findings_advise(findings, "sidecarctl daemon upgrade");
}

static void judge_features(Findings *findings, char **features) {
        if (!strv_contains(features, "safe-mode")) {
                findings_add(findings, FINDING_OK, SUBJECT_SAFE_MODE, "it is not in safe mode");
                return;
        }
        findings_add(findings, FINDING_PROBLEM, SUBJECT_SAFE_MODE,
                     "it is in safe mode, since it died three times within a minute: it keeps and "
                     "stops what runs, and starts nothing");
        findings_advise(findings, "sidecarctl daemon upgrade");
}

static void judge_containment(Findings *findings, const char *containment) {
        if (streq(containment, "cgroup")) {
                findings_add(findings, FINDING_OK, SUBJECT_CGROUPS,
                             "each sidecar has a cgroup of its own");
                return;
        }
        findings_add(
                findings, FINDING_WARNING, SUBJECT_CGROUPS,
                "no cgroup can be made: sidecars are held together by a guardian each, without "
                "limits of memory");
        findings_advise(findings, "where there is systemd: systemctl --user restart " UNIT_NAME
                                  " (the unit has Delegate=yes)");
}

static int look_at_properties(Doctor *doctor) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *version = NULL, *containment = NULL;
        _cleanup_(strv_freep) char **features = NULL;
        sd_bus *bus = doctor->bus;
        int r;

        r = sd_bus_get_property_string(bus, BUS_NAME, PATH_MANAGER, INTERFACE_MANAGER, "Version",
                                       &error, &version);
        if (r >= 0)
                r = sd_bus_get_property_string(bus, BUS_NAME, PATH_MANAGER, INTERFACE_MANAGER,
                                               "Containment", &error, &containment);
        if (r >= 0)
                r = sd_bus_get_property_strv(bus, BUS_NAME, PATH_MANAGER, INTERFACE_MANAGER,
                                             "Features", &error, &features);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                doctor->is_up = false;
                findings_add(&doctor->findings, FINDING_PROBLEM, SUBJECT_DAEMON,
                             "it has its name and does not answer: %s",
                             error.message ? error.message : strerror(-r));
                findings_advise(&doctor->findings, "sidecarctl daemon upgrade");
                return 0;
        }

        judge_version(&doctor->findings, version);
        look_at_keeper(doctor);
        judge_features(&doctor->findings, features);
        judge_containment(&doctor->findings, containment);
        return 0;
}

int doctor_look_at_daemon(Doctor *doctor) {
        if (!doctor->bus)
                return 0;
        if (!doctor->is_up)
                bring_up(doctor);

        return doctor->is_up ? look_at_properties(doctor) : 0;
}
