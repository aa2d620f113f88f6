/* SPDX-License-Identifier: LGPL-2.1-or-later */

typedef int empty_translation_unit;
