/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * AppProblem
 *
 * A verb about the sidecars of an app would be silent where a manifest that was never whole has
 * given it none: so it says that instead.
 */

#include "ctl/app-problem.h"
#include "ctl/client.h"
#include "ctl/complain.h"
#include "util/format.h"
#include "util/visible.h"

int app_problem_read(AppProblem *ret, sd_bus *bus, const char *path) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *pointer, *message;
        int r;

        r = client_get(bus, &reply, path, INTERFACE_APP, "LoadError");
        if (r != 0)
                return r;

        r = sd_bus_message_read(reply, "(ss)", &pointer, &message);
        if (r < 0)
                return r;

        *ret = (AppProblem){ TAKE_PTR(reply), pointer, message };
        return 0;
}

void app_problem_done(AppProblem *problem) {
        sd_bus_message_unref(problem->reply);
}

char *app_problem_text(const AppProblem *problem) {
        _cleanup_free_ char *text = format_text("%s%s%s", problem->pointer,
                                                *problem->pointer ? ": " : "", problem->message);

        return text ? visible_make(text) : NULL;
}

int app_problem_complain(sd_bus *bus, const char *app, const char *path) {
        _cleanup_(app_problem_done) AppProblem problem = { 0 };
        _cleanup_free_ char *text = NULL;
        int r;

        r = app_problem_read(&problem, bus, path);
        if (r != 0 || !*problem.message)
                return r;

        text = app_problem_text(&problem);
        if (!text)
                return -ENOMEM;

        return complain(EXIT_FAILED,
                        "The manifest of %s is broken: %s (sidecarctl list %s tells where)", app,
                        text, app);
}
