/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl doctor
 *
 * From below: what each thing rests on is looked at before it, so that the first problem is the one
 * to begin with. It is called when things do not work: no part needs the daemon or a bus, and the
 * daemon is not started before all by which it would be started has been looked at.
 */

#include "ctl/complain.h"
#include "ctl/doctor.h"
#include "ctl/verbs.h"

static void doctor_done(Doctor *doctor) {
        findings_done(&doctor->findings);
        sd_bus_flush_close_unref(doctor->bus);
}

static int look(Doctor *doctor) {
        static int (*const parts[])(Doctor * doctor) = {
                doctor_look_at_environment, doctor_look_at_folders,    doctor_look_at_programs,
                doctor_look_at_bus,         doctor_look_at_activation, doctor_look_at_daemon,
                doctor_look_at_manifests,   doctor_look_at_failures,
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(parts); i++)
                r = parts[i](doctor);

        return r < 0 ? r : doctor->findings.error;
}

static int print(const Doctor *doctor, const Screen *screen) {
        size_t n_problems = findings_count(&doctor->findings, FINDING_PROBLEM);
        size_t n_warnings = findings_count(&doctor->findings, FINDING_WARNING);
        int r = findings_print(&doctor->findings, screen);

        if (r < 0)
                return r;

        (void) printf("\n%zu problem%s, %zu warning%s\n", n_problems, n_problems == 1 ? "" : "s",
                      n_warnings, n_warnings == 1 ? "" : "s");
        return 0;
}

int verb_doctor(const Arguments *arguments) {
        _cleanup_(doctor_done) Doctor doctor = { 0 };
        int r;

        r = look(&doctor);
        if (r >= 0 && arguments->json)
                findings_write(&doctor.findings, stdout);
        else if (r >= 0)
                r = print(&doctor, &arguments->screen);
        if (r < 0)
                return r;

        return findings_count(&doctor.findings, FINDING_PROBLEM) > 0 ? EXIT_FAILED : 0;
}
