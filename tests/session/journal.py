#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is in the journal of a real session: lines of sidecars, and what the daemon says itself.

A line for each check, then how many there were; exit status 1 if one failed.

    tools/booted-session tests/session/journal.py
"""

import json
import subprocess
import sys

from desktop import UNIT, await_until, kill
from story import Story

APP = "org.example.Journal"
CRASH_LOOP = "a4c5a4b9f3934d528e5a2a27a1ce5fcc"
ADOPTED = "a012f6e307bf4e0d9c066bc79cd8005a"

MANIFEST = {
    "manifestVersion": 1,
    "id": APP,
    "sidecars": {
        "teller": {
            "command": ["sh", "-c", "echo hello; echo alas >&2; while read -r x; do echo $x; done"],
            "stdin": "pipe",
            "log": {"journal": True},
        },
        "burst": {
            "command": ["sh", "-c", "seq 3000; exec sleep infinity"],
            "log": {"journal": True},
        },
        "quiet": {"command": ["sh", "-c", "echo nothing; exec sleep infinity"]},
        "loser": {
            "command": ["sh", "-c", "echo no luck >&2; exit 3"],
            "restart": {"delay": "50ms", "attempts": 1},
        },
    },
}


class Journal(Story):
    def entries(self, *matches):
        text = self.desktop.run("journalctl", "--user", "--quiet", "--output=json", *matches)
        return [json.loads(line) for line in text.splitlines()]

    def await_entries(self, n, *matches):
        await_until(f"{n} entries of {matches}", lambda: len(self.entries(*matches)) >= n)
        return self.entries(*matches)

    def lines(self):
        self.desktop.run("sidecarctl", "start", "--timeout=60s",
                         *(f"{APP}/{name}" for name in ("teller", "burst", "quiet")))
        mine = ("SYSLOG_IDENTIFIER=teller",)
        found = {entry["MESSAGE"]: entry for entry in self.await_entries(2, *mine)}
        fields = ("PRIORITY", "SIDECARD_APP", "SIDECARD_NAME")
        self.check("a line of stdout is there with its fields",
                   [found["hello"].get(field) for field in fields] == ["6", APP, "teller"])
        self.check("... and one of stderr",
                   [found["alas"].get(field) for field in fields] == ["4", APP, "teller"])
        generation = self.desktop.run("sidecarctl", "status", "--json", f"{APP}/teller")
        self.check("... with the generation",
                   f'"Generation":{found["hello"]["SIDECARD_GENERATION"]}'
                   in generation.replace(" ", ""), found["hello"]["SIDECARD_GENERATION"])
        got = [entry["MESSAGE"] for entry in self.await_entries(3000, "SYSLOG_IDENTIFIER=burst")]
        self.check("a burst of 3000 lines is there whole, in its order",
                   got == [str(i) for i in range(1, 3001)], f"{len(got)} lines")
        self.check("who does not want it is not there", not self.entries("SYSLOG_IDENTIFIER=quiet"))

    def failure(self):
        self.desktop.attempt("sidecarctl", "start", "--timeout=60s", f"{APP}/loser")
        entry = self.await_entries(1, f"MESSAGE_ID={CRASH_LOOP}")[-1]
        self.check("the last failure is an entry with fields and id",
                   entry["SIDECARD_NAME"] == "loser" and entry["PRIORITY"] == "3"
                   and "no luck" in entry["MESSAGE"], entry["MESSAGE"])
        subprocess.run(["journalctl", "--update-catalog"], check=True)
        text = self.desktop.run("journalctl", "--user", "--catalog", f"MESSAGE_ID={CRASH_LOOP}")
        self.check("journalctl --catalog says what to do", f"sidecarctl why {APP}/loser" in text)

    def death(self):
        brain = self.desktop.brain()
        kill(brain, "sidecard")
        entry = self.await_entries(1, f"MESSAGE_ID={ADOPTED}")[-1]
        self.check("an adoption is an entry with its id", "adopted" in entry["MESSAGE"])
        self.desktop.await_up()

    def level(self):
        first = self.desktop.run("systemctl", "--user", "service-log-level", UNIT).strip()
        self.desktop.systemctl("service-log-level", UNIT, "debug")
        second = self.desktop.run("systemctl", "--user", "service-log-level", UNIT).strip()
        self.check("systemctl --user service-log-level reads and sets it",
                   [first, second] == ["info", "debug"], f"{first}, {second}")
        self.desktop.run("sidecarctl", "restart", "--timeout=60s", f"{APP}/quiet")
        entries = self.await_entries(1, "SIDECARD_NAME=quiet", "PRIORITY=6", "--grep=nothing")
        self.check("at level debug the daemon's own log has lines of sidecars, as contract G5 says",
                   entries[-1]["MESSAGE"] == "[quiet] nothing"
                   and entries[-1]["SYSLOG_IDENTIFIER"] == "sidecard")
        self.desktop.systemctl("service-log-level", UNIT, "info")

    def tell_all(self):
        self.desktop.write(f".local/share/sidecard/apps/{APP}.json", json.dumps(MANIFEST))
        return self.tell(self.lines, self.failure, self.death, self.level)


sys.exit(Journal().tell_all())
