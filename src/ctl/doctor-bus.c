/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Doctor: the bus
 *
 * Whether there is one, and how it would start the daemon: by the unit where systemd is there and
 * the service file names it, else by the program in that file. A bus that hangs is waited for for a
 * while and no longer.
 */

#include <string.h>
#include <sys/stat.h>

#include "ctl/client.h"
#include "ctl/doctor.h"
#include "ctl/service-file.h"
#include "ctl/unit-state.h"
#include "util/duration.h"
#include "util/strv.h"

#define SUBJECT_BUS "bus"
#define SUBJECT_ACTIVATION "activation"
#define SUBJECT_UNIT "unit"

#define BUS "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"
#define SYSTEMD "org.freedesktop.systemd1"
#define PATIENCE_USEC (10 * USEC_PER_SEC)

static void advise_on_address(Findings *findings) {
        const char *runtime = getenv("XDG_RUNTIME_DIR");
        char socket[256] = "";
        struct stat st;

        if (runtime)
                (void) snprintf(socket, sizeof(socket), "%s/bus", runtime);
        if (*socket && stat(socket, &st) >= 0 && S_ISSOCK(st.st_mode))
                findings_advise(findings, "export DBUS_SESSION_BUS_ADDRESS=unix:path=%s", socket);
        else
                findings_advise(findings, "run this in the desktop session; without one: "
                                          "dbus-run-session -- sidecarctl doctor");
}

static void add_no_bus(Doctor *doctor, const char *what) {
        const char *address = getenv("DBUS_SESSION_BUS_ADDRESS");

        doctor->bus = sd_bus_flush_close_unref(doctor->bus);
        findings_add(&doctor->findings, FINDING_PROBLEM, SUBJECT_BUS, "no session bus at %s: %s",
                     address && *address ? address
                                         : "its usual place (DBUS_SESSION_BUS_ADDRESS is not set)",
                     what);
        advise_on_address(&doctor->findings);
}

static int
call_bus(sd_bus *bus, sd_bus_message **ret, sd_bus_error *ret_error, const char *member) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, BUS, BUS_PATH, BUS, member);
        return r < 0 ? r : sd_bus_call(bus, call, PATIENCE_USEC, ret_error, ret);
}

int doctor_look_at_bus(Doctor *doctor) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *address = NULL;
        int r;

        r = sd_bus_open_user(&doctor->bus);
        if (r < 0) {
                add_no_bus(doctor, strerror(-r));
                return 0;
        }
        r = call_bus(doctor->bus, &reply, &error, "GetId");
        if (r < 0) {
                add_no_bus(doctor, error.message ? error.message : strerror(-r));
                return 0;
        }

        (void) sd_bus_get_address(doctor->bus, &address);
        findings_add(&doctor->findings, FINDING_OK, SUBJECT_BUS, "the session bus at %s answers",
                     address ? address : "its usual place");
        doctor->is_up = sd_bus_get_name_creds(doctor->bus, BUS_NAME, 0, NULL) >= 0;
        doctor->has_systemd = sd_bus_get_name_creds(doctor->bus, SYSTEMD, 0, NULL) >= 0;
        return 0;
}

static bool bus_can_start_it(sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(strv_freep) char **names = NULL;

        return call_bus(bus, &reply, NULL, "ListActivatableNames") >= 0 &&
               sd_bus_message_read_strv(reply, &names) >= 0 && strv_contains(names, BUS_NAME);
}

/* Whoever started the daemon by hand has got what he wanted. */
static FindingLevel level_of_fault(const Doctor *doctor) {
        return doctor->is_up ? FINDING_WARNING : FINDING_PROBLEM;
}

static void judge_activation(Doctor *doctor, const ServiceFile *file, bool is_known) {
        Findings *findings = &doctor->findings;

        if (file->path && (!file->program || access(file->program, X_OK) < 0)) {
                findings_add(findings, level_of_fault(doctor), SUBJECT_ACTIVATION,
                             "%s is to start %s: %s", file->path,
                             file->program ? file->program : "nothing",
                             file->program ? strerror(errno) : "it has no Exec=");
                findings_advise(findings, "install sidecard again, or correct Exec= in that file");
        } else if (!is_known && file->path) {
                findings_add(findings, level_of_fault(doctor), SUBJECT_ACTIVATION,
                             "the bus has not read %s", file->path);
                findings_advise(findings,
                                "busctl --user call " BUS " " BUS_PATH " " BUS " ReloadConfig");
        } else if (!is_known) {
                findings_add(findings, level_of_fault(doctor), SUBJECT_ACTIVATION,
                             "the bus does not know how to start sidecard: there is no " BUS_NAME
                             ".service in the dbus-1/services of XDG_DATA_DIRS");
                findings_advise(findings,
                                "install sidecard, or have XDG_DATA_DIRS name the share folder of "
                                "where it is installed, and log in again");
        } else
                findings_add(findings, FINDING_OK, SUBJECT_ACTIVATION, "the bus can start it%s%s",
                             file->path ? ", by " : "", file->path ? file->path : "");
}

static int look_at_unit(Doctor *doctor, bool bus_asks_for_it) {
        _cleanup_(unit_state_done) UnitState state = { 0 };
        int r;

        if (!doctor->has_systemd) {
                findings_add(&doctor->findings, FINDING_OK, SUBJECT_UNIT,
                             "no systemd user manager on this bus: the bus starts sidecard itself");
                return 0;
        }

        r = unit_state_read(&state, doctor->bus);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                findings_add(&doctor->findings, FINDING_PROBLEM, SUBJECT_UNIT,
                             "systemd does not tell of " UNIT_NAME ": %s", strerror(-r));
                findings_advise(&doctor->findings, "systemctl --user status " UNIT_NAME);
                return 0;
        }

        unit_state_judge(&state, bus_asks_for_it && !doctor->is_up, &doctor->findings);
        return 0;
}

int doctor_look_at_activation(Doctor *doctor) {
        _cleanup_(service_file_done) ServiceFile file = { 0 };
        bool is_known;
        int r;

        if (!doctor->bus)
                return 0;

        r = service_file_find(&file, BUS_NAME);
        if (r < 0)
                return r;
        is_known = bus_can_start_it(doctor->bus);
        judge_activation(doctor, &file, is_known);
        return look_at_unit(doctor, file.has_unit);
}
