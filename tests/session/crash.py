#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sidecard under a real systemd --user: what the unit promises, and what crashes do to it.

Kills the brain and the keeper, reloads and stops the unit, re-executes the user manager, ends the
desktop and at last the login, while five real sidecars run; and looks at processes, unit, bus and
journal. A line for each check, then how many there were; exit status 1 if one failed.

    tools/booted-session tests/session/crash.py [--short]
"""

import json
import shutil
import statistics
import subprocess
import sys
import time

from desktop import NAME, ROOT, UNIT, Life, await_until, kill, sidecar_processes
from story import Story

APP = "org.example.Session"
SERVER = ["/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", "{port}"]
REDIS = ["redis-server", "--port", "{port}", "--bind", "127.0.0.1", "--save", ""]

MANIFEST = {
    "manifestVersion": 1,
    "id": APP,
    "sidecars": {
        "api": {"command": SERVER, "port": "auto", "readiness": {"http": {"path": "/"}}},
        "search": {"command": SERVER, "port": "auto", "dependsOn": {"api": "ready"}},
        "store": {"command": REDIS if shutil.which("redis-server") else SERVER, "port": "auto"},
        "idle": {"command": ["sleep", "infinity"]},
        # Both ignore SIGTERM, and the first has left its session.
        "worker": {
            "command": ["sh", "-c", "trap '' TERM; setsid sleep infinity & exec sleep infinity"],
            "stop": {"timeout": "1s"},
        },
    },
}
NAMES = sorted(MANIFEST["sidecars"])

# Contract, section 6; most of it shows only on a bad day.
DIRECTIVES = {
    "Type": "notify",
    "NotifyAccess": "main",
    "Restart": "on-failure",
    "Slice": "app.slice",
    "Delegate": "yes",
    "KillMode": "mixed",
    "TimeoutStopUSec": "1min 40s",
    "TasksMax": "infinity",
    "OOMPolicy": "continue",
}

# A session manager has a target like this for its desktop; see systemd.special(7).
DESKTOP_TARGET = """[Unit]
BindsTo=graphical-session.target
Before=graphical-session.target
"""

STOP_LIMIT = 100  # seconds, TimeoutStopSec= of the unit
KEEPER_LIMIT = 3  # seconds for everything to end with the keeper, contract D3


def milliseconds(times):
    return f"median {statistics.median(times) * 1000:.0f} ms, max {max(times) * 1000:.0f} ms"


class Crashes(Story):
    def __init__(self, short):
        super().__init__()
        self.n_brains, self.n_keepers, self.n_reexecs = (10, 4, 3) if short else (50, 20, 10)

    def bring_up(self):
        """Whatever the last part has left behind: unit and sidecars are up, nothing is counted."""
        # Fails where the unit is not loaded, and then there is nothing to reset.
        self.desktop.attempt("systemctl", "--user", "reset-failed", UNIT)
        self.desktop.run("sidecarctl", "start", "--timeout=60s", APP)
        self.desktop.await_up()

    def unit_file(self):
        verify = self.desktop.attempt(
            "systemd-analyze", "--user", "verify", self.desktop.unit("FragmentPath")
        )
        self.check("systemd-analyze has nothing to say about the unit",
                   verify.returncode == 0 and verify.stdout == "", verify.stdout.strip())
        values = self.desktop.unit(*DIRECTIVES)
        wrong = [f"{name}={value}" for name, value in zip(DIRECTIVES, values)
                 if value != DIRECTIVES[name]]
        self.check("systemd has understood the unit as the contract has it", not wrong,
                   ", ".join(wrong))

    def activation(self):
        desktop = self.desktop
        before = desktop.unit("ActiveState")
        begun = time.monotonic()
        desktop.run("busctl", "--user", "call", NAME, ROOT, f"{NAME}.Manager", "ListSidecars",
                    "a{sv}", "0")
        took = time.monotonic() - begun
        kind, state, substate = desktop.unit("Type", "ActiveState", "SubState")
        self.check("the first call on the bus starts the unit, of Type=notify, and it is active",
                   [before, kind, state, substate] == ["inactive", "notify", "active", "running"],
                   f"{took * 1000:.0f} ms to the answer")
        self.check("the unit's main process is the keeper, and its brain owns the name",
                   desktop.is_up())

    def sidecars(self):
        desktop = self.desktop
        self.bring_up()
        running = desktop.running()
        self.check("five real sidecars are Running", sorted(running) == NAMES, ", ".join(running))
        theirs = {*running.values(), *sidecar_processes()}
        inside = desktop.unit_processes()  # after those: a tree may still grow
        self.check("their trees are in cgroups below the unit's",
                   desktop.property("Containment") == "cgroup" and set(inside) > theirs,
                   f"{len(inside) - 2} processes")

    def reexec(self):
        desktop = self.desktop
        self.bring_up()
        life = Life(desktop.unit_processes())
        for _ in range(self.n_reexecs):
            desktop.systemctl("daemon-reexec")
            # It is away from the bus for a moment.
            await_until("the user manager answers",
                        lambda: desktop.attempt("systemctl", "--user", "show").returncode == 0)
        self.check(f"{self.n_reexecs} times systemctl --user daemon-reexec, and nothing is touched",
                   life.ended() == 0 and set(desktop.unit_processes()) == set(life.pidfds)
                   and desktop.unit("ActiveState", "NRestarts") == ["active", "0"],
                   f"{len(life.pidfds)} processes are the same")

    def brain_kills(self):
        desktop = self.desktop
        self.bring_up()
        keeper, sidecars = desktop.keeper(), desktop.running()
        life = Life(sidecars.values())
        times = []
        n_same = 0
        for _ in range(self.n_brains):
            brain = desktop.brain()
            begun = time.monotonic()
            kill(brain, "sidecard")
            times.append(desktop.await_brain_after(brain, begun))
            n_same += life.ended() == 0 and desktop.running() == sidecars
        state, substate, restarts = desktop.unit("ActiveState", "SubState", "NRestarts")
        self.check(f"the brain killed {self.n_brains} times, and each time the next has the name",
                   len(times) == self.n_brains, f"from SIGKILL to name {milliseconds(times)}")
        self.check("... the unit is active all the same, not restarted, its main process the same",
                   [state, substate, restarts] == ["active", "running", "0"]
                   and desktop.keeper() == keeper,
                   f"NRestarts {restarts}")
        self.check("... the same sidecars are Running, with the same pids",
                   n_same == self.n_brains, f"after {n_same} of {self.n_brains} kills")

    def reload(self):
        desktop = self.desktop
        self.bring_up()
        keeper, brain, sidecars = desktop.keeper(), desktop.brain(), desktop.running()
        life = Life(sidecars.values())
        begun = time.monotonic()
        desktop.systemctl("reload", UNIT)
        took = desktop.await_brain_after(brain, begun)
        self.check("systemctl --user reload replaces the brain and nothing else",
                   desktop.keeper() == keeper and desktop.unit("NRestarts") == "0"
                   and life.ended() == 0 and desktop.running() == sidecars,
                   f"{took * 1000:.0f} ms, keeper {keeper} is now {desktop.keeper()}, "
                   f"{life.ended()} of {len(sidecars)} sidecars ended")

    def kill_keeper(self, ready):
        desktop = self.desktop
        self.bring_up()
        if not ready:  # in the middle of stops and starts
            desktop.run("sidecarctl", "restart", "--no-wait", APP)
        keeper = desktop.keeper()
        life = Life(desktop.unit_processes())
        begun = time.monotonic()
        kill(keeper, "sidecard-init")
        life.await_end()
        end_took = time.monotonic() - begun
        await_until("the unit is started again", lambda: desktop.keeper() not in (0, keeper))
        desktop.await_up()
        return len(life.pidfds), end_took, time.monotonic() - begun

    def keeper_kills(self):
        desktop = self.desktop
        ends, starts, lefts, restarts, found = [], [], [], [], []
        for i in range(self.n_keepers):
            n, end_took, start_took = self.kill_keeper(ready=i % 2 == 0)
            ends.append(end_took)
            starts.append(start_took)
            restarts.append(desktop.unit("NRestarts", "Result", "SubState"))
            lefts.append(len(sidecar_processes()))
            found.append((desktop.property("Containment"), len(desktop.unit_processes())))
        self.check(f"the keeper killed {self.n_keepers} times, all ends within {KEEPER_LIMIT} s",
                   max(ends) < KEEPER_LIMIT, f"{n} processes, {milliseconds(ends)}")
        self.check("... systemd starts the unit again, each time at the first attempt",
                   all(each == ["1", "success", "running"] for each in restarts),
                   f"up again {milliseconds(starts)}")
        self.check("... clean: keeper and brain in the unit's cgroup, and sidecars held by cgroups",
                   all(each == ("cgroup", 2) for each in found), f"{found[-1]}")
        self.check("... nothing of the former life is left", not any(lefts),
                   f"{sum(lefts)} processes in all rounds")

    def stop(self):
        desktop = self.desktop
        self.bring_up()
        life = Life(desktop.unit_processes())
        begun = time.monotonic()
        desktop.systemctl("stop", UNIT)
        took = time.monotonic() - begun
        state, result, status = desktop.unit("ActiveState", "Result", "ExecMainStatus")
        left = len(life.pidfds) - life.ended() + len(sidecar_processes())
        self.check("systemctl --user stop ends all in order within TimeoutStopSec",
                   [state, result, status] == ["inactive", "success", "0"] and left == 0
                   and took < STOP_LIMIT,
                   f"{took:.2f} s, {len(life.pidfds)} processes, left {left}")

    def graphical_session(self):
        desktop = self.desktop
        desktop.write(".config/systemd/user/desktop.target", DESKTOP_TARGET)
        desktop.systemctl("daemon-reload")
        desktop.systemctl("enable", UNIT)
        desktop.systemctl("start", "desktop.target")
        desktop.await_up()
        self.bring_up()
        life = Life(desktop.unit_processes())
        desktop.systemctl("stop", "desktop.target")
        took = life.await_end(STOP_LIMIT)
        await_until("the unit has stopped", lambda: desktop.unit("ActiveState") == "inactive")
        self.check("enabled, the unit comes with the graphical session and goes with it",
                   desktop.unit("Result") == "success" and not sidecar_processes(),
                   f"gone after {took:.2f} s")

    def logout(self):
        desktop = self.desktop
        self.bring_up()
        life = Life(desktop.unit_processes())
        begun = time.monotonic()
        subprocess.run(["loginctl", "terminate-user", desktop.user.pw_name], check=True)
        ours = life.await_end(STOP_LIMIT)
        await_until("nothing of the user is left", lambda: not desktop.user_processes(), STOP_LIMIT)
        whole = time.monotonic() - begun
        left = len(sidecar_processes()) + len(desktop.user_processes())
        self.check("a logout by loginctl terminate-user ends all, and leaves nothing",
                   ours < STOP_LIMIT and left == 0,
                   f"all of Sidecard's after {ours:.2f} s, of the user's after {whole:.2f} s, "
                   f"processes left: {left}")

    def journal(self):
        lines = subprocess.run(
            ["journalctl", "--quiet", "--no-pager", "--output=cat"],
            check=True, stdout=subprocess.PIPE, text=True, errors="replace",
        ).stdout.splitlines()
        wrong = [line for line in lines if "Device or resource busy" in line or "Sanitizer" in line
                 or "runtime error:" in line]
        self.check("the journal knows of no EBUSY, and of nothing that a sanitizer found",
                   len(lines) > 0 and not wrong, wrong[0] if wrong else f"{len(lines)} lines")

    def tell_all(self):
        self.desktop.write(f".local/share/sidecard/apps/{APP}.json", json.dumps(MANIFEST))
        return self.tell(
            self.unit_file, self.activation, self.sidecars, self.reexec, self.brain_kills,
            self.reload, self.keeper_kills, self.stop, self.graphical_session, self.logout,
            self.journal,
        )


sys.exit(Crashes("--short" in sys.argv[1:]).tell_all())
