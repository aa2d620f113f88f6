#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""sidecarctl doctor in a real session, where systemd starts the daemon and may be kept from it.

A line for each check, then how many there were; exit status 1 if one failed.

    tools/booted-session tests/session/doctor.py
"""

import json
import os
import sys

from desktop import UNIT
from story import Story


class Doctor(Story):
    def look(self):
        """The exit status, and what is found by subject: result, text and remedy of the first."""
        done = self.desktop.attempt("sidecarctl", "doctor", "--json")
        findings = {}
        for finding in json.loads(done.stdout):
            found = (finding["result"], finding["text"], finding.get("remedy", ""))
            findings.setdefault(finding["subject"], found)
        return done.returncode, findings

    def good(self):
        status, findings = self.look()
        bad = {subject: found for subject, found in findings.items() if found[0] != "ok"}
        self.check("in a good session all is ok, and the daemon was started for it",
                   status == 0 and not bad and self.desktop.is_up(), bad or "")
        print(self.desktop.run("sidecarctl", "doctor"))
        self.check("... by its unit", f"{UNIT} is active" in self.look()[1]["unit"][1])

    def masked(self):
        self.desktop.systemctl("stop", UNIT)
        self.desktop.systemctl("mask", UNIT)
        status, findings = self.look()
        self.check("a masked unit is a problem", status == 1 and findings["unit"][0] == "problem"
                   and "is masked" in findings["unit"][1], findings["unit"])
        self.check("... and nobody has started the daemon", self.desktop.brain() == 0)
        self.desktop.run(*findings["unit"][2].split())
        self.check("... which the remedy, typed as it stands, takes away", self.look()[0] == 0)

    def absent(self):
        self.desktop.systemctl("stop", UNIT)
        path = self.desktop.unit("FragmentPath")
        os.rename(path, path + ".away")
        try:
            self.desktop.systemctl("daemon-reload")
            status, findings = self.look()
            self.check("a unit that is not there is a problem",
                       status == 1 and findings["unit"][0] == "problem"
                       and "not known to systemd" in findings["unit"][1], findings["unit"])
        finally:
            os.rename(path + ".away", path)
            self.desktop.systemctl("daemon-reload")
        self.check("... and none once it is there", self.look()[0] == 0)

    def tell_all(self):
        return self.tell(self.good, self.masked, self.absent)


sys.exit(Doctor().tell_all())
