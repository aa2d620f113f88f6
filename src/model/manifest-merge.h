/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ManifestMerge
 *
 * A manifest and the drop-ins over it, merged as JSON Merge Patch has it (RFC 7396) before anything
 * is judged: what counts is the whole. A drop-in alone need not be a manifest.
 */

#include "model/manifest.h"

#define MANIFEST_DROP_INS_MAX 64

/* A file by its content. Borrowed. */
typedef struct ManifestLayer {
        const char *path;
        const char *text;
        size_t n_bytes;
} ManifestLayer;

/*
 * layers[0] is the manifest, the others are its drop-ins, in order. *ret: the text of the whole;
 * -EBADMSG: one of them is no such JSON, and *ret_error says which.
 */
int manifest_merge(char **ret,
                   const ManifestLayer *layers,
                   size_t n_layers,
                   ManifestError *ret_error);

/*
 * manifest_parse() of the whole. What is wrong is told with path and line of the file that has
 * brought it in. former: what the same files gave before, or NULL; 1: just that, and nothing is
 * answered.
 */
int manifest_parse_layers(Manifest **ret,
                          const Manifest *former,
                          const ManifestLayer *layers,
                          size_t n_layers,
                          ManifestError *ret_error);
