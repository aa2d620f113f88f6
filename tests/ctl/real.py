# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stories with the real daemon and real sidecars, for programs that are called with the paths of
sidecarctl and sidecard-init: a session for each class, and the apps in it.
"""

import sys
import time
import unittest

from session import Session

sidecarctl, sidecard_init = sys.argv[1:3]

APP = "org.example.App"
OTHER = "org.example.Other"
LONG = "org.example.AnAppWhoseNameIsLongerThanAnybodyWouldLike"


def shell(script, **more):
    return {"command": ["/bin/sh", "-c", script], **more}


MANIFESTS = [
    {
        "manifestVersion": 1,
        "id": APP,
        "sidecars": {
            "web": {
                "description": "A web server",
                "command": ["/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", "{port}"],
                "port": "auto",
                "readiness": {"http": {"path": "/"}},
            },
            "talk": shell("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done"),
            "evil": shell(r"""printf 'a\033[31mred\007 \342\200\256rtl\302\233 "q\\\n'; exec sleep 1000"""),
            "tree": shell("sleep 1000 & sh -c 'sleep 1000 & wait' & wait"),
            # Listens nowhere, so that it never is ready.
            "slow": shell("exec sleep 1000", port="auto"),
            "missing": {"command": ["no-such-program"]},
            "fails": shell("echo the last words >&2; exit 3", port="auto", restart="no"),
        },
    },
    {
        "manifestVersion": 1,
        "id": OTHER,
        "sidecars": {"web": {"command": ["sleep", "1000"]}, "lone": {"command": ["sleep", "1000"]}},
    },
    {
        "manifestVersion": 1,
        "id": LONG,
        "sidecars": {"a-sidecar-with-a-name-of-some-length": shell("exec sleep 1000")},
    },
    {"manifestVersion": 1, "id": "org.example.Broken", "sidecars": {"x": {"command": "sleep 1"}}},
]


class Story(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.session = Session(sidecarctl, MANIFESTS)
        cls.addClassCleanup(cls.session.end)
        cls.session.start_daemon(sidecard_init)

    def run_ok(self, *arguments, **changes):
        done = self.session.run(*arguments, **changes)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stdout}{done.stderr}")
        self.assertEqual(done.stderr, "")
        return done.stdout

    def expect(self, status, pattern, *arguments, **changes):
        """A failure: its exit status, and what standard error says."""
        done = self.session.run(*arguments, **changes)
        self.assertEqual(done.returncode, status, f"{arguments}: {done.stdout}{done.stderr}")
        self.assertRegex(done.stderr, pattern)
        return done.stdout

    def wait_for_lines(self, name, n):
        """What runs need not have written yet."""
        deadline = time.monotonic() + 30
        while len(self.session.run("logs", name, "-n", "all").stdout.splitlines()) < n:
            self.assertLess(time.monotonic(), deadline)

    def down(self, *names):
        for name in names:
            self.run_ok("stop", name)
