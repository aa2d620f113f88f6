#!/usr/bin/python3
# SPDX-License-Identifier: MIT-0
"""The desktop app of the demo: a window's worth of D-Bus, with dasbus, and lines for a window.

Run as `python3 app.py APP-ID`. A line on standard input is a click: "mode NAME" in the settings,
"relaunch" in the menu.
"""

import os
import sys

from dasbus.connection import SessionMessageBus
from dasbus.loop import EventLoop
from dasbus.typing import UInt64, get_native, get_variant
from gi.repository import Gio, GLib

NAME = "org.sidecard.Sidecars1"


class Window:
    def __init__(self, app_id):
        self.app_id = app_id
        self.app = None
        self.has_owner = False
        # The hold is bound to this connection: it stays open until the app ends.
        self.bus = SessionMessageBus()
        self.manager = self.bus.get_proxy(NAME, "/org/sidecard/Sidecars1")
        self.hold()
        Gio.bus_watch_name_on_connection(
            self.bus.connection, NAME, Gio.BusNameWatcherFlags.NONE, self.on_owner, None
        )

    def show(self, text):
        print(text, flush=True)

    def hold(self):
        """The first call on a fresh session starts the supervisor: the bus does that."""
        path = self.manager.Hold(self.app_id, "the window is open", {})
        self.app = self.bus.get_proxy(NAME, path)
        self.show("holding")
        self.wait()

    def wait(self):
        """The window is there meanwhile: a callback, since nothing may block its loop."""
        self.app.Wait("ready", 0, callback=self.on_answer)

    def on_answer(self, get_answer):
        try:
            sidecars = get_native(get_answer())
        except Exception as error:  # pylint: disable=broad-except
            self.show(f"cannot start: {error}")
            return
        for name, one in sorted(sidecars.items()):
            self.show(f"{name} is {one['status']} {one['url']}")
        if any(one["status"] == "Starting" for one in sidecars.values()):
            self.wait()
        else:
            self.show("the window is usable")

    def on_owner(self, *_):
        """A supervisor after the one that we know may not know us: hold again, read again."""
        if self.has_owner:
            self.hold()
        self.has_owner = True

    def on_click(self, source, _condition):
        words = source.readline().split()
        if not words:
            return GLib.SOURCE_REMOVE
        if words[0] == "relaunch":
            self.relaunch()
        self.set_mode(words[1])
        return GLib.SOURCE_CONTINUE

    def set_mode(self, mode):
        """Answers with the plan at once; the sidecars follow."""
        for name, action, _reason in self.app.SetMode(mode, {}):
            self.show(f"{action} {name}")
        self.wait()

    def relaunch(self):
        """This hold outlives its owner by 5 s, by when the next one has a hold of its own."""
        linger = get_variant(UInt64, 5_000_000)
        self.manager.Hold(self.app_id, "relaunching", {"linger-usec": linger})
        os.execv(sys.executable, [sys.executable, *sys.argv])


window = Window(sys.argv[1])
GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, window.on_click)
EventLoop().run()
