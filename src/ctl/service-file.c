/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ServiceFile
 *
 * Found by its usual name, which dbus-daemon does not insist on for a session but dbus-broker
 * does. The folders are those of our environment; the bus may have another one, and who asks it
 * what it can start hears of that.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "ctl/service-file.h"
#include "util/strv.h"
#include "util/xdg.h"

#define BYTES_MAX 4096
#define SECTION "[D-BUS Service]"
#define FOLDER "dbus-1/services"

void service_file_done(ServiceFile *file) {
        free(file->path);
        free(file->program);
}

/* Quotes as a shell has them are taken off; more than that nobody writes into such a file. */
static int take_program(char **ret, const char *exec) {
        char quote = *exec == '"' || *exec == '\'' ? *exec : '\0';
        const char end[] = { quote ? quote : ' ', '\0' };
        char *program;

        exec += quote != '\0';
        program = strndup(exec, strcspn(exec, end));
        if (!program)
                return -ENOMEM;

        *ret = program;
        return 0;
}

int service_file_parse(ServiceFile *ret, const char *text, const char *name) {
        _cleanup_(strv_freep) char **lines = NULL;
        _cleanup_(service_file_done) ServiceFile file = { 0 };
        bool is_in_section = false, is_ours = false;
        int r;

        r = strv_split(&lines, text, '\n');
        STRV_FOREACH (line, lines) {
                if (r < 0)
                        return r;
                if (**line == '[')
                        is_in_section = startswith(*line, SECTION);
                else if (!is_in_section)
                        continue;
                else if (startswith(*line, "Name="))
                        is_ours = streq(*line + strlen("Name="), name);
                else if (startswith(*line, "Exec=") && !file.program)
                        r = take_program(&file.program, *line + strlen("Exec="));
                else if (startswith(*line, "SystemdService="))
                        file.has_unit = true;
        }
        if (r < 0 || !is_ours)
                return r < 0 ? r : 0;

        *ret = TAKE(file, (ServiceFile){ 0 });
        return 1;
}

static int read_one(ServiceFile *ret, const char *path, const char *name) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        char text[BYTES_MAX];
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        int r;

        if (n < 0)
                return 0;
        text[n] = '\0';

        r = service_file_parse(ret, text, name);
        if (r <= 0)
                return r;

        ret->path = strdup(path);
        return ret->path ? 1 : -ENOMEM;
}

static int list_folders(char ***ret) {
        _cleanup_(strv_freep) char **folders = NULL, **data = NULL;
        const char *runtime = getenv("XDG_RUNTIME_DIR");
        int r = 0;

        if (runtime)
                r = strv_extendf(&folders, "%s/" FOLDER, runtime);
        if (r >= 0)
                r = xdg_data_path(&data);
        STRV_FOREACH (folder, data)
                if (r >= 0)
                        r = strv_extendf(&folders, "%s/" FOLDER, *folder);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(folders);
        return 0;
}

int service_file_find(ServiceFile *ret, const char *name) {
        _cleanup_(strv_freep) char **folders = NULL;
        int r;

        r = list_folders(&folders);
        STRV_FOREACH (folder, folders) {
                _cleanup_free_ char *path = NULL;

                if (r == 0 && asprintf(&path, "%s/%s.service", *folder, name) < 0)
                        return -ENOMEM;
                if (r == 0)
                        r = read_one(ret, path, name);
        }

        return r < 0 ? r : 0;
}
