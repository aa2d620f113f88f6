#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A login and a logout where no systemd has the session: who starts the daemon, and what is left.

Each session manager gets a home, a runtime directory and a bus of its own, and finds Sidecard as it
is installed in some prefix. What runs its autostart entries starts the daemon; in the bare
dbus-run-session the first call does. Then an app holds two sidecars, and the session is ended as its
user ends it. A row each, and exit status 1 if one of them is not as it must be.

    without_systemd.py BUILD-FOLDER PREFIX SESSION...

Needs DISPLAY but for dbus-run-session.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from desktop import NAME, Life, await_until

APP = "org.example.Session"
MANIFEST = {
    "manifestVersion": 1,
    "id": APP,
    "sidecars": {
        "idle": {"command": ["sleep", "infinity"]},
        # Both ignore SIGTERM, and the first has left its session.
        "worker": {
            "command": ["sh", "-c", "trap '' TERM; setsid sleep infinity & exec sleep infinity"],
            "stop": {"timeout": "1s"},
        },
    },
}
N_PROCESSES = 3  # of these two

# Contract D5: the bus is tried again for 10 s, then all is ended in order, the worker after its
# timeout and one second. The rest is for a machine that does something else.
LOGOUT_LIMIT = 10 + 1 + 1 + 20

# What begins the session, and how its user ends it: what the dialogs of these three call or do.
SESSIONS = {
    "dbus-run-session": (["sleep", "infinity"], None),
    "lxsession": (["lxsession", "-s", "LXDE", "-e", "LXDE"], None),
    "xfce4-session": (["xfce4-session"], ["xfce4-session-logout", "--logout", "--fast"]),
    "mate-session": (["mate-session", "--disable-acceleration-check"],
                     ["mate-session-save", "--force-logout"]),
}


def install(build, prefix, folder):
    """As it would be with another prefix: three files say where the programs are."""
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet"],
                   env=os.environ | {"DESTDIR": str(folder)}, stdout=subprocess.DEVNULL, check=True)
    for name in (f"{NAME}.service", f"{NAME}.desktop"):
        (path,) = folder.rglob(name)
        path.write_text(path.read_text().replace(prefix, f"{folder}{prefix}"))
    autostart = next(folder.rglob(f"{NAME}.desktop")).parent.parent
    return pathlib.Path(f"{folder}{prefix}"), autostart


def facts(pid):
    """Program and parent; None if it is gone, or is nobody's that we may look at."""
    try:
        program = os.readlink(f"/proc/{pid}/exe").rpartition("/")[2]
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        return program, int(stat.rpartition(")")[2].split()[1])
    except OSError:
        return None


