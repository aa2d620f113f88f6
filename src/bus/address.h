/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Address
 *
 * Where the session bus is, as this process and what it starts find it in the environment.
 */

/*
 * A bus that starts a program tells it its guid with its address. The next bus in the same place
 * has another one, and who insists on the first never reaches it (contract D5).
 */
int address_forget_guid(void);
