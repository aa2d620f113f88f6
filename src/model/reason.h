/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "model/lifecycle.h"
char *reason_text(const SidecarSpec *spec, const Lifecycle *l, const char *detail);
