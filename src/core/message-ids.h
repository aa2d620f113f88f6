/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Message ids
 *
 * What stands in the journal under one of these has a text in units/sidecard.catalog that says
 * what to do; journalctl --catalog shows it. An id is never used again for anything else.
 */

#define MESSAGE_FAILED "524edb2f659644539ec4be00a5bac226"
#define MESSAGE_CRASH_LOOP "a4c5a4b9f3934d528e5a2a27a1ce5fcc"
#define MESSAGE_SAFE_MODE "5b5068b124ab4cd6ada4349881492a34"
#define MESSAGE_ADOPTED "a012f6e307bf4e0d9c066bc79cd8005a"
#define MESSAGE_LOG_FILE "bda15ddf277a41a889ad9a59c5c3449b"
