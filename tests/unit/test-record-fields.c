/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The tables by which the ledger is written. Two fields of one tag decode as the last of them, and
 * nothing but a brain's death would show it.
 */

#include "core/records.h"
#include "test.h"

static void check(const char *name, const RecordField *fields) {
        for (const RecordField *field = fields; field->tag != 0; field++) {
                for (const RecordField *other = fields; other < field; other++)
                        ck_assert_msg(other->tag != field->tag, "%s: tag %u is there twice", name,
                                      field->tag);
                if (field->type == FIELD_STRUCT)
                        check(name, field->fields);
        }
}

START_TEST(no_tag_of_a_record_means_two_things) {
        check("supervisor", supervisor_fields);
        check("manifest", manifest_fields);
        check("app", app_fields);
        check("sidecar", sidecar_fields);
        check("hold", hold_fields);
        check("event", event_fields);
}
END_TEST

TEST_MAIN("record-fields", NULL, NULL, no_tag_of_a_record_means_two_things)
