# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an installation puts where, in a prefix and in /usr: contract section 6, files that say where others are.

  install.py BUILD-FOLDER PREFIX
"""

import configparser
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCES = pathlib.Path(__file__).resolve().parents[2]

build, prefix = sys.argv.pop(1), sys.argv.pop(1)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="sidecard-install-")
        cls.addClassCleanup(cls.folder.cleanup)
        subprocess.run(
            ["meson", "install", "-C", build, "--no-rebuild", "--quiet"],
            env=os.environ | {"DESTDIR": cls.folder.name},
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def at(self, path):
        return os.path.join(self.folder.name, path.lstrip("/"))

    def read(self, *path):
        """The one file of that name, as an ini file, wherever the prefix has put it."""
        found = [
            os.path.join(folder, path[-1])
            for folder, _, files in os.walk(self.folder.name)
            if path[-1] in files and os.path.join(*path) in os.path.join(folder, path[-1])
        ]
        self.assertEqual(len(found), 1, found)
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str
        parser.read(found[0])
        return parser

    def test_programs_are_where_the_files_say(self):
        activated = self.read("dbus-1", "services", "org.sidecard.Sidecars1.service")["D-BUS Service"]
        unit = self.read("systemd", "user", "sidecard.service")["Service"]
        login = self.read("xdg", "autostart", "org.sidecard.Sidecars1.desktop")["Desktop Entry"]
        for program in (activated["Exec"], unit["ExecStart"], login["TryExec"], login["Exec"].split()[0]):
            self.assertTrue(program.startswith(prefix + "/"), program)
            self.assertTrue(os.access(self.at(program), os.X_OK), program)
        self.assertEqual(activated["SystemdService"], "sidecard.service")
        self.assertEqual(login["Exec"].split()[1:], ["daemon", "ping"])

    def test_the_login_entry_is_hidden_where_systemd_starts_the_unit(self):
        login = self.read("xdg", "autostart", "org.sidecard.Sidecars1.desktop")["Desktop Entry"]
        self.assertEqual(login["X-systemd-skip"], "true")
        self.assertEqual(login["X-GNOME-HiddenUnderSystemd"], "true")
        self.assertNotIn("X-GNOME-Autostart-Phase", login)

    def test_below_a_home_all_is_where_a_session_looks(self):
        """systemd.unit(5): not lib/systemd/user there; dbus-daemon(1), bash and fish likewise."""
        with tempfile.TemporaryDirectory(prefix="sidecard-home-") as folder:
            subprocess.run(
                ["meson", "setup", "--prefix=/home/me/.local", "-Dtests=false", folder, SOURCES],
                stdout=subprocess.DEVNULL, check=True)
            plan = subprocess.run(["meson", "introspect", "--installed", folder],
                                  stdout=subprocess.PIPE, check=True).stdout
        places = set(json.loads(plan).values())
        for place in ("systemd/user/sidecard.service",
                      "dbus-1/services/org.sidecard.Sidecars1.service",
                      "bash-completion/completions/sidecarctl",
                      "fish/vendor_completions.d/sidecarctl.fish"):
            self.assertIn(f"/home/me/.local/share/{place}", places)
        self.assertIn(
            "/home/me/.local/etc/xdg/autostart/org.sidecard.Sidecars1.desktop", places)

    def test_the_interfaces_have_a_page_with_every_member(self):
        shown = subprocess.run(
            ["man", "-l", self.at(prefix + "/share/man/man5/org.sidecard.Sidecars1.5")],
            env=os.environ | {"MANWIDTH": "200", "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertEqual(shown.stderr, "")
        for line in (
            "Hold(s app_id, s reason, a{sv} options) -> (o app) (method)",
            "ModeChanged(s old_mode, s new_mode, s result) (signal)",
            "NeedsRestart: b (property)",
        ):
            self.assertIn(line, shown.stdout)


unittest.main()
