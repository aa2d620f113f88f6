#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a person and a packager meet in a real session: logins, the unit's status, documented commands.

Runs what README, guide and man pages tell people to type, as they tell it; looks at what systemd
makes of the autostart entry; and ends the login as a display manager does. A line for each check,
then how many there were; exit status 1 if one failed.

    tools/booted-session tests/session/login.py
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from desktop import NAME, UNIT, Life, await_until, sidecar_processes
from story import Story

SOURCES = pathlib.Path(__file__).parents[2]
GENERATOR = "/usr/lib/systemd/user-generators/systemd-xdg-autostart-generator"
LOGIN = "booted-login.service"  # of tools/booted-session: the process whose end is the logout
LOGOUT_LIMIT = 120  # seconds: logind waits 10 for another login, the unit may take 100

APP = "org.example.Login"
MANIFEST = {
    "manifestVersion": 1,
    "id": APP,
    "sidecars": {
        "one": {"command": ["sleep", "infinity"]},
        "two": {"command": ["sleep", "infinity"]},
        "lost": {"command": ["not-there"]},
    },
}

# The program of README's app; it can be made to fail as the one there has failed.
README_API = """#!/usr/bin/python3
import http.server, os, signal, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

signal.signal(signal.SIGUSR1, lambda *_: os._exit(1))
http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
"""

# For its reason to be there for as long as it takes to read it.
PATIENT = {"sidecars": {"api": {"restart": {"delay": "1m"}}}}

# Without X-systemd-skip, so that the generator has something to make a unit of.
OTHER_ENTRY = """[Desktop Entry]
Type=Application
Name=Other
Exec=/bin/true
"""


def as_shown(expected):
    """A pattern: "..." is anything, and numbers and durations are others each time."""
    pattern = re.escape(expected.strip()).replace(r"\.\.\.", ".*")
    pattern = re.sub(r"\d+(\\\.\d+)*\\ s\b", "@DURATION@", pattern)
    pattern = re.sub(r"\d+(\\\.\d+)*", r"[\\d.]+", pattern)
    return re.compile(pattern.replace("@DURATION@", r"[\d. ms]+"), re.S)


def commands_of_page(page):
    """Those in literal blocks, and those of the synopsis with their first word in bold."""
    text = page.read_text(encoding="utf-8")
    synopsis = re.findall(r"^\*(busctl)\*( .*)$", text, re.M)
    blocks = "".join(re.findall(r"^```\n(.*?)^```$", text, re.M | re.S))
    lines = blocks.replace("\\\\\n", "").splitlines()
    return ["".join(each) for each in synopsis] + [" ".join(line.split()) for line in lines]


