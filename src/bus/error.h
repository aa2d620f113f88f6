/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Error
 *
 * The names of the errors that leave by the bus (contract section 2). This is the edge: below it
 * everything is a negative errno.
 */

#define ERROR_NO_SUCH_APP "org.sidecard.Sidecars1.Error.NoSuchApp"
#define ERROR_NO_SUCH_SIDECAR "org.sidecard.Sidecars1.Error.NoSuchSidecar"
#define ERROR_NO_SUCH_MODE "org.sidecard.Sidecars1.Error.NoSuchMode"
#define ERROR_START_FAILED "org.sidecard.Sidecars1.Error.StartFailed"
#define ERROR_NOT_RUNNING "org.sidecard.Sidecars1.Error.NotRunning"
#define ERROR_SHUTTING_DOWN "org.sidecard.Sidecars1.Error.ShuttingDown"
#define ERROR_NOT_SUPPORTED "org.sidecard.Sidecars1.Error.NotSupported"
#define ERROR_LIMITS_EXCEEDED "org.sidecard.Sidecars1.Error.LimitsExceeded"
#define ERROR_INVALID_MANIFEST "org.sidecard.Sidecars1.Error.InvalidManifest"
#define ERROR_APP_EXISTS "org.sidecard.Sidecars1.Error.AppExists"
#define ERROR_ARGUMENT_NOT_ALLOWED "org.sidecard.Sidecars1.Error.ArgumentNotAllowed"
