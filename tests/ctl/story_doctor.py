# SPDX-License-Identifier: LGPL-2.1-or-later
"""sidecarctl doctor and top: over a private bus, with what they are there to find out.

Called with the paths of sidecarctl, sidecard-init and fake-daemon. Each story of doctor breaks one thing of a
set-up that is good, and looks for the line and the remedy of that thing.
"""

import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

from session import NAME, Session
from terminal import Terminal

sidecarctl, sidecard_init, fake_daemon = sys.argv[1:4]

APP = "org.example.App"
PYTHON = "/usr/bin/python3"


def manifest(**sidecars):
    return {"manifestVersion": 1, "id": APP, "sidecars": sidecars}


GOOD = manifest(sleeper={"command": ["sleep", "1000"]})
SPIN = manifest(
    idle={"command": ["sleep", "1000"]},
    busy={"command": [PYTHON, "-c", "while True: pass"]},
)


class Story(unittest.TestCase):
    maxDiff = None

    def begin(self, app=GOOD, activation=sidecard_init):
        self.session = Session(sidecarctl, [app] if app else [])
        self.addCleanup(self.session.end)
        self.services = self.session.home / "data/dbus-1/services"
        if activation:
            self.write_activation(activation)
            self.reload_bus()

    def write_activation(self, program, name=NAME):
        self.services.mkdir(parents=True, exist_ok=True)
        (self.services / f"{NAME}.service").write_text(f"[D-BUS Service]\nName={name}\nExec={program}\n")

    def ask_bus(self, method, *arguments):
        return subprocess.run(
            ["gdbus", "call", "--session", "--dest", "org.freedesktop.DBus", "--object-path",
             "/org/freedesktop/DBus", "--method", f"org.freedesktop.DBus.{method}", *arguments],
            env=self.session.environment, capture_output=True, text=True, timeout=60,
        ).stdout

    def reload_bus(self):
        self.assertEqual(self.ask_bus("ReloadConfig"), "()\n")

    def brain(self):
        """Its pid, or 0."""
        found = re.search(r"uint32 (\d+)", self.ask_bus("GetConnectionUnixProcessID", NAME))
        return int(found[1]) if found else 0

    def start(self):
        self.session.start_daemon(sidecard_init)

    def end_activated(self):
        """A daemon that the bus has started is no child of ours: its keeper ends it in order."""
        brain = self.brain()
        self.assertNotEqual(brain, 0)
        keeper = int(pathlib.Path(f"/proc/{brain}/stat").read_text().rpartition(")")[2].split()[1])
        pidfd = os.pidfd_open(keeper)
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        self.assertTrue(poll.poll(90000))
        os.close(pidfd)

    def look(self, *before, **changes):
        """What doctor finds that is not ok; a program before it makes its world."""
        done = subprocess.run(
            [*before, sidecarctl, "doctor", "--json"],
            env={k: v for k, v in dict(self.session.environment, **changes).items() if v is not None},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
        )
        self.assertEqual(done.stderr, "")
        self.findings = json.loads(done.stdout)
        problems = [finding for finding in self.findings if finding["result"] == "problem"]
        self.assertEqual(done.returncode, 1 if problems else 0, done.stdout)
        for finding in self.findings:
            if finding["result"] != "ok":
                self.assertTrue(finding.get("remedy"), finding)
        return problems

    def find(self, subject, result="ok"):
        return [f for f in self.findings if (f["subject"], f["result"]) == (subject, result)]

    def expect(self, found, subject, text, remedy):
        self.assertEqual(len(found), 1, found)
        self.assertEqual(found[0]["subject"], subject)
        self.assertRegex(found[0]["text"], text)
        self.assertRegex(found[0]["remedy"], remedy)


