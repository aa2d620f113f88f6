# SPDX-License-Identifier: LGPL-2.1-or-later
"""System calls of brain and keeper fail, one in each session: a sidecar is started, killed, started
again and stopped meanwhile, and must be answered for. Then the next start and stop must work, be it
with a successor, and nothing may be left or be there twice.

    syscalls.py SIDECARD-INIT SIDECARCTL CHILDREN [--seconds N] [--seed N] [TARGET SYSCALL ERROR NTH]

Without --seconds all faults there are, which takes half an hour; with it a random choice for so long;
with the four words that one. strace(1) makes the n-th call fail, counted from when it comes in.
"""

import argparse
import itertools
import json
import os
import pathlib
import random
import select
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "clients"))
from session import SKIPPED, Session, parent_of

APP = "org.example.App"
# No figures of the contract: a machine may have much else to do, and 30 s is a start that times out.
ANSWER_LIMIT = 120
LEFT_LIMIT = 20

# Those that each may answer, as its man page has it, or the kernel has been seen to do. Not EPIPE of
# sendmsg: no socket answers so while somebody has its other end, and that somebody would hear
# nothing of a message that was taken for lost.
ERRORS = {
    "openat": ["EMFILE", "ENOMEM", "ENOSPC", "EINTR", "EIO"],
    "write": ["EAGAIN", "ENOSPC", "EINTR", "EPIPE", "EIO"],
    "pwritev": ["ENOMEM", "ENOSPC", "EINTR", "EIO"],
    "sendmsg": ["ENOMEM", "EAGAIN", "EINTR"],
    "recvmsg": ["ENOMEM", "EAGAIN", "EINTR"],
    "clone3": ["EAGAIN", "ENOMEM"],
    "clone": ["EAGAIN", "ENOMEM"],
    "pidfd_open": ["EMFILE", "ENOMEM"],
    "pidfd_send_signal": ["EAGAIN", "ENOMEM"],
    "epoll_ctl": ["ENOMEM", "ENOSPC"],
    "memfd_create": ["EMFILE", "ENOMEM"],
    "mmap": ["EAGAIN", "ENOMEM"],
    "ftruncate": ["ENOSPC", "EINTR", "EIO"],
    "read": ["EAGAIN", "EINTR", "EIO"],
    "pipe2": ["EMFILE"],
    "socket": ["EMFILE", "ENOMEM"],
    "connect": ["EAGAIN", "EINTR"],
    "mkdir": ["ENOMEM", "ENOSPC", "EIO"],
    "mkdirat": ["ENOMEM", "ENOSPC", "EIO"],
    "execve": ["EAGAIN", "ENOMEM", "EMFILE", "EIO"],
    "fcntl": ["EMFILE", "EAGAIN", "EINTR"],
    "timerfd_settime": ["ENOMEM"],
}
NTH_MAX = 10


class Failure(Exception):
    pass


def all_faults():
    for target, (syscall, errors) in itertools.product(("brain", "keeper"), ERRORS.items()):
        for error, nth in itertools.product(errors, range(1, NTH_MAX + 1)):
            yield target, syscall, error, str(nth)


class Tracer:
    """strace on one process; what it forks is followed only where the child's calls are meant."""

    def __init__(self, pid, fault, log):
        _, syscall, error, nth = fault
        self.log = log
        follow = ["-f"] if syscall == "execve" or fault[0] == "brain" else []
        self.process = subprocess.Popen(
            ["strace", *follow, "-p", str(pid), "-o", str(log), "-e", f"trace={syscall}",
             "-e", f"inject={syscall}:error={error}:when={nth}"],
            stderr=subprocess.PIPE, text=True,
        )
        line = self.process.stderr.readline()
        if "attached" not in line:
            self.process.wait()
            print(f"skipped: {line.strip()}")
            sys.exit(SKIPPED)

    def end(self):
        """Answers whether the call was made to fail."""
        self.process.terminate()
        self.process.communicate()
        return "(INJECTED)" in self.log.read_text(encoding="utf-8", errors="replace")


def processes_of(session):
    mark = f"XDG_RUNTIME_DIR={session.home}/run\0".encode()
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes() and int(entry.name) != os.getpid():
                yield int(entry.name), os.pidfd_open(int(entry.name))
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            pass


