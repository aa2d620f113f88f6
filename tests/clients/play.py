# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plays the scenario once through an example client, exactly as it stands in examples/clients.

Hold, Wait, endpoints, SetMode, Release: what the client says of it, and what the daemon has noted
of it, must be the same.

    play.py SIDECARD-INIT EXAMPLES COMMAND...
"""

import importlib.util
import re
import shutil
import sys

from session import NAME, ROOT, SKIPPED, Session

APP = "org.example.Notes"


def check_words(words):
    for name in "index", "search":
        assert re.search(f"^{name} is Running at http://127.0.0.1:[0-9]+$", words, re.M), name
        assert f"mode connected: stop {name}" in words.splitlines(), name
    assert words.endswith("released\n")


def position(events, **wanted):
    """Of the first event that is as wanted."""
    for i, event in enumerate(events):
        if all(event.get(key, {}).get("data") == value for key, value in wanted.items()):
            return i
    raise AssertionError(f"no event with {wanted} in {events}")


def check_events(session):
    events, _ = session.busctl(
        "call", NAME, ROOT, f"{NAME}.Manager", "GetEvents", "ta{sv}", "0", "1", "app", "s", APP
    )
    held = position(events, type="held")
    mode = position(events, type="mode")
    released = position(events, type="released")
    for name in "index", "search":
        running = position(events, type="status", sidecar=name, status="Running")
        stopped = position(events, type="status", sidecar=name, status="Stopped")
        assert held < running < stopped < released and mode < released


def main(sidecard_init, examples, *client):
    for program in ("busctl", "dbus-daemon", client[0]):
        if not shutil.which(program):
            print(f"Skipped: no {program}")
            return SKIPPED
    if client[-1].endswith("-dasbus.py") and not importlib.util.find_spec("dasbus"):
        print("Skipped: no dasbus")
        return SKIPPED

    with Session(sidecard_init) as session:
        session.install(f"{examples}/guide/{APP}.json")
        words = session.run(*client, APP, "connected")
        print(words)
        check_words(words)
        check_events(session)
        rows = session.busctl("call", NAME, ROOT, f"{NAME}.Manager", "ListSidecars", "a{sv}", "0")
        assert [row[2] for row in rows[0]] == ["Stopped", "Stopped"], rows
    return 0


sys.exit(main(*sys.argv[1:]))
