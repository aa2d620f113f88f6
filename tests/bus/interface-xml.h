/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Interface XML
 *
 * D-Bus introspection data as sorted lines of text, so that two of them can be compared and the
 * difference read. What says nothing about the interface is left out: comments, white space, the
 * order of members and of attributes, and the annotations for Qt and GDBus. Reads what
 * introspection looks like, not XML in general.
 */

#include "util/macro.h"

/* A line for each element of that interface; NULL if it is not there. Freed with strv_free(). */
char **interface_xml_lines(const char *xml, const char *interface);