class Doctor(Story):
    def test_a_good_set_up_is_well_and_the_daemon_is_started_by_the_bus(self):
        self.begin()
        self.assertEqual(self.brain(), 0)
        self.assertEqual(self.look(LD_LIBRARY_PATH=None, LD_PRELOAD=None), [])
        subjects = {finding["subject"] for finding in self.findings}
        self.assertEqual(
            subjects,
            {"runtime", "loader", "logs", "programs", "bus", "activation", "unit", "daemon", "keeper",
             "safe mode", "cgroups", "manifests", "binaries", "sidecars"},
        )
        self.assertIn(f"pid {self.brain()}", self.find("keeper")[0]["text"])
        self.assertIn(str(self.services), self.find("activation")[0]["text"])
        self.assertIn("1 program found", self.find("binaries")[0]["text"])
        self.end_activated()

    def test_no_bus(self):
        self.begin()
        address = self.session.environment["DBUS_SESSION_BUS_ADDRESS"]
        self.expect(
            self.look(DBUS_SESSION_BUS_ADDRESS="unix:path=/nowhere/bus"),
            "bus", "no session bus at unix:path=/nowhere/bus: No such file",
            f"^export DBUS_SESSION_BUS_ADDRESS={address}$",
        )
        self.expect(
            self.look(DBUS_SESSION_BUS_ADDRESS="nonsense"), "bus", "no session bus at nonsense", "export"
        )
        # What needs no bus is looked at all the same.
        self.assertTrue(self.find("manifests") and self.find("binaries") and self.find("programs"))
        self.assertEqual(self.brain(), 0)

    def test_no_activation_file(self):
        self.begin(activation=None)
        self.expect(
            self.look(), "activation", "does not know how to start sidecard: there is no", "XDG_DATA_DIRS"
        )
        # Nothing was started, and that is said; once it is up it is only a warning.
        self.assertIn("was not started", self.find("daemon", "warning")[0]["text"])
        self.start()
        self.assertEqual(self.look(), [])
        self.assertEqual(len(self.find("activation", "warning")), 1)

    def test_an_activation_file_that_the_bus_has_not_read(self):
        self.begin(activation=None)
        self.write_activation(sidecard_init)
        # A bus that watches its folders may have read it by itself.
        if NAME not in self.ask_bus("ListActivatableNames"):
            self.expect(self.look(), "activation", "the bus has not read", "^busctl --user call .* ReloadConfig$")
            self.assertEqual(self.brain(), 0)

    def test_an_activation_file_that_points_nowhere(self):
        self.begin(activation="/nowhere/sidecard-init")
        self.expect(
            self.look(), "activation",
            f"{NAME}.service is to start /nowhere/sidecard-init: No such file", "install sidecard again",
        )
        self.assertEqual(self.brain(), 0)

    def test_a_daemon_that_does_not_come_up(self):
        self.begin(activation="/bin/false")
        self.expect(self.look(), "daemon", "the bus could not start it: .*exited", "sidecard-init")

    def test_a_runtime_directory_that_is_missing_unset_or_open_to_others(self):
        self.begin()
        missing = str(self.session.home / "gone")
        self.expect(
            self.look(XDG_RUNTIME_DIR=missing), "runtime", f"{missing}: No such file",
            "export XDG_RUNTIME_DIR=/run/user/[0-9]+",
        )
        self.expect(self.look(XDG_RUNTIME_DIR=None), "runtime", "is not set", "export XDG_RUNTIME_DIR=")
        path = self.session.environment["XDG_RUNTIME_DIR"]
        os.chmod(path, 0o755)
        self.expect(self.look(), "runtime", "of mode 0755", f"^chmod 700 {path}$")
        self.assertEqual(self.brain(), 0)

    def test_a_state_folder_that_is_read_only_or_none(self):
        self.begin()
        plain = self.session.home / "plain"
        plain.write_text("")
        self.expect(
            self.look(XDG_STATE_HOME=str(plain)), "logs", f"cannot be written below .*: {plain}", f"ls -ld {plain}"
        )
        state = self.session.home / "state"
        state.mkdir()
        if os.geteuid() != 0:
            self.skipTest("only root can mount it read-only")
        mount = 'mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"; exec "$@"'
        self.expect(
            self.look("unshare", "--mount", "--propagation", "private", "sh", "-ec", mount, str(state)),
            "logs", f"cannot be written below {state}/sidecard: {state}: Read-only", f"findmnt --target {state}",
        )

    def reserve_port(self):
        """Bound but not listening, it keeps others from the port, and not those who may use it again."""
        reserved = socket.socket()
        self.addCleanup(reserved.close)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        return reserved.getsockname()[1]

    def test_a_port_that_a_stranger_holds(self):
        port = self.reserve_port()
        with socket.create_server(("127.0.0.1", port)):
            self.begin(manifest(web={"command": ["sleep", "1000"], "port": port}))
            self.expect(
                self.look(), "ports", rf"port {port} of {APP}/web is held by python3[^,]*, pid {os.getpid()}$",
                f"^kill {os.getpid()}, ",
            )
        # Nobody holds it any more, and doctor starts the daemon.
        self.assertEqual(self.look(), [])
        self.assertEqual(self.find("ports"), [])
        self.end_activated()

    def test_a_port_that_the_sidecar_itself_holds_is_no_problem(self):
        serve = "import http.server as h, sys; h.HTTPServer(('127.0.0.1', int(sys.argv[1])), h.BaseHTTPRequestHandler).serve_forever()"
        port = self.reserve_port()
        self.begin(manifest(web={"command": [PYTHON, "-c", serve, str(port)], "port": port}))
        self.start()
        done = self.session.run("start", "web")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.look(), [])
        self.assertIn(f"{APP}/web has its port {port}", self.find("ports")[0]["text"])

    def test_a_program_that_is_missing(self):
        self.begin(manifest(gone={"command": ["no-such-program"]}, there={"command": ["sleep", "1"]}))
        self.expect(
            self.look(), "binaries", rf"{APP}/gone: no-such-program is neither .* nor on PATH \([0-9]+ places\)",
            f"{self.session.apps}/{APP}.json",
        )
        self.begin(manifest(gone={"command": ["/nowhere/program"]}))
        self.expect(self.look(), "binaries", f"{APP}/gone: /nowhere/program is not there", "manifest")

    def test_a_broken_manifest(self):
        self.begin(manifest(x={"command": "sleep 1"}))
        self.expect(
            self.look(), "manifests", f"{APP}.json:[0-9]+: /sidecars/x/command: ",
            f"sidecarctl check {self.session.apps}/{APP}.json",
        )

    def test_masked_manifests_and_those_that_others_hide_are_not_looked_at(self):
        self.begin()
        system = self.session.home / "nothing/sidecard/apps"
        system.mkdir(parents=True)
        (system / f"{APP}.json").write_text("broken and hidden")
        (system / "org.example.Masked.json").write_text("broken and masked")
        (self.session.apps / "org.example.Masked.json").symlink_to("/dev/null")
        self.assertEqual(self.look(), [])
        self.end_activated()

    def test_safe_mode(self):
        self.begin()
        self.start()
        for _ in range(3):
            brain = self.brain()
            os.kill(brain, signal.SIGSEGV)
            deadline = time.monotonic() + 60
            while self.brain() in (0, brain):
                self.assertLess(time.monotonic(), deadline)
        self.expect(self.look(), "safe mode", "died three times", "^sidecarctl daemon upgrade$")
        # The remedy is one.
        self.assertEqual(self.session.run("daemon", "upgrade").returncode, 0)
        self.assertEqual(self.look(), [])

    def test_a_failed_sidecar(self):
        self.begin(manifest(fails={"command": ["sh", "-c", "echo alas >&2; exit 3"], "port": "auto", "restart": "no"}))
        self.start()
        self.session.run("start", "fails")
        self.expect(
            self.look(), "sidecars", f"{APP}/fails has failed: exited with code 3.*alas", f"^sidecarctl why {APP}/fails$"
        )

    def test_what_the_loader_is_told_is_a_warning(self):
        self.begin()
        self.start()
        self.assertEqual(self.look(LD_LIBRARY_PATH="/nowhere", LD_PRELOAD=None), [])
        self.expect(
            self.find("loader", "warning"), "loader", "LD_LIBRARY_PATH is set here, to /nowhere", "unset LD_LIBRARY_PATH"
        )

    def test_a_name_in_other_hands_is_told(self):
        self.begin()
        self.session.start_daemon(fake_daemon)
        self.expect(self.look(), "daemon", "it has its name and does not answer", "daemon upgrade")


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class OnATerminal(Story):
    def show(self, columns, *arguments):
        terminal = Terminal(self.session, columns, f"{sidecarctl} {' '.join(arguments)}")
        self.addCleanup(terminal.end)
        return terminal

    def test_doctor_fits_60_and_80_columns_and_cuts_nothing(self):
        self.begin(manifest(gone={"command": ["no-such-program"]}), activation=None)
        for columns in (60, 80):
            lines = self.show(columns, "doctor").wait_for("^exit=1")
            text = " ".join(" ".join(lines).split())
            self.assertNotIn("…", text)
            self.assertIn("2 problems, 1 warning", text)
            self.assertRegex(text, r"-> install sidecard, or have XDG_DATA_DIRS name the share folder of where it is")
            # Whatever is wider than the screen is a path.
            broken = self.session.run("doctor").stdout.splitlines()
            self.assertTrue(any(len(line) > columns for line in broken))

    def test_top_sorts_by_cpu_goes_on_until_q_and_leaves_the_terminal_as_it_was(self):
        self.begin(SPIN)
        self.start()
        self.assertEqual(self.session.run("start", APP).returncode, 0)
        terminal = self.show(80, "top")
        lines = terminal.wait_for(rf"^{APP}/busy +[1-9-]")
        if re.match(rf"{APP}/busy +- ", lines[1]):
            terminal.press("q")
            terminal.wait_for("^exit=0")
            self.skipTest("without cgroups nobody counts")
        self.assertRegex(lines[0], r"^SIDECAR +CPU% +MEMORY +TIME +PID +STATUS$")
        self.assertIn(f"{APP}/busy", lines[1])
        self.assertIn(f"{APP}/idle", lines[2])
        self.assertRegex(lines[1], r" ([0-9.]+[BKMGT]|-) +[0-9.]+ .* Running$")
        # The next sample is another one: its time has gone on.
        before = lines[1]
        while terminal.wait_for(f"^{APP}/busy ")[1] == before:
            pass
        terminal.press("x", "q")
        lines = terminal.wait_for("^exit=0")
        self.assertFalse(any("SIDECAR" in line for line in lines), lines)
        self.assertEqual(self.session.run("stop", f"{APP}/busy").returncode, 0)

        # A signal for all of the foreground ends it no less cleanly.
        terminal = Terminal(self.session, 80, f"trap : INT; {sidecarctl} top -n 1 {APP}")
        self.addCleanup(terminal.end)
        self.assertEqual(len([line for line in terminal.wait_for(f"^{APP}/idle") if line]), 2)
        terminal.press("C-c")
        terminal.wait_for("^exit=0")


