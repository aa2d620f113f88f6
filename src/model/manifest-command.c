/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ManifestCommand
 *
 * What a sidecar is run as: its argument vector, environment and folder. All of it are templates,
 * checked here and filled in at each start. There is no shell, and nothing is split at spaces.
 * Whether any template of a sidecar speaks of its secret is found out here too.
 */

#include <string.h>

#include "model/manifest-kind.h"
#include "model/template.h"
#include "util/strv.h"

#define ARGUMENTS_MAX 256

int argv_read(Reader *reader, const Place *place, char ***arguments) {
        for (Place item = place_first(place); place_is_there(&item); place_next(&item)) {
                int r = reader_check_type(reader, &item, TYPE(string), "a string");

                if (r >= 0)
                        r = reader_check_template(reader, &item);
                if (r >= 0)
                        r = strv_extend(arguments, place_string(&item));
                if (r < 0)
                        return r;
        }

        if (!*arguments)
                return reader_fail(reader, place, "\"%s\" is empty: the first item is the program",
                                   place->key);
        if (!(*arguments)[0][0])
                return reader_fail(reader, place,
                                   "the program is an empty string: write its name or path");
        return 0;
}

static int command_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        SidecarSpec *spec = field;

        if (json_object_array_length(place->value) > ARGUMENTS_MAX)
                return reader_fail(reader, place,
                                   "\"command\" has %zu items, of at most %d: take some out",
                                   json_object_array_length(place->value), ARGUMENTS_MAX);

        return argv_read(reader, place, &spec->command);
}

static int command_write(const Row *row _unused_, const void *field, json_object **ret) {
        return json_new_strv(ret, ((const SidecarSpec *) field)->command);
}

const Kind kind_command = { "a list of strings such as [\"binaries/server\", \"--verbose\"]",
                            TYPE(array), command_read, NULL, command_write };

static int env_read_one(Reader *reader, const Place *place, SidecarSpec *spec) {
        int r;

        r = reader_check_variable(reader, place);
        if (r < 0)
                return r;
        if (!place->value)
                return strv_extend(&spec->unset_env, place->key);

        r = reader_check_type(reader, place, TYPE(string), "a string, or null to unset it");
        if (r < 0)
                return r;
        r = reader_check_secret_template(reader, place);
        if (r < 0)
                return r;

        return strv_extendf(&spec->env, "%s=%s", place->key, place_string(place));
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static void sort(char **strv) {
        if (strv)
                qsort(strv, strv_length(strv), sizeof(char *), compare_strings);
}

static int env_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        SidecarSpec *spec = field;
        int r;

        for (Place member = place_first(place); place_is_there(&member); place_next(&member)) {
                r = env_read_one(reader, &member, spec);
                if (r < 0)
                        return r;
        }

        /* The order of variables means nothing, and equal manifests are to be equal texts. */
        sort(spec->env);
        sort(spec->unset_env);
        return 0;
}

static int env_write_one(json_object *object, const char *entry) {
        const char *value = strchr(entry, '=') + 1;
        _cleanup_free_ char *name = strndup(entry, (size_t) (value - entry) - 1);

        return name ? json_put(object, name, json_object_new_string(value)) : -ENOMEM;
}

static int env_write(const Row *row _unused_, const void *field, json_object **ret) {
        _cleanup_(json_object_putp) json_object *object = json_object_new_object();
        const SidecarSpec *spec = field;
        int r = object ? 0 : -ENOMEM;

        STRV_FOREACH (entry, spec->env)
                if (r >= 0)
                        r = env_write_one(object, *entry);
        STRV_FOREACH (name, spec->unset_env)
                if (r >= 0)
                        r = json_object_object_add(object, *name, NULL) < 0 ? -ENOMEM : 0;
        if (r < 0)
                return r;

        *ret = TAKE_PTR(object);
        return 0;
}

const Kind kind_env = { "an object of names and strings", TYPE(object), env_read, NULL, env_write };

static int
working_directory_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        const char *text = place_string(place);
        int r;

        /* A relative one would go by the folder that the supervisor happens to be in. */
        if (text[0] != '/' && !startswith(text, "{stateDir}") && !startswith(text, "{runtimeDir}"))
                return reader_fail(reader, place,
                                   "\"%s\" is not absolute: begin it with \"/\" or {stateDir}",
                                   text);
        r = reader_check_template(reader, place);
        if (r < 0)
                return r;

        return free_and_strdup(field, text);
}

static int working_directory_write(const Row *row, const void *field, json_object **ret) {
        return *(char *const *) field ? kind_text.write(row, field, ret) : 0;
}

const Kind kind_working_directory = { "an absolute path", TYPE(string), working_directory_read,
                                      NULL, working_directory_write };

static int stdin_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        const char *text = place_string(place);

        if (!streq(text, "null") && !streq(text, "pipe"))
                return reader_fail(reader, place, "\"%s\": write \"null\" or \"pipe\"", text);

        *(bool *) field = streq(text, "pipe");
        return 0;
}

static int stdin_write(const Row *row _unused_, const void *field, json_object **ret) {
        *ret = json_object_new_string(*(const bool *) field ? "pipe" : "null");
        return *ret ? 0 : -ENOMEM;
}

const Kind kind_stdin = { "\"null\" or \"pipe\"", TYPE(string), stdin_read, NULL, stdin_write };

static bool any_mentions(char *const *texts, const char *name) {
        STRV_FOREACH (text, texts)
                if (template_mentions(*text, name))
                        return true;

        return false;
}

static bool probe_mentions(const ProbeSpec *probe, const char *name) {
        return any_mentions(probe->command, name) || any_mentions(probe->paths, name) ||
               any_mentions(probe->headers, name) ||
               (probe->unix_socket && template_mentions(probe->unix_socket, name));
}

static bool spec_mentions(const SidecarSpec *spec, const char *name) {
        return any_mentions(spec->command, name) || any_mentions(spec->env, name) ||
               (spec->working_directory && template_mentions(spec->working_directory, name)) ||
               probe_mentions(&spec->readiness, name) ||
               probe_mentions(&spec->liveness.probe, name) ||
               probe_mentions(&spec->stop_http, name);
}

void token_imply(SidecarSpec *spec) {
        spec->token_file = spec_mentions(spec, "tokenFile");
        spec->token |= spec->token_file || spec_mentions(spec, "token");
}
