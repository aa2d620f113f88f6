/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * XDG
 *
 * https://specifications.freedesktop.org/basedir-spec/latest/
 */

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "util/strv.h"
#include "util/xdg.h"

static const char *absolute_env(const char *name) {
        const char *value = getenv(name);

        return value && *value == '/' ? value : NULL;
}

int xdg_home(char **ret) {
        const char *home = absolute_env("HOME");
        const struct passwd *entry = home ? NULL : getpwuid(getuid());
        char *copy;

        if (entry)
                home = entry->pw_dir;
        if (!home)
                return -ENXIO;

        copy = strdup(home);
        if (!copy)
                return -ENOMEM;

        *ret = copy;
        return 0;
}

static int home_or(char **ret, const char *name, const char *below_home) {
        _cleanup_free_ char *home = NULL;
        const char *value = absolute_env(name);
        char *path;
        int r;

        if (value)
                path = strdup(value);
        else {
                r = xdg_home(&home);
                if (r < 0)
                        return r;
                if (asprintf(&path, "%s/%s", home, below_home) < 0)
                        return -ENOMEM;
        }
        if (!path)
                return -ENOMEM;

        *ret = path;
        return 0;
}

int xdg_state_home(char **ret) {
        return home_or(ret, "XDG_STATE_HOME", ".local/state");
}

static int xdg_data_home(char **ret) {
        return home_or(ret, "XDG_DATA_HOME", ".local/share");
}

int xdg_config_home(char **ret) {
        return home_or(ret, "XDG_CONFIG_HOME", ".config");
}

int xdg_data_path(char ***ret) {
        _cleanup_(strv_freep) char **path = NULL, **dirs = NULL;
        const char *value = getenv("XDG_DATA_DIRS");
        char *home = NULL;
        int r;

        r = xdg_data_home(&home);
        if (r >= 0)
                r = strv_consume(&path, home);
        if (r >= 0)
                r = strv_split(&dirs, value && *value ? value : "/usr/local/share:/usr/share", ':');
        if (r < 0)
                return r;

        STRV_FOREACH (dir, dirs) {
                if (**dir != '/')
                        continue;
                r = strv_extend(&path, *dir);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(path);
        return 0;
}
