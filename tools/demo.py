# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plays the demo's scenario through busctl, and checks every sentence that it prints.

Called by tools/demo, which has made a private session: argv[1] is sidecard-init.
"""

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

NAME = "org.sidecard.Sidecars1"
APP = "org.sidecard.Demo"
started = time.monotonic()
children = []


def say(text):
    print(f"{time.monotonic() - started:6.1f} s  {text}", flush=True)


def need(truth, text):
    if not truth:
        raise SystemExit(f"NOT SO: {text}")
    say(text)


def spawn(*argv, **options):
    """A child that cannot outlive the demo."""
    pr_set_pdeathsig = 1
    child = subprocess.Popen(
        argv,
        preexec_fn=lambda: ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL),
        **options,
    )
    children.append(child)
    return child


def busctl(*arguments):
    command = ["busctl", "--user", "--json=short", "--timeout=60", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"NOT SO: {' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)["data"] if done.stdout.strip() else None


class Sidecar:
    def __init__(self, name):
        self.name = name
        self.path = busctl(
            "call", NAME, "/org/sidecard/Sidecars1", f"{NAME}.Manager", "GetSidecar", "ss", APP, name
        )[0]

    def call(self, method, *arguments):
        return busctl("call", NAME, self.path, f"{NAME}.Sidecar", method, *arguments)

    def get(self, prop):
        return busctl("get-property", NAME, self.path, f"{NAME}.Sidecar", prop)

    def start(self):
        return self.call("Start", "a{sv}", "0")[0]

    def stop(self):
        self.call("Stop", "a{sv}", "0")

    def wait(self, condition, generation=0):
        return self.call("Wait", "stt", condition, str(generation), "60000000")

    def state(self):
        return f"{self.get('Status')}/{self.get('SubState')}"

    def processes(self):
        return [pid for pid, _ in self.call("GetProcesses")[0]]


class Watch:
    """Signals of the daemon, through a client that nobody here wrote."""

    def __init__(self):
        self.monitor = spawn(
            "busctl", "--user", "--json=short", "monitor", NAME,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        self.monitor.stderr.readline()  # "Monitoring bus message stream."
        self.unread = b""

    def message(self, end):
        while b"\n" not in self.unread:
            left = max(0, end - time.monotonic())
            if not select.select([self.monitor.stdout], [], [], left)[0]:
                return None
            self.unread += os.read(self.monitor.stdout.fileno(), 65536)
        line, self.unread = self.unread.split(b"\n", 1)
        return json.loads(line)

    def until(self, path, status, sub_state, limit=60):
        end = time.monotonic() + limit
        while message := self.message(end):
            if message.get("member") != "StatusChanged" or message["path"] != path:
                continue
            _, *state = message["payload"]["data"]
            say(f"    signal: {state[0]}/{state[1]} ({state[2]})")
            if state[:2] == [status, sub_state]:
                return
        raise SystemExit(f"NOT SO: {path} did not become {status}/{sub_state}")


def pin(pids):
    return {pid: os.pidfd_open(pid) for pid in pids}


def all_gone(pinned):
    """A pidfd is readable once its process has ended; kill(pid, 0) would not tell."""
    return all(select.select([fd], [], [], 2)[0] for fd in pinned.values())


def show_service():
    workflow = Sidecar("workflow")
    watch = Watch()

    say("Start a FastAPI service:  busctl --user call ... Start")
    generation = workflow.start()
    watch.until(workflow.path, "Running", "ready")
    workflow.wait("ready", generation)
    endpoint = workflow.get("Endpoint")
    with urllib.request.urlopen(f"{endpoint}/health") as answer:
        need(answer.status == 200, f"it is Running, at {endpoint}, and /health there says 200")

    pid = workflow.get("MainPID")
    say(f"kill -9 its main process, {pid}")
    os.kill(pid, signal.SIGKILL)
    watch.until(workflow.path, "Starting", "backoff")
    say(f"    reason: {workflow.get('Reason')}")
    watch.until(workflow.path, "Running", "ready")
    need(
        workflow.get("MainPID") != pid and workflow.get("Generation") > generation,
        f"it is Running again, by itself: {workflow.get('NRestarts')} restart, "
        f"pid {workflow.get('MainPID')}, still at {workflow.get('Endpoint')}",
    )
    show_stop(workflow)


def show_stop(sidecar):
    pinned = pin(sidecar.processes())
    stranger = spawn("sleep", "600")
    begun = time.monotonic()
    sidecar.stop()
    sidecar.wait("stopped")
    need(
        all_gone(pinned) and sidecar.processes() == [],
        f"Stop {sidecar.name}: nothing is left of its {len(pinned)} process(es), "
        f"after {time.monotonic() - begun:.1f} s: {sidecar.state()}",
    )
    need(stranger.poll() is None, "    and a process that is not ours goes on")


def show_tree(name, what, n_least):
    sidecar = Sidecar(name)
    say(f"Start {what}")
    sidecar.wait("ready", sidecar.start())
    end = time.monotonic() + 10
    while len(sidecar.processes()) < n_least and time.monotonic() < end:
        sidecar.call("GetLog", "a{sv}", "1", "wait-usec", "t", "100000")
    need(
        len(sidecar.processes()) >= n_least,
        f"it is {sidecar.state()}, a tree of {len(sidecar.processes())} processes",
    )
    show_stop(sidecar)


def main():
    run = os.environ["XDG_RUNTIME_DIR"]
    bus = spawn(
        "dbus-daemon", "--session", f"--address=unix:path={run}/bus", "--nofork", "--print-address",
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )
    bus.stdout.readline()

    say("A session bus of its own, and the supervisor on it")
    daemon = spawn(sys.argv[1])
    subprocess.run(["gdbus", "wait", "--session", "--timeout", "20", NAME], check=True)
    containment = busctl("get-property", NAME, "/org/sidecard/Sidecars1", f"{NAME}.Manager", "Containment")
    say(f"sidecard is on the bus; process trees are contained by: {containment}")

    show_service()
    show_tree("packed", "a server behind a two-process bootloader (as PyInstaller's)", 2)
    show_tree("stubborn", "a sidecar whose grandchild leaves the session and ignores SIGTERM", 2)

    daemon.terminate()
    need(daemon.wait(90) == 0, "SIGTERM to the supervisor: it ends with 0")
    bus.terminate()
    say("All of that was so.")


try:
    main()
finally:
    for child in children:
        if child.poll() is None:
            child.kill()
    shutil.rmtree(os.environ["HOME"], ignore_errors=True)
