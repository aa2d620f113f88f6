# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each allocation of the brain fails once, one after the other: a sidecar is started and stopped,
and whatever became of that, the next one is started and stopped as if nothing had been.

    allocations.py SIDECARD-INIT SIDECARCTL CHILDREN [FIRST [STEP]]

Of a build with -Dfaults=true, best with sanitizers: what they report is found here. Ends when the
number is not reached any more; what is wrong is printed, with what the daemon said.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "clients"))
from session import Session

APP = "org.example.App"
REQUEST_TIMEOUT = 120


class Failure(Exception):
    pass


class Trial:
    """A session whose first brain fails in its allocation number n."""

    def __init__(self, programs, number):
        sidecard_init, self.sidecarctl, children = programs
        # Beside the home, which the session takes away with it.
        self.notes = tempfile.TemporaryDirectory(prefix="sidecard-allocations-")
        self.folder = pathlib.Path(self.notes.name)
        self.number = self.folder / "number"
        self.number.write_text(f"{number}\n")
        self.log = open(self.folder / "log", "w+", encoding="utf-8")
        self.session = Session(sidecard_init, self.log)
        self.session.env["SIDECARD_FAIL_ALLOCATION"] = str(self.number)
        for options in "ASAN_OPTIONS", "UBSAN_OPTIONS":
            self.session.env[options] = f"log_path={self.folder}/report:halt_on_error=1"
        manifest = self.folder / f"{APP}.json"
        manifest.write_text(json.dumps({
            "manifestVersion": 1, "id": APP, "sidecars": {
                "web": {"command": [f"{children}/http-server", "{port}"], "port": "auto"},
            },
        }))
        self.session.install(manifest)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.log.close()
        self.notes.cleanup()

    def was_reached(self):
        return not self.number.exists()

    def request(self, *verb):
        try:
            done = subprocess.run(
                [self.sidecarctl, *verb, f"{APP}/web"], env=self.session.env, text=True,
                stdin=subprocess.DEVNULL, capture_output=True, timeout=REQUEST_TIMEOUT,
                check=False,
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

    def play(self):
        with self.session:
            self.request("start")
            self.request("stop")
            if self.was_reached():
                self.must_succeed("start")
                self.must_succeed("stop")
        for report in self.folder.glob("report.*"):
            raise Failure(report.read_text())

    def told(self):
        self.log.seek(0)
        return "".join(f"        {line}" for line in self.log if not line.startswith("dbus-daemon"))


def main():
    programs = sys.argv[1:4]
    number = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    step = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    n_failed = n_bad = 0
    is_reached = True

    while is_reached:
        with Trial(programs, number) as trial:
            try:
                trial.play()
            except (Failure, AssertionError, subprocess.SubprocessError) as failure:
                n_bad += 1
                print(f"allocation {number}: {failure}\n{trial.told()}", flush=True)
            is_reached = trial.was_reached()
        n_failed += is_reached
        number += step

    print(f"{n_failed} allocations failed, one at a time; {n_bad} times something was wrong")
    return n_bad > 0


sys.exit(main())