class Logins(Story):
    def status_line(self):
        text = self.desktop.run("systemctl", "--user", "--no-pager", "--lines=0", "status", UNIT)
        found = re.search(r'^ +Status: "(.*)"$', text, re.M)
        return found[1] if found else None

    def await_status(self, expected):
        await_until(expected, lambda: self.status_line() == expected)

    def status(self):
        desktop = self.desktop
        desktop.run("sidecarctl", "daemon", "ping")
        desktop.attempt("sidecarctl", "start", "--timeout=60s", APP)
        self.await_status("2 sidecars running, 1 failed")
        self.check("systemctl --user status shows how many run and how many have failed", True,
                   self.status_line())
        desktop.systemctl("reload", UNIT)
        desktop.run("sidecarctl", "stop", f"{APP}/two")
        self.await_status("1 sidecar running, 1 failed")
        self.check("... after the brain was replaced as well", True, self.status_line())
        desktop.systemctl("stop", UNIT)
        self.check("... and nothing once the unit is down", desktop.unit("StatusText") == "")

    def guide(self):
        done = self.desktop.attempt("/usr/bin/python3", str(SOURCES / "tests/clients/guide.py"),
                                    "--here", str(SOURCES))
        self.check("what the guide says is so in a real session", done.returncode == 0,
                   "" if done.returncode == 0 else done.stdout[-2000:])

    def readme(self):
        desktop = self.desktop
        text = (SOURCES / "README.md").read_text(encoding="utf-8")
        block = re.search(r"^```console\n(.*?)^```$", text, re.M | re.S)[1]
        _, shown, *steps = re.split(r"^\$ ", block, flags=re.M)
        path, manifest = re.match(r"cat ~/(\S+)\n(.*)", shown, re.S).groups()
        program = f"{pathlib.Path(path).parent}/binaries/api"
        desktop.systemctl("stop", UNIT)  # the first call is to start it
        desktop.write(f".config/sidecard/apps/{pathlib.Path(path).name}.d/patience.json",
                      json.dumps(PATIENT))
        desktop.write(path, manifest)
        desktop.write(program, README_API)
        (pathlib.Path(desktop.user.pw_dir) / program).chmod(0o755)
        setting = ""
        for step in steps:
            command, _, expected = step.partition("\n")
            if re.match(r"\w+=", command):
                setting += command + "\n"
                continue
            if "Reason" in command:
                self.fail_api()
            output = desktop.run("bash", "-c", setting + command)
            self.check(f"as README.md shows it: {command}",
                       as_shown(expected).fullmatch(output.strip()), output.strip())

    def fail_api(self):
        self.desktop.run("sidecarctl", "kill", "--signal=USR1", "org.example.App/api")
        await_until("a reason", lambda: "exited" in self.desktop.run(
            "sidecarctl", "status", "--json", "org.example.App/api"))

    def pages(self):
        done = []
        for page in sorted((SOURCES / "docs").glob("*.scd*")):
            for command in commands_of_page(page):
                if not command.startswith(("busctl --user", "systemctl --user", "journalctl --user")):
                    continue
                result = self.desktop.attempt("bash", "-c", command)
                if result.returncode != 0:
                    self.check(f"{page.name}: {command}", False, result.stdout.strip())
                done.append(command)
        self.check("the commands of the man pages work as they stand there",
                   sum("busctl" in each for each in done) >= 3
                   and sum("systemctl" in each for each in done) >= 2, f"{len(done)} commands")

    def monitor(self):
        desktop = self.desktop
        with tempfile.TemporaryFile() as heard:
            monitor = subprocess.Popen(
                ["busctl", "--user", "monitor", NAME], user=desktop.user.pw_uid,
                group=desktop.user.pw_gid, extra_groups=[], env=desktop.environment,
                stdin=subprocess.DEVNULL, stdout=heard, stderr=heard)

            def has_heard(word):
                return word in os.pread(heard.fileno(), 1 << 24, 0)

            try:
                await_until("the monitor listens", lambda: has_heard(b"Monitoring bus"))
                desktop.run("sidecarctl", "restart", "--timeout=60s", f"{APP}/one")
                await_until("it hears StatusChanged", lambda: has_heard(b"Member=StatusChanged"))
            finally:
                monitor.terminate()
                monitor.wait()
            self.check("busctl --user monitor shows calls and signals",
                       has_heard(b"Member=Restart"))

    def autostart(self):
        folders = ("/etc/xdg", "/usr/local/etc/xdg")
        ours = [each for each in folders if os.path.exists(f"{each}/autostart/{NAME}.desktop")]
        self.desktop.write(".config/autostart/org.example.Other.desktop", OTHER_ENTRY)
        for desktop_name in ("GNOME", "KDE"):
            with tempfile.TemporaryDirectory() as folder:
                subprocess.run(
                    [GENERATOR, folder, folder, folder], check=True,
                    env=self.desktop.environment | {
                        "XDG_CURRENT_DESKTOP": desktop_name, "XDG_CONFIG_DIRS": ours[0]})
                made = sorted({path.name for path in pathlib.Path(folder).rglob("*.service")})
            self.check(f"on {desktop_name} systemd makes a unit of others' entries, none of ours",
                       made == [r"app-org.example.Other@autostart.service"], ", ".join(made))

    def enabling(self):
        before = self.desktop.attempt("systemctl", "--user", "is-enabled", UNIT).stdout.strip()
        subprocess.run(["systemctl", "--global", "enable", UNIT], check=True, stderr=subprocess.PIPE)
        after = self.desktop.systemctl("is-enabled", UNIT).strip()
        self.check("a packager enables it for all users by systemctl --global enable",
                   [before, after] == ["disabled", "enabled"], f"{before}, then {after}")

    def logout(self):
        desktop = self.desktop
        desktop.attempt("sidecarctl", "start", "--timeout=60s", APP)
        life = Life(desktop.unit_processes())
        begun = time.monotonic()
        subprocess.run(["systemctl", "stop", LOGIN], check=True)
        ours = life.await_end(LOGOUT_LIMIT)
        await_until("nothing of the user is left", lambda: not desktop.user_processes(), LOGOUT_LIMIT)
        whole = time.monotonic() - begun
        left = len(sidecar_processes()) + len(desktop.user_processes())
        self.check("a logout, which is the end of the last login, ends all, and leaves nothing",
                   len(life.pidfds) >= 4 and left == 0,
                   f"{len(life.pidfds)} processes of Sidecard's gone after {ours:.2f} s, all of the "
                   f"user's after {whole:.2f} s, left: {left}")

    def tell_all(self):
        self.desktop.write(f".local/share/sidecard/apps/{APP}.json", json.dumps(MANIFEST))
        return self.tell(
            self.status, self.enabling, self.guide, self.readme, self.pages, self.monitor,
            self.autostart, self.logout,
        )


sys.exit(Logins().tell_all())
