/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Template
 *
 * The table of names is the whole language; there are no expressions and nothing nests.
 */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "model/dependency.h"
#include "model/template.h"
#include "util/format.h"
#include "util/strv.h"

/* Writes what a name stands for. argument: what follows the colon, or NULL. */
typedef int (*name_write_t)(FILE *out,
                            const char *argument,
                            const TemplateValues *values,
                            char **ret_message);

/* -EINVAL with a message, or -ENOMEM. */
#define template_fail(ret_message, ...) fail_with(ret_message, -EINVAL, format_text(__VA_ARGS__))

static int port_names(const SidecarSpec *spec, char **ret) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return -ENOMEM;
        for (size_t i = 0; i < spec->n_ports; i++)
                (void) fprintf(out, "%s%s", i > 0 ? ", " : "", spec->ports[i].name);
        if (fclose(out) < 0) {
                free(text);
                return -ENOMEM;
        }

        *ret = text;
        return 0;
}

/* The index of the port that a name goes by: that of the argument, or the first. */
static int
find_port(const TemplateValues *values, const char *argument, size_t *ret, char **ret_message) {
        const SidecarSpec *spec = values->spec;
        _cleanup_free_ char *existing = NULL;
        const PortSpec *port;
        int r;

        if (spec->n_ports == 0)
                return template_fail(ret_message,
                                     "the sidecar has no port to fill in: declare \"port\"");
        if (!argument) {
                *ret = 0;
                return 0;
        }

        port = sidecar_spec_find_port(spec, argument);
        if (!port) {
                r = port_names(spec, &existing);
                return r < 0 ? r
                             : template_fail(ret_message,
                                             "there is no port \"%s\": the sidecar's ports are %s",
                                             argument, existing);
        }

        *ret = (size_t) (port - spec->ports);
        return 0;
}

static unsigned port_number(const TemplateValues *values, size_t index) {
        return values->ports ? values->ports[index] : 0;
}

static int
write_port(FILE *out, const char *argument, const TemplateValues *values, char **ret_message) {
        size_t index = 0;
        int r;

        r = find_port(values, argument, &index, ret_message);
        if (r < 0)
                return r;

        (void) fprintf(out, "%u", port_number(values, index));
        return 0;
}

static int write_url(FILE *out,
                     const char *argument _unused_,
                     const TemplateValues *values,
                     char **ret_message) {
        size_t index = 0;
        int r;

        r = find_port(values, NULL, &index, ret_message);
        if (r < 0)
                return r;

        (void) fprintf(out, "http://127.0.0.1:%u", port_number(values, index));
        return 0;
}

static int
write_other_url(FILE *out, const char *name, const TemplateValues *values, char **ret_message) {
        const Dependency *dependency = sidecar_spec_find_dependency(values->spec, name);

        if (!dependency)
                return template_fail(ret_message,
                                     "{url:%s} is of no dependency: name \"%s\" in \"dependsOn\"",
                                     name, name);

        if (values->urls)
                (void) fputs(values->urls[dependency - values->spec->depends_on], out);
        return 0;
}

static int write_app(FILE *out,
                     const char *argument _unused_,
                     const TemplateValues *values,
                     char **ret_message _unused_) {
        (void) fputs(values->spec->app_id, out);
        return 0;
}

static int write_name(FILE *out,
                      const char *argument _unused_,
                      const TemplateValues *values,
                      char **ret_message _unused_) {
        (void) fputs(values->spec->name, out);
        return 0;
}

static int write_runtime_dir(FILE *out,
                             const char *argument _unused_,
                             const TemplateValues *values,
                             char **ret_message _unused_) {
        (void) fputs(values->runtime_dir, out);
        return 0;
}

static int write_state_dir(FILE *out,
                           const char *argument _unused_,
                           const TemplateValues *values,
                           char **ret_message _unused_) {
        (void) fputs(values->state_dir, out);
        return 0;
}

static int write_token(FILE *out,
                       const char *argument _unused_,
                       const TemplateValues *values,
                       char **ret_message) {
        if (!values->token)
                return template_fail(ret_message,
                                     "{token} goes into \"env\" and \"headers\" only, where"
                                     " nobody else reads it: take {tokenFile} here");

        (void) fputs(values->token, out);
        return 0;
}

static int write_token_file(FILE *out,
                            const char *argument _unused_,
                            const TemplateValues *values,
                            char **ret_message _unused_) {
        (void) fputs(values->token_file, out);
        return 0;
}

