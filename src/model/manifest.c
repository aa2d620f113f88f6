/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Manifest
 *
 * The objects and what can be asked of them. How they come out of a text is manifest-parse.c.
 */

#include <string.h>

#include "model/manifest.h"
#include "util/strv.h"

ManifestSource *manifest_source_ref(ManifestSource *source) {
        source->n_ref++;
        return source;
}

ManifestSource *manifest_source_unref(ManifestSource *source) {
        if (!source || --source->n_ref > 0)
                return NULL;

        free(source->path);
        free(source->text);
        free(source);
        return NULL;
}

SidecarSpec *sidecar_spec_ref(SidecarSpec *spec) {
        spec->n_ref++;
        return spec;
}

static void probe_spec_done(ProbeSpec *probe) {
        free(probe->port_name);
        free(probe->unix_socket);
        free(probe->log_pattern);
        strv_free(probe->command);
        strv_free(probe->paths);
        strv_free(probe->headers);
        free(probe->alive);
}

static void passed_variable_done(PassedVariable *variable) {
        free(variable->name);
        free(variable->fallback);
        free(variable->pattern);
}

SidecarSpec *sidecar_spec_unref(SidecarSpec *spec) {
        if (!spec || --spec->n_ref > 0)
                return NULL;

        for (size_t i = 0; i < spec->n_ports; i++)
                free(spec->ports[i].name);
        free(spec->ports);
        for (size_t i = 0; i < spec->n_depends_on; i++)
                free(spec->depends_on[i].name);
        free(spec->depends_on);
        probe_spec_done(&spec->readiness);
        probe_spec_done(&spec->liveness.probe);
        probe_spec_done(&spec->stop_http);
        strv_free(spec->command);
        strv_free(spec->env);
        strv_free(spec->unset_env);
        for (size_t i = 0; i < spec->n_passed; i++)
                passed_variable_done(&spec->passed[i]);
        free(spec->passed);
        for (size_t i = 0; i < spec->n_argument_rules; i++)
                free(spec->argument_rules[i].text);
        free(spec->argument_rules);
        free(spec->working_directory);
        free(spec->app_id);
        free(spec->name);
        free(spec->description);
        free(spec->base_dir);
        free(spec->manifest_dir);
        free(spec->effective_json);
        manifest_source_unref(spec->source);
        free(spec);
        return NULL;
}

bool restart_spec_is_success(const RestartSpec *restart, int exit_code) {
        return exit_code >= 0 && exit_code <= UINT8_MAX &&
               (restart->success_exit_codes[exit_code / 8] & (1u << (exit_code % 8))) != 0;
}

const PortSpec *sidecar_spec_find_port(const SidecarSpec *spec, const char *name) {
        for (size_t i = 0; i < spec->n_ports; i++)
                if (streq(spec->ports[i].name, name))
                        return &spec->ports[i];

        return NULL;
}

const PassedVariable *sidecar_spec_find_passed(const SidecarSpec *spec, const char *name) {
        for (size_t i = 0; i < spec->n_passed; i++)
                if (streq(spec->passed[i].name, name))
                        return &spec->passed[i];

        return NULL;
}

SidecarSpec *manifest_find_sidecar(const Manifest *manifest, const char *name) {
        for (size_t i = 0; i < manifest->n_sidecars; i++)
                if (streq(manifest->sidecars[i]->name, name))
                        return manifest->sidecars[i];

        return NULL;
}

const ModeSpec *manifest_find_mode(const Manifest *manifest, const char *name) {
        for (size_t i = 0; i < manifest->n_modes; i++)
                if (streq(manifest->modes[i].name, name))
                        return &manifest->modes[i];

        return NULL;
}

static void mode_spec_done(ModeSpec *mode) {
        free(mode->name);
        strv_free(mode->sidecars);
        free(mode->server_url);
}

Manifest *manifest_free(Manifest *manifest) {
        if (!manifest)
                return NULL;

        for (size_t i = 0; i < manifest->n_sidecars; i++)
                sidecar_spec_unref(manifest->sidecars[i]);
        free(manifest->sidecars);
        for (size_t i = 0; i < manifest->n_modes; i++)
                mode_spec_done(&manifest->modes[i]);
        free(manifest->modes);
        free(manifest->default_mode);
        manifest_source_unref(manifest->source);
        free(manifest->id);
        free(manifest->name);
        free(manifest);
        return NULL;
}

void manifest_error_done(ManifestError *error) {
        free(error->path);
        free(error->pointer);
        free(error->message);
        *error = (ManifestError){ 0 };
}
