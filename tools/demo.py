# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plays the demo's scenario with a desktop app, and checks every sentence that it prints.

Called by tools/demo, which has made a private session: argv[1] is the app's program. What the app
does it does by itself; what the demo looks at, it looks at through busctl and the kernel.
"""

import collections
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

NAME = "org.sidecard.Sidecars1"
ROOT = "/org/sidecard/Sidecars1"
APP = "org.sidecard.Demo"
STOP_TIMEOUT = 2  # of the manifest
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


def ask_bus(method, name):
    bus = "org.freedesktop.DBus"
    return busctl("call", bus, "/org/freedesktop/DBus", bus, method, "s", name)[0]


def answers(url):
    """The HTTP status; no redirects here."""
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


class Sidecar:
    def __init__(self, name):
        self.name = name
        self.path = busctl("call", NAME, ROOT, f"{NAME}.Manager", "GetSidecar", "ss", APP, name)[0]

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
        return self.call("GetProcesses")[0]


class Watch:
    """Signals of the daemon, through a client that nobody here wrote. A queue for each sidecar."""

    def __init__(self):
        self.monitor = spawn(
            "busctl", "--user", "--json=short", "monitor", NAME,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        self.monitor.stderr.readline()  # "Monitoring bus message stream."
        self.unread = b""
        self.seen = collections.defaultdict(collections.deque)

    def message(self, end):
        while b"\n" not in self.unread:
            left = max(0, end - time.monotonic())
            if not select.select([self.monitor.stdout], [], [], left)[0]:
                return None
            self.unread += os.read(self.monitor.stdout.fileno(), 65536)
        line, self.unread = self.unread.split(b"\n", 1)
        return json.loads(line)

    def note(self, message):
        if message.get("member") != "StatusChanged":
            return
        name = message["path"].rsplit("/", 1)[1]
        _, status, sub_state, reason, _ = message["payload"]["data"]
        say(f"    signal: {name} is {status}/{sub_state} ({reason})")
        self.seen[name].append(f"{status}/{sub_state}")

    def until(self, name, state, limit=60):
        end = time.monotonic() + limit
        while True:
            while self.seen[name]:
                if self.seen[name].popleft() == state:
                    return
            message = self.message(end)
            if not message:
                raise SystemExit(f"NOT SO: {name} did not become {state}")
            self.note(message)


class App:
    """The desktop app: a process of its own, of which we see what its window shows."""

    def __init__(self, program):
        self.process = spawn(
            "/usr/bin/python3", program, APP, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.unread = b""

    def until(self, text, limit=60):
        end = time.monotonic() + limit
        while True:
            while b"\n" in self.unread:
                line, self.unread = self.unread.split(b"\n", 1)
                say(f"    the app shows: {line.decode()}")
                if text in line.decode():
                    return
            left = max(0, end - time.monotonic())
            ready = select.select([self.process.stdout], [], [], left)[0]
            more = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not more:
                raise SystemExit(f'NOT SO: the app did not show "{text}"')
            self.unread += more

    def click(self, what):
        self.process.stdin.write(f"{what}\n".encode())
        self.process.stdin.flush()


def pin(*sidecars):
    """A descriptor of each process, that stays true of it whatever becomes of its number."""
    return [os.pidfd_open(pid) for sidecar in sidecars for pid, _ in sidecar.processes()]


def all_gone(pinned, limit=2.0):
    """A pidfd is readable once its process has ended; kill(pid, 0) would not tell."""
    end = time.monotonic() + limit
    return all(select.select([fd], [], [], max(0, end - time.monotonic()))[0] for fd in pinned)


def open_app(program, watch):
    need(ask_bus("NameHasOwner", NAME) is False, "a fresh session: no supervisor is there")
    say("The app opens, and Holds: its first call makes the bus start the supervisor")
    app = App(program)
    app.until("holding")
    for name in "workflow", "embedding":
        watch.until(name, "Starting/probing")
        watch.until(name, "Running/ready")
    app.until("the window is usable")
    return app


def show_endpoints(workflow, embedding):
    need(
        answers(f"{workflow.get('Endpoint')}/health") == 200,
        f"workflow is at {workflow.get('Endpoint')}: /health there says 200",
    )
    endpoint = embedding.get("Endpoint")
    need(
        answers(f"{endpoint}/health") == 404 and answers(f"{endpoint}/docs") == 200,
        f"embedding is at {endpoint}: FastAPI's /docs says 200, and there is no /health",
    )
    commands = [command for _, command in embedding.processes()]
    need(
        len(commands) == 2 and any("bootloader" in command for command in commands),
        "    it is a tree of 2 processes, behind a bootloader as PyInstaller's",
    )


def show_crash(workflow, embedding, watch):
    pid, other = workflow.get("MainPID"), embedding.get("MainPID")
    generation = workflow.get("Generation")
    say(f"kill -9 the main process of workflow, {pid}")
    os.kill(pid, signal.SIGKILL)
    watch.until("workflow", "Starting/backoff")
    say(f"    reason: {workflow.get('Reason')}")
    watch.until("workflow", "Running/ready")
    need(
        workflow.get("MainPID") != pid and workflow.get("Generation") > generation,
        f"it is Running again, by itself: {workflow.get('NRestarts')} restart, "
        f"pid {workflow.get('MainPID')}, still at {workflow.get('Endpoint')}",
    )
    need(embedding.get("MainPID") == other, "    and embedding was not touched")


def show_modes(workflow, embedding, app, watch):
    pinned = pin(workflow, embedding)
    say("A click in the app's settings: mode connected")
    app.click("mode connected")
    for name in "workflow", "embedding":
        watch.until(name, "Stopped/stopped")
    app.until("the window is usable")
    need(all_gone(pinned), f"both are Stopped, nothing is left of their {len(pinned)} processes")
    say("Another click: mode service")
    app.click("mode service")
    for name in "workflow", "embedding":
        watch.until(name, "Running/ready")
    app.until("the window is usable")
    need(
        workflow.state() == embedding.state() == "Running/ready", "both are back, at their endpoints"
    )


def list_holders():
    holds = busctl("get-property", NAME, ROOT, f"{NAME}.Manager", "Holds")
    return [hold["pid"]["data"] for hold in holds]


def life_of(*sidecars):
    """What runs: the same as long as nothing was stopped or died."""
    return [(s.state(), s.get("MainPID"), s.get("NRestarts")) for s in sidecars]


def show_relaunch(workflow, embedding, app):
    before = life_of(workflow, embedding)
    say("A click in the app's menu: relaunch, which is a new program and a new connection")
    app.click("relaunch")
    app.until("the window is usable")
    need(life_of(workflow, embedding) == before, "it is back in time, and its sidecars stayed")
    end = time.monotonic() + 20
    while len(list_holders()) > 1 and time.monotonic() < end:
        time.sleep(0.2)
    need(
        list_holders() == [app.process.pid] and life_of(workflow, embedding) == before,
        "    and stay when the former hold has lingered to its end",
    )


def show_no_death(workflow, embedding, app, bus):
    before = life_of(workflow, embedding)
    for process, what, seconds in (app.process, "the app", 2), (bus, "the bus", 5):
        say(f"SIGSTOP {what} for {seconds} s")
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)
        need(
            life_of(workflow, embedding) == before and list_holders() == [app.process.pid],
            f"that is no death: the app still holds, {workflow.name} and {embedding.name} go on",
        )


def show_stop(sidecar):
    pinned = pin(sidecar)
    stranger = spawn("sleep", "600")
    begun = time.monotonic()
    sidecar.stop()
    sidecar.wait("stopped")
    need(
        all_gone(pinned) and sidecar.processes() == [],
        f"Stop {sidecar.name}: nothing is left of its {len(pinned)} processes, "
        f"after {time.monotonic() - begun:.1f} s: {sidecar.state()}",
    )
    need(stranger.poll() is None, "    and a process that is not ours goes on")


def start_stubborn(stubborn):
    say("Start a sidecar whose grandchild leaves the session and ignores SIGTERM")
    stubborn.wait("ready", stubborn.start())
    end = time.monotonic() + 10
    # Its grandchild says a line once it ignores signals.
    while not any("is here to stay" in line[4] for line in stubborn.call("GetLog", "a{sv}", "0")[0]):
        if time.monotonic() > end:
            raise SystemExit("NOT SO: the grandchild comes up")
        stubborn.call("GetLog", "a{sv}", "1", "wait-usec", "t", "100000")
    need(
        len(stubborn.processes()) >= 2,
        f"it is {stubborn.state()}, a tree of {len(stubborn.processes())} processes",
    )


def show_death_of_the_app(sidecars, app):
    pinned = pin(*sidecars)
    begun = time.monotonic()
    say(f"kill -9 the app, {app.process.pid}, with {len(pinned)} processes of 3 sidecars up")
    app.process.kill()
    need(
        all_gone(pinned, STOP_TIMEOUT + 2.0),
        f"nothing of its trees is left, after {time.monotonic() - begun:.1f} s",
    )
    for sidecar in sidecars:
        sidecar.wait("stopped")
        need(
            sidecar.processes() == [] and sidecar.get("ReasonCode") == "owner-gone",
            f"    {sidecar.name}: {sidecar.state()} ({sidecar.get('Reason')})",
        )


def find_keeper():
    """The parent of the brain, which is who owns the name: what the bus has started."""
    brain = ask_bus("GetConnectionUnixProcessID", NAME)
    with open(f"/proc/{brain}/stat", encoding="utf-8") as stat:
        return os.pidfd_open(int(stat.read().rsplit(")", 1)[1].split()[1]))


def play(program, bus):
    watch = Watch()
    app = open_app(program, watch)
    keeper = find_keeper()
    try:
        containment = busctl("get-property", NAME, ROOT, f"{NAME}.Manager", "Containment")
        say(f"process trees are contained by: {containment}")
        workflow, embedding, stubborn = map(Sidecar, ("workflow", "embedding", "stubborn"))

        show_endpoints(workflow, embedding)
        show_crash(workflow, embedding, watch)
        show_modes(workflow, embedding, app, watch)
        show_no_death(workflow, embedding, app, bus)
        show_relaunch(workflow, embedding, app)
        start_stubborn(stubborn)
        show_stop(stubborn)
        start_stubborn(stubborn)
        show_death_of_the_app((workflow, embedding, stubborn), app)
    finally:
        signal.pidfd_send_signal(keeper, signal.SIGTERM)
        ended = all_gone([keeper], 90)
    need(ended, "SIGTERM to the supervisor: it ends")


def main():
    run = os.environ["XDG_RUNTIME_DIR"]
    bus = spawn(
        "dbus-daemon", "--session", f"--address=unix:path={run}/bus", "--nofork", "--print-address",
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )
    bus.stdout.readline()
    say("A session bus of its own")
    play(sys.argv[1], bus)
    bus.terminate()
    say("All of that was so.")


try:
    main()
finally:
    for child in children:
        if child.poll() is None:
            child.kill()
    shutil.rmtree(os.environ["HOME"], ignore_errors=True)
