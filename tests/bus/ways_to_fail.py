# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ways to fail: each with a real program on a real bus, told as `sidecarctl why` tells it.

    ways_to_fail.py SIDECARCTL SIDECARD-INIT CHILDREN [FILE]

Each way names the state, the ReasonCode and the words that must be told of it. What is told is
printed as a table, and into FILE (or WAYS_TO_FAIL_TABLE): to be read as a user would, each must say
what to do.
"""

import http.server
import json
import os
import pathlib
import queue
import shutil
import socket
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "ctl"))

from session import Session  # noqa: E402

APP = "org.example.Ways"
PATIENCE = 180  # contract L2: of a machine that is busy no miss counts for two minutes
PYTHON = "/usr/bin/python3"

sidecarctl, sidecard_init, children = sys.argv[1:4]
report = sys.argv[4] if len(sys.argv) > 4 else os.environ.get("WAYS_TO_FAIL_TABLE")

RETRY = {"delay": "1m", "jitter": 0}  # so long that it is still to come when it is looked at


class Way:
    """retry: whether it is tried again; words: what must be told; prepare: what it needs."""

    def __init__(self, title, manifest, state, code, words, prepare=None, after=None):
        self.title = title
        self.manifest = dict(manifest)
        self.manifest.setdefault("restart", RETRY)
        self.state = state
        self.code = code
        self.words = words
        self.prepare = prepare
        self.after = after


def shell(script, **more):
    return {"command": ["/bin/sh", "-c", script], **more}


def python(script, **more):
    return {"command": [PYTHON, "-c", script], **more}


def file_at(name, content=b"", mode=0o755):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return str(path)


def patched_child(name, *changes):
    """A copy of a program of ours in which some bytes are others."""
    content = pathlib.Path(children, "sleeper").read_bytes()
    for old, new in changes:
        assert old in content and len(old) == len(new)
        content = content.replace(old, new, 1)
    return file_at(name, content)


def listener():
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    listeners.append(taken)
    return taken.getsockname()[1]


def kept_port():
    """Nobody listens there; bound, so that nobody else is given it before serve_there() takes it."""
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    listeners.append(kept)
    return kept.getsockname()[1]


def start_failing(path="/health", **more):
    probe = {"http": {"path": path}, "interval": "50ms", "timeout": "300ms", **more}
    return {"port": "auto", "startTimeout": "3s", "readiness": probe}


def serve(*arguments, **more):
    return {"command": [f"{children}/http-server", "{port}", *arguments], **more}


def liveness(on_failure):
    return {
        "port": "auto",
        "readiness": {"http": {"path": "/"}, "interval": "50ms"},
        "liveness": {
            "http": {"path": "/health"}, "interval": "50ms", "timeout": "300ms", "failures": 2,
            "onFailure": on_failure,
        },
    }


def serve_there(port):
    """A server of somebody else, as an older version may have left it."""
    server = http.server.HTTPServer(("127.0.0.1", port), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def make_ways():
    taken, late = listener(), kept_port()
    words_taken = f"port {taken} is held by"
    elf = pathlib.Path(children, "sleeper").read_bytes()
    machine = elf[18:20]
    other_machine = b"\xb7\x00" if machine != b"\xb7\x00" else b"\x3e\x00"
    busy = file_at("busy", elf)
    needy = folder / "needs-library"
    shutil.copy(pathlib.Path(children, "needs-library"), needy)
    needy.write_bytes(needy.read_bytes().replace(b"libneeded.so", b"libabsent.so"))
    file_at("built/tool-aarch64-apple-darwin", b"\xcf\xfa\xed\xfe")
    file_at("asgi.py", "async def app(scope, receive, send): pass\n")
    keep = []

    final, backoff = "Failed/failed", "Starting/backoff"
    return [
        # Programs that are not there, or cannot be executed.
        Way("program not installed", {"command": ["no-such-program"]},
            final, "binary-missing", ["no-such-program was not found; tried /", "install the program"]),
        Way("only a build for another system", {"command": [f"{folder}/built/tool"]},
            final, "binary-missing", ["tool-aarch64-apple-darwin", "install the program"]),
        Way("not executable", {"command": [file_at("plain", "#!/bin/sh\n", 0o644)]},
            final, "exec-failed", ["plain is not executable: chmod +x it"]),
        Way("a folder", {"command": [str(folder / "built")]},
            final, "exec-failed", ["is a folder: name the program in it"]),
        Way("an empty file", {"command": [file_at("empty")]},
            final, "exec-failed", ["is empty: install it again"]),
        Way("another machine's program",
            {"command": [file_at("foreign", elf[:18] + other_machine + elf[20:])]},
            final, "exec-failed", ["is built for", "install the build for"]),
        Way("a loader that is not there",
            {"command": [patched_child("loaderless", (b"/ld-linux", b"/ld-absent"[:9]))]},
            final, "exec-failed", ["needs the loader", "which is not there: install"]),
        Way("an interpreter that is not there",
            {"command": [file_at("script", "#!/opt/python9/bin/python\n")]},
            final, "exec-failed", ["names /opt/python9/bin/python in its first line", "install it"]),
        Way("line ends of Windows", {"command": [file_at("dos", "#!/bin/sh\r\necho\r\n")]},
            final, "exec-failed", ["line ends of Windows", "dos2unix"]),
        Way("a program for Windows", {"command": [file_at("setup.exe", b"MZ\x90\x00" + bytes(60))]},
            final, "exec-failed", ["is a program for Windows: install the build for Linux"]),
        Way("neither program nor script", {"command": [file_at("notes", "hello\n")]},
            final, "exec-failed", ["neither a Linux program nor a script with #!"]),
        Way("half a download", {"command": [file_at("half", elf[:len(elf) // 2])]},
            backoff, "signal", ["damaged or cut short: install it again", "Would help: install it again"]),
        Way("being written just now", {"command": [busy]},
            backoff, "resources", ["busy is being written by another program", "tried again"],
            prepare=lambda: keep.append(open(busy, "r+b"))),
        Way("a library that is not there", {"command": [str(needy)]},
            backoff, "exit-code",
            ["exited with code 127", "libabsent.so", "install the package that has it",
             "install what the reason says is missing"]),
        Way("working directory gone", shell("true", workingDirectory=f"{folder}/gone"),
            final, "exec-failed", ["its working directory", "is not a directory: make it"]),
        Way("env finds no program", {"command": ["/usr/bin/env", "no-such-program"]},
            backoff, "exit-code", ["code 127", "no-such-program", "No such file or directory"]),
        Way("a shell finds no command", shell("no-such-command"),
            backoff, "exit-code", ["code 127", "no-such-command", "not found"]),
        Way("a shell may not execute", shell(f"{folder}/plain"),
            backoff, "exit-code", ["code 126", "plain", "Permission denied"]),
        # Ports that somebody else has.
        Way("its port is taken", serve(port=taken),
            backoff, "port-in-use", [words_taken, "pid", "end the program that has the port"]),
        Way("uvicorn on a taken port",
            {"command": [PYTHON, "-m", "uvicorn", "--port", str(taken), "--app-dir", str(folder),
                         "asgi:app"]},
            backoff, "exit-code", ["address already in use", words_taken]),
        Way("node on a taken port",
            {"command": ["node", "-e", f"require('http').createServer().listen({taken}, '127.0.0.1')"]},
            backoff, "exit-code", ["EADDRINUSE", words_taken, "end the program that has the port"]),
        Way("redis on a taken port",
            {"command": ["redis-server", "--bind", "127.0.0.1", "--port", str(taken), "--save", ""]},
            backoff, "exit-code", ["Address already in use", words_taken]),
        Way("nginx on a taken port",
            {"command": ["nginx", "-p", str(folder), "-e", "stderr", "-c", file_at(
                "nginx.conf",
                "daemon off; pid nginx.pid; events {} http { access_log off;"
                f" server {{ listen 127.0.0.1:{taken}; }} }}", 0o644)]},
            backoff, "exit-code", ["Address already in use", words_taken]),
        # Programs that end.
        Way("a silent failure", shell("exit 3"),
            backoff, "exit-code", ["exited with code 3", "its documentation"]),
        Way("an exception in Python", python("dict()['model']"),
            backoff, "exit-code", ["exited with code 1", "KeyError: 'model'"]),
        Way("a module that is not installed", python("import no_such_module"),
            backoff, "exit-code", ["ModuleNotFoundError: No module named 'no_such_module'"]),
        Way("a script with an error", {"command": [PYTHON, file_at("broken.py", "def f(:\n")]},
            backoff, "exit-code", ["SyntaxError: invalid syntax"]),
        Way("an exception in Node", {"command": ["node", "-e", "null.x"]},
            backoff, "exit-code", ["TypeError: Cannot read properties of null"]),
        Way("perl dies", {"command": ["/usr/bin/perl", "-e", "die qq(no database\\n)"]},
            backoff, "exit-code", ["no database"]),
        Way("no memory within ulimit",
            shell(f"ulimit -v 100000; exec {PYTHON} -c 'bytearray(10**9)'"),
            backoff, "exit-code", ["MemoryError"]),
        Way("goes to the background", shell("sleep 60 & exit 0", **start_failing()),
            backoff, "exit-code", ["does it go to the background?", "stay in the foreground"]),
        Way("somebody kills it", shell("kill -KILL $$"),
            backoff, "signal", ["killed by SIGKILL", "find out who sent it"]),
        Way("a crash", python("import ctypes; ctypes.string_at(0)"),
            backoff, ("signal", "core-dump"), ["SIGSEGV", "another version of the program"]),
        Way("an abort with last words", python("import os, sys; sys.stderr.write('malloc():"
                                               " corrupted top size\\n'); os.abort()"),
            backoff, ("signal", "core-dump"), ["SIGABRT", "malloc(): corrupted top size"]),
        Way("failing again and again",
            shell("echo no licence >&2; exit 1", restart={"delay": "10ms", "attempts": 2}),
            final, "crash-loop", ["gave up after 2 restarts in a row", "no licence"]),
        Way("policy no", shell("exit 4", restart="no"),
            final, "exit-code", ["exited with code 4", "until somebody starts it"]),
        # Programs that stay, and are not ready or not well.
        Way("listens nowhere", shell("echo loading the model; exec sleep 1000", **start_failing()),
            backoff, "start-timeout",
            ["did not become ready within 3s", "nothing listens on", "loading the model"]),
        Way("listens elsewhere",
            {"command": [PYTHON, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"],
             **{**start_failing(), "startTimeout": "8s"}},
            backoff, "start-timeout", ["nothing listens on", "Serving HTTP on 127.0.0.1 port"]),
        Way("answers another path", serve("/=200", **start_failing(timeout="2s")),
            backoff, "start-timeout", ["did not become ready within 3s", "/health", "404"]),
        Way("accepts and never answers", serve("/health=0", **start_failing()),
            backoff, "start-timeout", ["no answer within", "startTimeout"]),
        Way("loads for ever",
            serve("/health=503", loadTimeout="5s",
                  **{**start_failing(timeout="2s"), "startTimeout": "4s"}),
            backoff, "start-timeout",
            ["did not become ready within 5s", "GET /health answered 503", "loadTimeout"]),
        Way("never says that it is ready",
            shell("echo still at it; exec sleep 1000", readiness={"notify": True},
                  startTimeout="3s"),
            backoff, "start-timeout",
            ["did not become ready within 3s", "it never said READY=1", "still at it"]),
        Way("never writes the line",
            shell("echo listenign; exec sleep 1000", readiness={"log": {"pattern": "^listening"}},
                  startTimeout="3s"),
            backoff, "start-timeout", ["it never wrote the line", "listenign"]),
        Way("somebody else answers in its place",
            shell("echo $0; exec sleep 1000", readiness={"http": {}}, port=late),
            backoff, "port-in-use",
            ["who answers in its place is none of its processes", f"port {late} is held by",
             "end the program that has the port"],
            after=lambda session, name, events: (
                events.wait(name.partition("/")[2], ["Starting/probing"]),
                listeners.append(serve_there(late)))),
        Way("does not feed its watchdog",
            shell("systemd-notify --ready; exec sleep 1000", readiness={"notify": True},
                  watchdog="500ms"),
            backoff, "watchdog", ["said nothing to its watchdog within 500 ms", "what it hangs on"]),
        Way("says itself that it hangs",
            shell("systemd-notify --ready; systemd-notify WATCHDOG=trigger; exec sleep 1000",
                  readiness={"notify": True}, watchdog="1m"),
            backoff, "watchdog", ["said of itself that it hangs", "what it hangs on"]),
        Way("answers with errors", serve("/health=500", **start_failing(timeout="2s")),
            backoff, "start-timeout", ["500", "readiness"]),
        Way("no longer answers, restarted", serve("/=200", "/health=200,0", **liveness("restart")),
            backoff, "unhealthy", ["missed 2 health checks in a row", "no answer within"]),
        Way("no longer answers, left alone", serve("/=200", "/health=200,0", **liveness("report")),
            "Running/unhealthy", "unhealthy", ["missed", "no answer within", "what keeps it from answering"]),
        # Others.
        Way("its dependency has failed", shell("exec sleep 1000", dependsOn={"way-1": "ready"}),
            final, "dependency", ["its dependency way-1 has failed", "sidecarctl why"]),
        Way("its dependency is not ready", shell("exec sleep 1000", dependsOn={"way-37": "ready"}),
            "Starting/waiting", "dependency", ["waits for way-37", "is started once way-37 is there"]),
        Way("stopped by somebody", shell("exec sleep 1000"),
            "Stopped/stopped", "requested", ["stopped on request", "sidecarctl start"],
            after=lambda session, name, events: session.run("stop", name)),
    ]


class Events:
    """What happens, by `sidecarctl events`."""

    def __init__(self, session):
        self.lines = queue.Queue()
        self.child = session.spawn(
            sidecarctl, "events", "--json", APP, stdout=-1, stderr=-3, text=True, bufsize=1
        )
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.child.stdout:
            self.lines.put(json.loads(line))

    def wait(self, name, states):
        """Until the sidecar has come to one of these."""
        seen = []
        while True:
            try:
                event = self.lines.get(timeout=PATIENCE)
            except queue.Empty:
                raise AssertionError(f"{name} has not come to {states}: {seen}")
            if event.get("sidecar") == name and event["type"] == "status":
                seen.append(f"{event['status']}/{event['sub-state']}")
                if seen[-1] in states:
                    return seen[-1]


def judge(way, told, explained):
    """What is not as it must be."""
    problems = []
    state = f"{explained['status']}/{explained['sub-state']}"
    codes = way.code if isinstance(way.code, tuple) else (way.code,)
    if way.state and state != way.state:
        problems.append(f"is {state}, not {way.state}")
    if way.code and explained["reason-code"] not in codes:
        problems.append(f"ReasonCode is {explained['reason-code']}, not {way.code}")
    problems += [f"lacks {words!r}" for words in way.words if words not in told]
    if "Would help: " not in told:
        problems.append("does not say what would help")
    if explained["next-action-at"] == 0 and explained["sub-state"] == "backoff":
        problems.append("does not say when it is tried again")
    return problems


def play(session, events, name, way):
    states = [way.state] if way.state else ["Failed/failed", "Starting/backoff"]
    if way.prepare:
        way.prepare()
    done = session.run("start", "--no-wait", f"{APP}/{name}")
    assert done.returncode in (0, 1), done.stderr
    if way.after:
        way.after(session, f"{APP}/{name}", events)
    events.wait(name, states)
    told = session.run("why", f"{APP}/{name}").stdout
    [explained] = session.json("why", f"{APP}/{name}")
    return told, explained


def print_all(stream, rows):
    stream.write("| way | Status | ReasonCode | Reason | tried again |\n|---|---|---|---|---|\n")
    for way, told, explained in rows:
        again = {"backoff": "yes", "waiting": "waits", "unhealthy": "no"}
        stream.write(
            f"| {way.title} | {explained['status']}/{explained['sub-state']} |"
            f" {explained['reason-code']} | {explained['reason']} |"
            f" {again.get(explained['sub-state'], 'no')} |\n"
        )
    for way, told, explained in rows:
        stream.write(f"\n{way.title}\n\n{told}")


def main(session):
    ways = {f"way-{n}": way for n, way in enumerate(make_ways(), 1)}
    manifest = {
        "manifestVersion": 1,
        "id": APP,
        "sidecars": {name: {"autoStart": False, **way.manifest} for name, way in ways.items()},
    }
    path = session.apps / f"{APP}.json"
    path.write_text(json.dumps(manifest, indent=1))
    session.start_daemon(sidecard_init)
    checked = session.run("check", str(path))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    events = Events(session)

    rows, n_problems = [], 0
    for name, way in ways.items():
        told, explained = play(session, events, name, way)
        rows.append((way, told, explained))
        for problem in judge(way, told, explained):
            n_problems += 1
            print(f"{name}, {way.title}: {problem}\n{told}", file=sys.stderr)

    print_all(sys.stdout, rows)
    if report:
        with open(report, "w") as stream:
            print_all(stream, rows)
    print(f"\n{len(rows)} ways, {n_problems} problems")
    return 1 if n_problems or len(rows) < 40 else 0


session = Session(sidecarctl, [])
folder = session.home / "programs"
folder.mkdir()
listeners = []
try:
    status = main(session)
finally:
    session.end()
sys.exit(status)
