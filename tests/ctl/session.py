# SPDX-License-Identifier: LGPL-2.1-or-later
"""A private session: a home, a bus, and on it whatever daemon the caller names."""

import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

NAME = "org.sidecard.Sidecars1"
PR_SET_PDEATHSIG = 1


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Session:
    def __init__(self, sidecarctl, manifests):
        self.sidecarctl = sidecarctl
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="sidecarctl-test-"))
        self.children = []
        address = f"unix:path={self.home}/run/bus"
        self.environment = dict(
            os.environ,
            HOME=str(self.home),
            XDG_RUNTIME_DIR=f"{self.home}/run",
            XDG_DATA_HOME=f"{self.home}/data",
            XDG_STATE_HOME=f"{self.home}/state",
            XDG_DATA_DIRS=f"{self.home}/nothing",
            DBUS_SESSION_BUS_ADDRESS=address,
            LC_ALL="C.UTF-8",
            TERM="xterm",
            # What the caller has set must not decide how the tests end.
            NO_COLOR="",
        )
        (self.home / "run").mkdir(mode=0o700)
        self.apps = self.home / "data/sidecard/apps"
        self.apps.mkdir(parents=True)
        for manifest in manifests:
            (self.apps / f"{manifest['id']}.json").write_text(json.dumps(manifest))
        self.bus = self.spawn(
            "dbus-daemon", "--session", f"--address={address}", "--nofork", "--print-address",
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )
        self.bus.stdout.readline()

    def spawn(self, *argv, **options):
        child = subprocess.Popen(
            argv, env=self.environment, preexec_fn=die_with_parent, **options
        )
        self.children.append(child)
        return child

    def start_daemon(self, program):
        with open(self.home / "daemon.log", "w") as log:
            self.daemon = self.spawn(program, stderr=log)
        subprocess.run(
            ["gdbus", "wait", "--session", "--timeout", "60", NAME], env=self.environment, check=True
        )

    def ask_bus(self, method):
        """What the bus says of the daemon's name; nothing while it has no owner."""
        done = subprocess.run(
            ["gdbus", "call", "--session", "--dest", "org.freedesktop.DBus", "--object-path", "/org/freedesktop/DBus",
             "--method", f"org.freedesktop.DBus.{method}", NAME],
            env=self.environment, capture_output=True, text=True, timeout=60,
        )
        return done.stdout.strip()

    def kill_brain(self):
        """Kills it, and waits until the next one has the name."""
        owner = self.ask_bus("GetNameOwner")
        pid = re.search(r"uint32 (\d+)", self.ask_bus("GetConnectionUnixProcessID"))
        os.kill(int(pid[1]), signal.SIGKILL)
        while self.ask_bus("GetNameOwner") in ("", owner):
            pass

    def run(self, *arguments, **changes):
        """sidecarctl to its end: exit status, standard output, standard error."""
        done = subprocess.run(
            [self.sidecarctl, *arguments],
            env=dict(self.environment, **changes),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
        )
        if os.environ.get("VERBOSE"):
            print("$ sidecarctl", *arguments, f"[{done.returncode}]\n{done.stdout}{done.stderr}")
        return done

    def json(self, *arguments):
        done = self.run(*arguments, "--json")
        try:
            return json.loads(done.stdout)
        except json.JSONDecodeError as error:
            raise AssertionError(f"{arguments}: {error}: {done.stdout!r} {done.stderr!r}")

    def end(self):
        for child in reversed(self.children):
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(90)
                except subprocess.TimeoutExpired:
                    child.kill()
            for stream in (child.stdout, child.stderr):
                if stream:
                    stream.close()
        shutil.rmtree(self.home, ignore_errors=True)
