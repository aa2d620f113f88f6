/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Doctor: the session
 *
 * What comes with a login. It is our own environment that is looked at; where it is not the
 * daemon's, that is told by what is asked of the daemon later.
 */

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "ctl/doctor.h"
#include "ctl/text.h"
#include "util/strv.h"
#include "util/xdg.h"

#define SUBJECT_RUNTIME "runtime"
#define SUBJECT_LOADER "loader"
#define SUBJECT_LOGS "logs"

/* One log file before it is rotated (contract G1). */
#define FREE_BYTES_MIN (UINT64_C(10) << 20)

static void look_at_runtime_directory(Findings *findings) {
        const char *path = getenv("XDG_RUNTIME_DIR"), *fault = NULL;
        struct stat st;

        if (!path || *path != '/') {
                findings_add(findings, FINDING_PROBLEM, SUBJECT_RUNTIME,
                             "XDG_RUNTIME_DIR is %s: sidecard has no place for its sockets",
                             path && *path ? "no absolute path" : "not set");
                findings_advise(findings, "log in again, or: export XDG_RUNTIME_DIR=/run/user/%u",
                                getuid());
                return;
        }

        if (stat(path, &st) < 0)
                fault = strerror(errno);
        else if (!S_ISDIR(st.st_mode))
                fault = "it is no directory";
        else if (st.st_uid != getuid()) /* su(1) and sudo(8) may keep the variable */
                fault = "it belongs to somebody else";
        if (fault) {
                findings_add(findings, FINDING_PROBLEM, SUBJECT_RUNTIME,
                             "XDG_RUNTIME_DIR is %s: %s", path, fault);
                findings_advise(findings, "log in again, or: export XDG_RUNTIME_DIR=/run/user/%u",
                                getuid());
        } else if ((st.st_mode & 0777) != 0700) {
                findings_add(findings, FINDING_PROBLEM, SUBJECT_RUNTIME,
                             "XDG_RUNTIME_DIR is %s, of mode %04o: it has to be ours alone", path,
                             st.st_mode & 0777);
                findings_advise(findings, "chmod 700 %s", path);
        } else
                findings_add(findings, FINDING_OK, SUBJECT_RUNTIME,
                             "XDG_RUNTIME_DIR is %s, of mode 0700 and ours", path);
}

static void look_at_loader(Findings *findings) {
        static const char *const names[] = { "LD_LIBRARY_PATH", "LD_PRELOAD" };
        bool is_clean = true;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const char *value = getenv(names[i]);

                if (!value || !*value)
                        continue;
                is_clean = false;
                findings_add(findings, FINDING_WARNING, SUBJECT_LOADER,
                             "%s is set here, to %s: programs may load other libraries than they "
                             "were made for",
                             names[i], value);
                findings_advise(findings,
                                "unset %s, and look for it in ~/.profile and "
                                "~/.config/environment.d",
                                names[i]);
        }

        if (is_clean)
                findings_add(findings, FINDING_OK, SUBJECT_LOADER,
                             "neither LD_LIBRARY_PATH nor LD_PRELOAD is set here");
}

int doctor_look_at_environment(Doctor *doctor) {
        look_at_runtime_directory(&doctor->findings);
        look_at_loader(&doctor->findings);
        return 0;
}

/* What is not there yet is made in what is above it. Cuts path there. */
static void climb_to_what_is_there(char *path) {
        for (char *slash; access(path, F_OK) < 0 && errno == ENOENT;) {
                slash = strrchr(path, '/');
                if (!slash || slash == path)
                        return;
                *slash = '\0';
        }
}

static void look_at_space(Findings *findings, const char *folder, const char *place) {
        char text[TEXT_TIME_MAX];
        struct statvfs space;
        uint64_t n_bytes;

        if (statvfs(place, &space) < 0) {
                findings_add(findings, FINDING_WARNING, SUBJECT_LOGS,
                             "how much room there is in %s is not known: %s", place,
                             strerror(errno));
                return;
        }

        n_bytes = (uint64_t) space.f_bavail * space.f_frsize;
        (void) text_of_bytes(text, n_bytes);
        if (n_bytes >= FREE_BYTES_MIN) {
                findings_add(findings, FINDING_OK, SUBJECT_LOGS, "%s can be written, %s are free",
                             folder, text);
                return;
        }
        findings_add(findings, FINDING_PROBLEM, SUBJECT_LOGS,
                     "there is hardly room for logs in %s: %s are free", folder, text);
        findings_advise(findings, "make room where they are: df -h %s", place);
}

int doctor_look_at_folders(Doctor *doctor) {
        _cleanup_free_ char *state = NULL, *folder = NULL, *place = NULL;
        Findings *findings = &doctor->findings;
        int error, r;

        r = xdg_state_home(&state);
        if (r == -ENXIO) {
                findings_add(findings, FINDING_PROBLEM, SUBJECT_LOGS,
                             "there is no home folder, and so none for logs");
                findings_advise(findings, "export HOME=...");
                return 0;
        }
        if (r < 0)
                return r;
        if (asprintf(&folder, "%s/sidecard", state) < 0)
                return -ENOMEM;
        place = strdup(folder);
        if (!place)
                return -ENOMEM;

        climb_to_what_is_there(place);
        if (access(place, W_OK | X_OK) >= 0) {
                look_at_space(findings, folder, place);
                return 0;
        }

        error = errno;
        findings_add(findings, FINDING_PROBLEM, SUBJECT_LOGS,
                     "logs cannot be written below %s: %s: %s", folder, place, strerror(error));
        if (error == EROFS)
                findings_advise(findings, "see how it is mounted: findmnt --target %s", place);
        else
                findings_advise(findings, "it has to be a folder of yours: ls -ld %s", place);
        return 0;
}
