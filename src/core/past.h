/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Past
 *
 * What an earlier brain had written down, as it stood at its death: the newest record of each
 * thing. It comes from a file that another version may have written, so nothing in it is trusted
 * further than that memory is safe.
 */

#include "core/records.h"

#define PAST_PLACES_MAX 65536u /* of slots and holds, against nonsense */

typedef struct Past {
        SupervisorRecord supervisor;
        ManifestRecord *manifests;
        size_t n_manifests;
        AppRecord *apps;
        size_t n_apps;
        SidecarRecord **sidecars; /* by slot; NULL: none */
        size_t n_sidecars;
        HoldRecord **holds; /* by place; NULL: none */
        size_t n_holds;
        uint64_t last_manifest;
        Events *events; /* borrowed: they are taken up as they are read */
} Past;

void past_done(Past *past);

/* The handler of ledger_file_open(); userdata: a Past. Records of an unknown kind are skipped. */
int past_take(uint32_t kind, const char *payload, size_t n_bytes, void *userdata);

const ManifestRecord *past_find_manifest(const Past *past, uint64_t number);