class Trial:
    def __init__(self, programs, fault):
        sidecard_init, self.sidecarctl, children = programs
        self.fault = fault
        # Beside the home, which the session takes away with it.
        self.notes = tempfile.TemporaryDirectory(prefix="sidecard-syscalls-")
        self.folder = pathlib.Path(self.notes.name)
        self.log = open(self.folder / "log", "w+", encoding="utf-8")
        self.session = Session(sidecard_init, self.log)
        self.starts = self.folder / "starts"
        manifest = self.folder / f"{APP}.json"
        manifest.write_text(json.dumps({
            "manifestVersion": 1, "id": APP, "sidecars": {
                "web": {
                    "command": [f"{children}/only", str(self.starts), f"{children}/http-server",
                                "{port}"],
                    "port": "auto", "readiness": {"tcp": {}, "interval": "50ms"},
                    "restart": {"delay": "50ms", "jitter": 0},
                },
            },
        }))
        self.session.install(manifest)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.log.close()
        self.notes.cleanup()

    def request(self, *verb):
        try:
            done = subprocess.run(
                [self.sidecarctl, *verb, f"{APP}/web"], env=self.session.env, text=True,
                stdin=subprocess.DEVNULL, capture_output=True, timeout=ANSWER_LIMIT, check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{' '.join(verb)}: no answer") from error
        if done.returncode < 0 or (done.returncode > 0 and not done.stderr.strip()):
            raise Failure(f"{' '.join(verb)}: exit code {done.returncode} without a word")
        return done

    def must_succeed(self, *verb):
        done = self.request(*verb)
        if done.returncode != 0:
            raise Failure(f"{' '.join(verb)} afterwards: {done.stderr.strip()}")

    def must_be(self, status):
        listed = self.session.run(self.sidecarctl, "--json", "list")
        if f'"{status}"' not in listed:
            raise Failure(f"it should be {status}: {listed}")

    def play(self):
        """Answers whether the call was made to fail."""
        with self.session:
            self.session.run(self.sidecarctl, "list")
            brain = self.session.ask_bus("GetConnectionUnixProcessID")
            pid = brain if self.fault[0] == "brain" else parent_of(brain)
            tracer = Tracer(pid, self.fault, self.folder / "strace")
            try:
                for verb in ["start"], ["kill", "-s", "KILL"], ["wait"], ["restart"], ["stop"]:
                    self.request(*verb)
            finally:
                was_injected = tracer.end()
            self.must_succeed("start")
            self.must_be("Running")
            self.must_succeed("stop")
            self.must_be("Stopped")
        if "doubled" in self.starts.read_text():
            raise Failure("it was there twice at a time")
        self.must_be_gone()
        # A sanitizer needs memory itself, and says so when it gets none.
        if self.fault[1] != "mmap" and ("Sanitizer" in self.told() or "runtime error" in self.told()):
            raise Failure("a sanitizer complains")
        return was_injected

    def must_be_gone(self):
        for pid, pidfd in processes_of(self.session):
            ended, _, _ = select.select([pidfd], [], [], LEFT_LIMIT)
            os.close(pidfd)
            if not ended:
                os.kill(pid, signal.SIGKILL)
                raise Failure(f"process {pid} is left")

    def told(self):
        self.log.seek(0)
        return "".join(f"        {line}" for line in self.log if not line.startswith("dbus-daemon"))


def choose_faults(options):
    if options.fault:
        return [tuple(options.fault)]
    faults = list(all_faults())
    if options.seconds:
        seed = options.seed if options.seed is not None else random.randrange(1 << 32)
        print(f"seed {seed}", flush=True)
        random.Random(seed).shuffle(faults)
    return faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", nargs=3)
    parser.add_argument("fault", nargs="*")
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    end = time.monotonic() + options.seconds if options.seconds else float("inf")
    n_injected = n_missed = n_bad = 0
    slowest = (0, None)

    for fault in choose_faults(options):
        begun = time.monotonic()
        if begun > end:
            break
        with Trial(options.programs, fault) as trial:
            try:
                was_injected = trial.play()
                n_injected += was_injected
                n_missed += not was_injected
            except (Failure, AssertionError, subprocess.SubprocessError) as failure:
                n_injected += 1
                n_bad += 1
                print(f"{' '.join(fault)}: {failure}\n{trial.told()}", flush=True)
        slowest = max(slowest, (time.monotonic() - begun, fault))

    print(f"{n_injected} calls failed, one in a session ({n_missed} more were not reached);"
          f" {n_bad} times something was wrong; the slowest took {slowest[0]:.1f} s: {slowest[1]}")
    return n_bad > 0


sys.exit(main())