/* A hold may set it, and need not: without a default it is empty then. */
static int
write_passed(FILE *out, const char *name, const TemplateValues *values, char **ret_message) {
        const char *value = strv_env_get(values->passed, name);

        if (!sidecar_spec_find_passed(values->spec, name))
                return template_fail(ret_message,
                                     "{env:%s} is of no \"passEnv\": name \"%s\" there", name,
                                     name);

        if (value)
                (void) fputs(value, out);
        return 0;
}

static const struct {
        const char *name;
        bool takes_argument;
        name_write_t write;
} names[] = {
        { "port", false, write_port },
        { "port", true, write_port },
        { "url", false, write_url },
        { "url", true, write_other_url },
        { "app", false, write_app },
        { "name", false, write_name },
        { "runtimeDir", false, write_runtime_dir },
        { "stateDir", false, write_state_dir },
        { "token", false, write_token },
        { "tokenFile", false, write_token_file },
        { "env", true, write_passed },
};

/* name: what stands between the braces. */
static int
write_value(FILE *out, const char *name, const TemplateValues *values, char **ret_message) {
        const char *colon = strchr(name, ':');
        size_t n = colon ? (size_t) (colon - name) : strlen(name);

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                if (strlen(names[i].name) != n || memcmp(names[i].name, name, n) != 0 ||
                    names[i].takes_argument != (colon != NULL))
                        continue;
                return names[i].write(out, colon ? colon + 1 : NULL, values, ret_message);
        }

        return template_fail(ret_message,
                             "{%s} is unknown: there are {port}, {port:NAME}, {url}, {url:OTHER},"
                             " {app}, {name}, {runtimeDir}, {stateDir}, {env:NAME}, {token} and"
                             " {tokenFile}, and {{ is a brace",
                             name);
}

static int
write_all(FILE *out, const char *text, const TemplateValues *values, char **ret_message) {
        int r;

        for (;;) {
                _cleanup_free_ char *name = NULL;
                size_t n = strcspn(text, "{");

                (void) fwrite(text, 1, n, out);
                text += n;
                if (!*text)
                        return 0;
                if (text[1] == '{') {
                        (void) fputc('{', out);
                        text += 2;
                        continue;
                }

                n = strcspn(text, "}");
                if (!text[n])
                        return template_fail(
                                ret_message,
                                "a { without its }: write {{ for a brace, or close it");
                name = strndup(text + 1, n - 1);
                if (!name)
                        return -ENOMEM;
                r = write_value(out, name, values, ret_message);
                if (r < 0)
                        return r;
                text += n + 1;
        }
}

static int copy_plain(char **ret, const char *text) {
        char *copy = strdup(text);

        if (!copy)
                return -ENOMEM;

        *ret = copy;
        return 0;
}

int template_expand(char **ret,
                    const char *text,
                    const TemplateValues *values,
                    char **ret_message) {
        _cleanup_free_ char *filled = NULL;
        bool is_complete;
        size_t size;
        FILE *out;
        int r;

        /* Nearly all texts are, and a stream is the most expensive part of a start. */
        if (!strchr(text, '{'))
                return copy_plain(ret, text);

        out = open_memstream(&filled, &size);
        if (!out)
                return -ENOMEM;

        r = write_all(out, text, values, ret_message);
        is_complete = !ferror(out);
        if ((fclose(out) < 0 || !is_complete) && r >= 0)
                return -ENOMEM;
        if (r < 0)
                return r;

        *ret = TAKE_PTR(filled);
        return 0;
}

int template_check(const char *text,
                   const SidecarSpec *spec,
                   bool may_be_secret,
                   char **ret_message) {
        TemplateValues values = {
                .spec = spec,
                .runtime_dir = "",
                .state_dir = "",
                .token = may_be_secret ? "" : NULL,
                .token_file = "",
        };
        _cleanup_free_ char *filled = NULL;

        return template_expand(&filled, text, &values, ret_message);
}

bool template_mentions(const char *text, const char *name) {
        size_t n_name = strlen(name);

        for (const char *at = strchr(text, '{'); at; at = strchr(at, '{')) {
                size_t n = strcspn(at + 1, "{}");

                if (at[1] == '{')
                        at += 2;
                else if (n == n_name && memcmp(at + 1, name, n) == 0)
                        return true;
                else
                        at++;
        }

        return false;
}
