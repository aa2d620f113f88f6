/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Signals
 *
 * What SIGTERM and SIGINT mean to the brain.
 */

#include "core/supervisor.h"

/* From now on they are orders to stop. The supervisor has its keeper. */
int signals_attach(Supervisor *supervisor);
