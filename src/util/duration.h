/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Duration
 *
 * Time spans as manifests write them ("500ms", "1m30s") and as people read them. Everything
 * inside is in microseconds.
 */

#include <stddef.h>
#include <stdint.h>

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_INFINITY UINT64_MAX

#define DURATION_TEXT_MAX 64

/* -EINVAL: not of the form ([0-9]+(us|ms|s|m|h))+; -ERANGE: more than a hundred years. */
int duration_parse(uint64_t *ret_usec, const char *text);

/* The shortest manifest form, "1m30s"; "0s" for nothing. Answers buffer. */
char *duration_format(char buffer[static DURATION_TEXT_MAX], uint64_t usec);

/* As in a sentence, two digits at most: "2.3 s", "450 ms", "3 min". Answers buffer. */
char *duration_say(char buffer[static DURATION_TEXT_MAX], uint64_t usec);
