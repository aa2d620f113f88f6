# SPDX-License-Identifier: LGPL-2.1-or-later
"""A session of its own for a test: home, bus, and a daemon that the bus starts at the first call.

The daemon is started through a wrapper that notes its exit status: what a sanitizer finds at the
end is found here too.
"""

import ctypes
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile

NAME = "org.sidecard.Sidecars1"
ROOT = "/org/sidecard/Sidecars1"
SKIPPED = 77


def die_with_parent():
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def parent_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[1])


class Session:
    def __init__(self, sidecard_init, log=None):
        self.sidecard_init = sidecard_init
        self.log = log  # where bus and daemon complain; None: where the test does
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="sidecard-clients-"))
        self.env = {**os.environ, "HOME": str(self.home), "TMPDIR": str(self.home)}
        for name in "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME":
            self.env.pop(name, None)
        self.env["XDG_RUNTIME_DIR"] = str(self.home / "run")
        self.env["XDG_DATA_DIRS"] = str(self.home / "share")
        self.env["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={self.home}/run/bus"
        self.status = self.home / "daemon-status"
        self.bus = None

    def __enter__(self):
        (self.home / "run").mkdir(mode=0o700)
        services = self.home / "share/dbus-1/services"
        services.mkdir(parents=True)
        wrapper = self.home / "start-daemon"
        wrapper.write_text(f"#!/bin/sh\n{self.sidecard_init}\nr=$?\necho $r >{self.status}\nexit $r\n")
        wrapper.chmod(0o755)
        (services / f"{NAME}.service").write_text(f"[D-BUS Service]\nName={NAME}\nExec={wrapper}\n")
        self.bus = subprocess.Popen(
            ["dbus-daemon", "--session", f"--address={self.env['DBUS_SESSION_BUS_ADDRESS']}",
             "--nofork", "--print-address"],
            env=self.env, stdout=subprocess.PIPE, stderr=self.log, preexec_fn=die_with_parent,
        )
        self.bus.stdout.readline()
        return self

    def install(self, manifest):
        apps = self.home / ".local/share/sidecard/apps"
        apps.mkdir(parents=True, exist_ok=True)
        shutil.copy(manifest, apps)

    def run(self, *command, **options):
        return subprocess.run(
            command, env=self.env, text=True, timeout=300, check=True, stdout=subprocess.PIPE,
            **options
        ).stdout

    def busctl(self, *arguments):
        return json.loads(self.run("busctl", "--user", "--json=short", *arguments))["data"]

    def ask_bus(self, method):
        bus = "org.freedesktop.DBus"
        return self.busctl("call", bus, "/org/freedesktop/DBus", bus, method, "s", NAME)[0]

    def end_daemon(self):
        """The brain owns the name; its parent is the keeper, and the keeper's the wrapper."""
        pid = parent_of(self.ask_bus("GetConnectionUnixProcessID"))
        keeper, wrapper = os.pidfd_open(pid), os.pidfd_open(parent_of(pid))
        try:
            signal.pidfd_send_signal(keeper, signal.SIGTERM)
            ended, _, _ = select.select([wrapper], [], [], 120)
        finally:
            os.close(keeper)
            os.close(wrapper)
        assert ended, "the daemon ends"
        assert self.status.read_text().strip() == "0", "the daemon ends with 0"

    def __exit__(self, *_):
        try:
            if self.ask_bus("NameHasOwner"):
                self.end_daemon()
        finally:
            self.bus.terminate()
            self.bus.wait()
            shutil.rmtree(self.home)