class Top(Story):
    def test_top_without_a_terminal_is_one_sample(self):
        self.begin(SPIN)
        self.start()
        self.assertEqual(self.session.run("top").stdout, "No sidecar runs.\n")
        self.assertEqual(self.session.run("start", APP).returncode, 0)
        items = self.session.json("top")
        # In a second in which it had no CPU at all the busy one is like the idle one.
        while all(item["cpu-percent"] == 0 for item in items):
            items = self.session.json("top")
        if items[0]["CPUUsageNSec"] == 2**64 - 1:
            self.assertEqual([item["cpu-percent"] for item in items], [None, None])
            self.skipTest("without cgroups nobody counts")
        self.assertEqual([item["Name"] for item in items], ["busy", "idle"])
        self.assertGreater(items[0]["cpu-percent"], items[1]["cpu-percent"])
        self.assertGreater(items[0]["CPUUsageNSec"], 0)
        self.assertEqual(items[0]["Status"], "Running")
        self.assertEqual(len(self.session.json("top", "-n", "1")), 1)
        lines = self.session.run("top", f"{APP}/idle").stdout.splitlines()
        self.assertEqual(len(lines), 2)
        self.assertRegex(lines[1], rf"^{APP}/idle +0\.[0-9] ")
        self.assertEqual(self.session.run("top", "nope").returncode, 4)

    def test_top_ends_with_the_daemon(self):
        self.begin(activation=None)
        done = self.session.run("top")
        self.assertEqual((done.returncode, done.stdout), (5, ""))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[4:], verbosity=2)
