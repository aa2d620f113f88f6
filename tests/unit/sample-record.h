/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A struct with a field of every type, and its table.
 */

#include <sys/types.h>

#include "model/record.h"
#include "util/strv.h"

typedef struct SamplePart {
        uint32_t number;
        char *name;
} SamplePart;

typedef struct Sample {
        bool is_up;
        pid_t pid;
        uint16_t port;
        uint32_t slot;
        uint64_t generation;
        char *token;
        char **argv;
        SamplePart part;
} Sample;

static const RecordField sample_part_fields[] = {
        { 1, FIELD_U32, offsetof(SamplePart, number), NULL },
        { 2, FIELD_STRING, offsetof(SamplePart, name), NULL },
        RECORD_END,
};

static const RecordField sample_fields[] = {
        { 1, FIELD_BOOL, offsetof(Sample, is_up), NULL },
        { 2, FIELD_INT, offsetof(Sample, pid), NULL },
        { 3, FIELD_U16, offsetof(Sample, port), NULL },
        { 4, FIELD_U32, offsetof(Sample, slot), NULL },
        { 5, FIELD_U64, offsetof(Sample, generation), NULL },
        { 6, FIELD_STRING, offsetof(Sample, token), NULL },
        { 7, FIELD_STRV, offsetof(Sample, argv), NULL },
        { 8, FIELD_STRUCT, offsetof(Sample, part), sample_part_fields },
        RECORD_END,
};

static inline void sample_done(Sample *sample) {
        free(sample->token);
        strv_free(sample->argv);
        free(sample->part.name);
        *sample = (Sample){ 0 };
}
