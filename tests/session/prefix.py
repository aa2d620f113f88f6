#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An install below ~/.local: what sidecard(8) says is left to do makes a session find it.

Takes away what the machine was booted with, puts the other one there, types the commands of the
page as they stand there, and looks whose unit, program and names there are, under systemd and
under dbus-run-session. Not in CI, since it needs a build of its own:

    meson setup --prefix=/home/sidecard-tester/.local -Dtests=false build-home
    ninja -C build-home && DESTDIR=$PWD/build-home/stage meson install -C build-home
    tools/booted-session tests/session/prefix.py build-home/stage
"""

import os
import pathlib
import re
import shutil
import sys

from desktop import NAME, UNIT, Desktop, await_until

SOURCES = pathlib.Path(__file__).parents[2]
PING = ("sidecarctl", "daemon", "ping")


def check(sentence, holds, figures=""):
    print(f"{'ok' if holds else 'not ok'} - {sentence} ({figures})", flush=True)
    return 0 if holds else 1


def take_away_the_first():
    for prefix in ("/usr", "/usr/local"):
        for name in ("bin/sidecarctl", "libexec/sidecard", "libexec/sidecard-init",
                     f"lib/systemd/user/{UNIT}", f"share/dbus-1/services/{NAME}.service"):
            pathlib.Path(f"{prefix}/{name}").unlink(missing_ok=True)


def blocks():
    """Under systemd, and without."""
    text = (SOURCES / "docs/sidecard.8.scd").read_text(encoding="utf-8").replace("\\\\\n", "\\\n")
    found = re.findall(r"^```\n(.*?)^```$", text.partition("# SESSIONS")[2], re.M | re.S)
    return [next(each for each in found if word in each) for word in ("ReloadConfig", "ln -s")]


def main(stage):
    desktop = Desktop()
    home = pathlib.Path(desktop.user.pw_dir)
    under_systemd, without = blocks()
    wrong = 0

    take_away_the_first()
    desktop.systemctl("daemon-reload")
    shutil.copytree(f"{stage}{home}/.local", home / ".local", dirs_exist_ok=True)
    for path in (home, *home.rglob("*")):
        os.chown(path, desktop.user.pw_uid, desktop.user.pw_gid, follow_symlinks=False)
    desktop.environment["PATH"] = f"{home}/.local/bin:{desktop.environment['PATH']}"

    desktop.run("bash", "-e", "-c", under_systemd)
    desktop.run(*PING)
    desktop.await_up()
    fragment, enabled = desktop.unit("FragmentPath", "UnitFileState")
    wrong += check("under systemd the first call starts the unit of the prefix, enabled",
                   fragment == f"{home}/.local/share/systemd/user/{UNIT}" and enabled == "enabled",
                   f"{fragment}, {enabled}")
    program = os.readlink(f"/proc/{desktop.keeper()}/exe")
    wrong += check("... with the program of the prefix",
                   program == f"{home}/.local/libexec/sidecard-init", program)
    desktop.systemctl("stop", UNIT)

    desktop.run("bash", "-e", "-c", without)
    entry = home / f".config/autostart/{NAME}.desktop"
    command = re.search(r"^Exec=(.*)", entry.read_text(), re.M)[1]
    shown = desktop.run("dbus-run-session", "--", "sh", "-c", f"{command}; busctl --user status {NAME}")
    wrong += check("without it the entry that was linked starts that program too",
                   f"Exe={home}/.local/libexec/sidecard\n" in shown, command)
    await_until("the end of it", lambda: not desktop.attempt("pgrep", "^sidecard").stdout)
    return 1 if wrong else 0


sys.exit(main(sys.argv[1]))
