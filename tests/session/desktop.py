# SPDX-License-Identifier: LGPL-2.1-or-later
"""A logged-in user's session, seen from beside it as root.

Calls are made as that user, on that user's bus; processes are looked at by pidfd, by cgroup and by
environment, so that none of the three has to be believed alone. Made for tools/booted-session.
"""

import json
import os
import pathlib
import pwd
import select
import signal
import subprocess
import time

UNIT = "sidecard.service"
NAME = "org.sidecard.Sidecars1"
ROOT = "/org/sidecard/Sidecars1"
PATIENCE = 60


def await_until(what, condition, seconds=PATIENCE):
    """Answers what the condition answered, once that is anything."""
    limit = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > limit:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def kill(pid, program):
    """SIGKILL for a process that is what we take it for; returns when it is dead."""
    life = Life([pid])
    if pathlib.Path(os.readlink(f"/proc/{pid}/exe")).name != program:
        raise AssertionError(f"{pid} is not {program}")
    signal.pidfd_send_signal(life.pidfds[pid], signal.SIGKILL)
    life.await_end()


def sidecar_processes():
    """Of all lives, and wherever they went: each has the variable, with all that came from it."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if b"\0SIDECARD_APP=" in b"\0" + path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            pass  # gone meanwhile
    return found


class Life:
    """Processes that were there at one moment; a pid that is used again is not taken for one."""

    def __init__(self, pids):
        self.pidfds = {}
        for pid in pids:
            try:
                self.pidfds[pid] = os.pidfd_open(pid)
            except ProcessLookupError:
                pass

    def __del__(self):
        for pidfd in self.pidfds.values():
            os.close(pidfd)

    def ended(self):
        poll = select.poll()
        for pidfd in self.pidfds.values():
            poll.register(pidfd, select.POLLIN)
        return len(poll.poll(0))

    def await_end(self, seconds=PATIENCE):
        """Answers how long it took."""
        begun = time.monotonic()
        await_until("the end of all", lambda: self.ended() == len(self.pidfds), seconds)
        return time.monotonic() - begun


class Desktop:
    def __init__(self):
        self.user = pwd.getpwnam(os.environ["SESSION_USER"])
        self.environment = {
            name: os.environ[name]
            for name in ("PATH", "LANG", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
        }
        self.environment.update(HOME=self.user.pw_dir, USER=self.user.pw_name)

    def attempt(self, *command):
        return subprocess.run(
            command, user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[],
            env=self.environment, cwd=self.user.pw_dir, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240,
        )

    def run(self, *command):
        done = self.attempt(*command)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.returncode}: {done.stdout.strip()}")
        return done.stdout

    def write(self, name, text):
        """Into the user's home, as the user."""
        path = pathlib.Path(self.user.pw_dir) / name
        self.run("mkdir", "-p", str(path.parent))
        path.write_text(text)

    def systemctl(self, *arguments):
        return self.run("systemctl", "--user", *arguments)

    def unit(self, *names):
        """Values of these properties; of one name the value itself."""
        text = self.systemctl("show", UNIT, f"--property={','.join(names)}")
        values = dict(line.split("=", 1) for line in text.splitlines())
        return [values[name] for name in names] if len(names) > 1 else values[names[0]]

    def keeper(self):
        return int(self.unit("MainPID"))

    def brain(self):
        """Who owns the name; 0: nobody. Asks the bus, which starts nothing for it."""
        bus = "org.freedesktop.DBus"
        done = self.attempt(
            "busctl", "--user", "--json=short", "call", bus, "/org/freedesktop/DBus", bus,
            "GetConnectionUnixProcessID", "s", NAME,
        )
        return json.loads(done.stdout)["data"][0] if done.returncode == 0 else 0

    def is_up(self):
        """Active, by a keeper whose brain owns the name."""
        state, keeper = self.unit("ActiveState", "MainPID")
        brain = self.brain() if state == "active" else 0
        try:
            status = pathlib.Path(f"/proc/{brain}/status").read_text() if brain else ""
        except FileNotFoundError:
            return False
        return f"\nPPid:\t{keeper}\n" in status

    def await_up(self):
        await_until("the unit is active, its brain owns the name", self.is_up)

    def await_brain_after(self, former, begun):
        """Answers how long it took, since then, until another one has the name."""
        await_until("another brain owns the name", lambda: self.brain() not in (0, former),
                    20)
        return time.monotonic() - begun

    def running(self):
        """Main processes of the sidecars that are Running, by name."""
        sidecars = json.loads(self.run("sidecarctl", "list", "--json"))["Sidecars"]
        return {row["Name"]: row["MainPID"] for row in sidecars if row["Status"] == "Running"}

    def property(self, name):
        """Of the daemon."""
        return json.loads(
            self.run("busctl", "--user", "--json=short", "get-property", NAME, ROOT,
                     f"{NAME}.Manager", name)
        )["data"]

    def cgroup(self):
        return pathlib.Path("/sys/fs/cgroup" + self.unit("ControlGroup"))

    def unit_processes(self):
        return [
            int(pid)
            for path in self.cgroup().rglob("cgroup.procs")
            for pid in path.read_text().split()
        ]

    def user_processes(self):
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                if f"\nUid:\t{self.user.pw_uid}\t" in path.read_text():
                    found.append(int(path.parent.name))
            except (FileNotFoundError, ProcessLookupError):
                pass  # gone meanwhile
        return found
