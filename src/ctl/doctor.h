/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Doctor
 *
 * What the parts of doctor have in common. Each part looks and adds what it has found; a negative
 * errno says that it could not even look, as without memory.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "ctl/findings.h"

typedef struct Doctor {
        Findings findings;
        sd_bus *bus;      /* NULL: none that answers */
        bool has_program; /* there is a sidecard to run */
        bool has_systemd; /* a user manager is on the bus */
        bool is_up;       /* the daemon has its name */
} Doctor;

/* ctl/doctor-session.c: the environment, and the folders of the daemon. */
int doctor_look_at_environment(Doctor *doctor);
int doctor_look_at_folders(Doctor *doctor);

/* ctl/doctor-bus.c: the bus, and how it would start the daemon. Nothing is started. */
int doctor_look_at_bus(Doctor *doctor);
int doctor_look_at_activation(Doctor *doctor);

/* ctl/doctor-daemon.c: what is installed; then the daemon, which is started if it is not there. */
int doctor_look_at_programs(Doctor *doctor);
int doctor_look_at_daemon(Doctor *doctor);

/* ctl/doctor-apps.c: manifests, programs and ports, and what has failed. */
int doctor_look_at_manifests(Doctor *doctor);
int doctor_look_at_failures(Doctor *doctor);
