/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Options
 *
 * One reader for all methods: each hands over a table of what it knows.
 */

#include <string.h>

#include "bus/error.h"
#include "bus/options.h"
#include "model/passed.h"
#include "util/strv.h"

static const Option *find(const Option *options, size_t n_options, const char *name) {
        for (size_t i = 0; i < n_options; i++)
                if (streq(options[i].name, name))
                        return &options[i];

        return NULL;
}

/* An option given twice counts as the last one says. */
static int read_strings(sd_bus_message *message, char ***strv) {
        int r;

        r = sd_bus_message_enter_container(message, 'v', "as");
        if (r < 0)
                return r;

        *strv = strv_free(*strv);
        r = sd_bus_message_read_strv(message, strv);
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int
read_variable(sd_bus_message *message, const char *option, char ***env, sd_bus_error *ret_error) {
        const char *name, *value;
        int r;

        r = sd_bus_message_read(message, "{ss}", &name, &value);
        if (r <= 0)
                return r;
        if (!passed_is_name(name, strlen(name)))
                return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Option %s: \"%s\" is no name of a variable", option,
                                         name);

        r = strv_env_set(env, name, value);
        if (r < 0)
                return r;

        return passed_is_too_much(*env)
                       ? sd_bus_error_setf(ret_error, ERROR_LIMITS_EXCEEDED,
                                           "Option %s: at most %u variables, and %u bytes of them",
                                           option, PASSED_MAX, PASSED_BYTES_MAX)
                       : 1;
}

static int
read_variables(sd_bus_message *message, const char *option, char ***env, sd_bus_error *ret_error) {
        int r;

        *env = strv_free(*env);
        r = sd_bus_message_enter_container(message, 'v', "a{ss}");
        if (r >= 0)
                r = sd_bus_message_enter_container(message, 'a', "{ss}");
        if (r < 0)
                return r;

        do
                r = read_variable(message, option, env, ret_error);
        while (r > 0);
        if (r >= 0)
                r = sd_bus_message_exit_container(message);

        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_one(sd_bus_message *message,
                    const Option *options,
                    size_t n_options,
                    sd_bus_error *ret_error) {
        const char *name, *contents;
        const Option *option;
        int r;

        r = sd_bus_message_read_basic(message, 's', &name);
        if (r < 0)
                return r;

        option = find(options, n_options, name);
        if (!option)
                return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS, "Unknown option: %s",
                                         name);

        r = sd_bus_message_peek_type(message, NULL, &contents);
        if (r < 0)
                return r;
        if (!streq(contents, option->type))
                return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Option %s must be of type '%s', not '%s'", name,
                                         option->type, contents);

        if (option->given)
                *option->given = true;
        if (streq(contents, "as"))
                return read_strings(message, option->value);
        if (streq(contents, "a{ss}"))
                return read_variables(message, name, option->value, ret_error);

        return sd_bus_message_read(message, "v", contents, option->value);
}

int options_read(sd_bus_message *message,
                 const Option *options,
                 size_t n_options,
                 sd_bus_error *ret_error) {
        int r;

        r = sd_bus_message_enter_container(message, 'a', "{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = read_one(message, options, n_options, ret_error);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }

        return r < 0 ? r : sd_bus_message_exit_container(message);
}