class Login:
    def __init__(self, kind, prefix, autostart, folder):
        self.kind = kind
        self.home = folder
        self.environment = {
            name: os.environ[name] for name in ("LANG", "DISPLAY", "XAUTHORITY") if name in os.environ
        } | {
            "PATH": f"{prefix}/bin:{os.environ['PATH']}",
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "XDG_DATA_DIRS": f"{prefix}/share:/usr/share",
            "XDG_CONFIG_DIRS": f"{autostart}:/etc/xdg",
        }
        (folder / "run").mkdir(mode=0o700)
        apps = folder / ".local/share/sidecard/apps"
        apps.mkdir(parents=True)
        (apps / f"{APP}.json").write_text(json.dumps(MANIFEST))
        self.log = open(folder / "log", "wb")
        self.session = None

    def start(self, *command):
        return subprocess.Popen(command, env=self.environment, cwd=self.home, stdout=self.log,
                                stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    def processes(self):
        """All that belong to this login, by the runtime directory in their environment."""
        mark = f"\0XDG_RUNTIME_DIR={self.home}/run\0".encode()
        found = {}
        for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
            try:
                environment = b"\0" + path.read_bytes()
            except OSError:
                continue  # gone meanwhile
            if mark in environment:
                found[int(path.parent.name)] = environment
        return found

    def ours(self):
        """Pids of keeper, brain, guardians, sidecars and holders."""
        return [
            pid for pid, environment in self.processes().items()
            if b"\0SIDECARD_APP=" in environment
            or (facts(pid) or [""])[0] in ("sidecard", "sidecard-init", "sidecarctl")
        ]

    def keepers(self):
        """Pids; a guardian is a fork of one."""
        found = {pid: facts(pid) for pid in self.ours()}
        return [
            pid for pid, fact in found.items()
            if fact and fact[0] == "sidecard-init"
            and (facts(fact[1]) or [""])[0] != "sidecard-init"
        ]

    def are_activated(self, pids):
        """dbus-daemon tells those whom it starts so."""
        environments = self.processes()
        return all(b"\0DBUS_STARTER_ADDRESS=" in environments[pid] for pid in pids)

    def begin(self):
        begin, _ = SESSIONS[self.kind]
        bus = self.home / "bus"
        self.session = self.start(
            "dbus-run-session", "--", "sh", "-c",
            f'echo "$DBUS_SESSION_BUS_ADDRESS $$" >"{bus}.new"; mv "{bus}.new" "{bus}"; exec "$@"',
            "-", *begin)
        await_until("a bus", bus.exists)
        address, self.manager = bus.read_text().split()
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = address

    def open_app(self):
        """Two at once; like a desktop app, what they run ends when its session has gone."""
        for _ in range(2):
            self.start("sidecarctl", "hold", APP, "--", "busctl", "--user", "monitor", APP)
        await_until("two holds, and all processes of both sidecars", self.is_open)

    def is_open(self):
        sidecars = [pid for pid, environment in self.processes().items()
                    if b"\0SIDECARD_APP=" in environment]
        done = subprocess.run(
            ["busctl", "--user", "--json=short", "get-property", NAME,
             "/org/sidecard/Sidecars1", f"{NAME}.Manager", "Holds"],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        holds = len(json.loads(done.stdout)["data"]) if done.returncode == 0 else 0
        return holds == 2 and len(sidecars) == N_PROCESSES

    def end(self):
        """As its user does, or by the signal that the end of a login is."""
        _, logout = SESSIONS[self.kind]
        if logout:
            self.start(*logout).wait(60)
        else:
            os.kill(int(self.manager), signal.SIGTERM)  # a child that dbus-run-session waits for
        self.session.wait(60)

    def clean_up(self):
        for _ in range(100):
            left = self.processes()
            if not left:
                break
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass  # gone meanwhile
            time.sleep(0.05)
        if self.session:
            self.session.wait()
        self.log.close()

    def tell(self):
        """Answers what is wrong."""
        self.begin()
        starter = "the first call"
        if self.kind != "dbus-run-session":
            await_until("the autostart entry starts the daemon", self.keepers)
            starter = "the autostart entry"
        self.open_app()
        keepers = self.keepers()
        by = "the bus" if self.are_activated(keepers) else "NOT BY THE BUS"
        if self.session.poll() is not None:
            raise OSError("the session has ended before its logout")
        life = Life(self.ours())
        begun = time.monotonic()
        self.end()
        session_took = time.monotonic() - begun
        life.await_end(LOGOUT_LIMIT)
        took = time.monotonic() - begun
        left = len(self.ours())
        print(f"{self.kind:17} {f'{by}, for {starter}':39} {len(keepers):7} "
              f"{len(life.pidfds):9} {session_took:7.2f} s {took:7.2f} s {left:4}", flush=True)
        return len(keepers) != 1 or left != 0 or by != "the bus"


def main(build, prefix, kinds):
    is_wrong = False
    with tempfile.TemporaryDirectory(prefix="sidecard-sessions-") as place:
        place = pathlib.Path(place)
        there, autostart = install(build, prefix, place / "installed")
        print(f"{'session':17} {'started by':39} {'daemons':7} {'processes':9} "
              f"{'its end':>9} {'all gone':>9} {'left':>4}")
        for kind in kinds:
            if not shutil.which(SESSIONS[kind][0][0]) or not shutil.which("dbus-run-session"):
                print(f"{kind:17} is not here")
                continue
            folder = place / kind
            folder.mkdir()
            login = Login(kind, there, autostart, folder)
            try:
                is_wrong |= login.tell()
            except (OSError, TimeoutError, subprocess.SubprocessError) as error:
                print(f"{kind:17} {error}\n{(folder / 'log').read_text(errors='replace')}")
                is_wrong = True
            finally:
                login.clean_up()
    return 1 if is_wrong else 0


sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
