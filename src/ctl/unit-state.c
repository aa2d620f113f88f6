/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * UnitState
 *
 * LoadUnit reads the unit if it is not loaded, and starts nothing.
 */

#include <stdbool.h>

#include "ctl/unit-state.h"
#include "util/strv.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SUBJECT "unit"

void unit_state_done(UnitState *state) {
        free(state->load);
        free(state->active);
        free(state->file);
}

int unit_state_read(UnitState *ret, sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(unit_state_done) UnitState state = { 0 };
        const struct {
                const char *property;
                char **target;
        } members[] = {
                { "LoadState", &state.load },
                { "ActiveState", &state.active },
                { "UnitFileState", &state.file },
        };
        const char *path;
        int r;

        r = sd_bus_call_method(bus, SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD ".Manager",
                               "LoadUnit", NULL, &reply, "s", UNIT_NAME);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(members); i++)
                r = sd_bus_get_property_string(bus, SYSTEMD, path, SYSTEMD ".Unit",
                                               members[i].property, NULL, members[i].target);
        if (r < 0)
                return r;

        *ret = TAKE(state, (UnitState){ 0 });
        return 0;
}

void unit_state_judge(const UnitState *state, bool is_needed, Findings *findings) {
        static const struct {
                const char *load, *active; /* NULL: any */
                const char *text, *remedy;
        } faults[] = {
                { "masked", NULL, "is masked: nobody can start it",
                  "systemctl --user unmask " UNIT_NAME },
                { "not-found", NULL, "is not known to systemd",
                  "systemctl --user daemon-reload; if that does not help, install sidecard again" },
                { NULL, "failed", "has failed",
                  "journalctl --user -n 50 -u " UNIT_NAME
                  " says why; then: systemctl --user reset-failed " UNIT_NAME },
                { "error", NULL, "cannot be read", "systemctl --user status " UNIT_NAME },
                { "bad-setting", NULL, "has a setting that systemd refuses",
                  "systemctl --user status " UNIT_NAME },
        };

        for (size_t i = 0; i < ELEMENTSOF(faults); i++)
                if ((!faults[i].load || streq(faults[i].load, state->load)) &&
                    (!faults[i].active || streq(faults[i].active, state->active))) {
                        findings_add(findings, is_needed ? FINDING_PROBLEM : FINDING_WARNING,
                                     SUBJECT, UNIT_NAME " %s", faults[i].text);
                        findings_advise(findings, "%s", faults[i].remedy);
                        return;
                }

        findings_add(findings, FINDING_OK, SUBJECT, UNIT_NAME " is %s%s%s", state->active,
                     *state->file ? " and " : "", state->file);
}
