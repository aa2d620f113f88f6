/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Interface XML
 *
 * One pass over the tags. A member's path is its parents' names, and an argument has its number
 * in it, since the order of arguments is part of the interface.
 */

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "interface-xml.h"
#include "util/strv.h"

typedef struct Tag {
        char element[32];
        char attributes[8][512]; /* NAME=VALUE, sorted */
        size_t n_attributes;
        bool is_end;
        bool is_empty;
} Tag;

static int compare_attributes(const void *a, const void *b) {
        return strcmp(a, b);
}

static int compare_lines(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Fills in the tag at text, which is behind its "<"; answers what follows it. */
static const char *read_tag(const char *text, Tag *tag) {
        *tag = (Tag){ .is_end = *text == '/' };
        text += tag->is_end;
        ck_assert_int_eq(sscanf(text, "%31[a-z]", tag->element), 1);
        text += strlen(tag->element);

        for (;;) {
                char name[64], value[400];
                int length;

                text += strspn(text, " \t\n");
                if (*text == '/') {
                        tag->is_empty = true;
                        text++;
                }
                if (*text == '>')
                        break;
                ck_assert_int_eq(sscanf(text, "%63[a-z]=\"%n", name, &length), 1);
                text += length;
                length = (int) strcspn(text, "\"");
                (void) snprintf(value, sizeof(value), "%.*s", length, text);
                text += length + 1;
                ck_assert_uint_lt(tag->n_attributes, ELEMENTSOF(tag->attributes));
                (void) snprintf(tag->attributes[tag->n_attributes++], sizeof(tag->attributes[0]),
                                "%s=%s", name, value);
        }

        qsort(tag->attributes, tag->n_attributes, sizeof(tag->attributes[0]), compare_attributes);
        return text + 1;
}

static const char *tag_get(const Tag *tag, const char *attribute) {
        for (size_t i = 0; i < tag->n_attributes; i++)
                if (startswith(tag->attributes[i], attribute) &&
                    tag->attributes[i][strlen(attribute)] == '=')
                        return tag->attributes[i] + strlen(attribute) + 1;
        return "";
}

static bool is_for_a_code_generator(const Tag *tag) {
        const char *name = tag_get(tag, "name");

        return streq(tag->element, "annotation") &&
               (startswith(name, "org.qtproject.QtDBus.") || startswith(name, "org.gtk.GDBus."));
}

static void add_line(char ***lines, const char *member, const Tag *tag, int argument) {
        _cleanup_free_ char *line = NULL;
        size_t size;
        FILE *out = open_memstream(&line, &size);

        fprintf(out, "%s%s", member, tag->element);
        if (streq(tag->element, "arg"))
                fprintf(out, " %d", argument);
        for (size_t i = 0; i < tag->n_attributes; i++)
                fprintf(out, " %s", tag->attributes[i]);
        ck_assert_int_eq(fclose(out), 0);
        ck_assert_int_eq(strv_extend(lines, line), 0);
}

char **interface_xml_lines(const char *xml, const char *interface) {
        bool is_inside = false;
        char member[256] = "", **lines = NULL;
        int argument = 0;
        Tag tag;

        while ((xml = strchr(xml, '<'))) {
                if (startswith(xml, "<!--")) {
                        xml = strstr(xml, "-->");
                        continue;
                }
                if (xml[1] == '!' || xml[1] == '?') {
                        xml++;
                        continue;
                }

                xml = read_tag(xml + 1, &tag);
                if (streq(tag.element, "interface"))
                        is_inside = !tag.is_end && streq(tag_get(&tag, "name"), interface);
                if (!is_inside || is_for_a_code_generator(&tag))
                        continue;

                if (tag.is_end) {
                        member[0] = '\0';
                        continue;
                }
                add_line(&lines, member, &tag, argument);
                argument += streq(tag.element, "arg");
                if (!tag.is_empty && !streq(tag.element, "interface")) {
                        (void) snprintf(member, sizeof(member), "%s %s: ", tag.element,
                                        tag_get(&tag, "name"));
                        argument = 0;
                }
        }

        if (lines)
                qsort(lines, strv_length(lines), sizeof(*lines), compare_lines);
        return lines;
}
