#!/usr/bin/python3
# SPDX-License-Identifier: MIT-0
"""An app's side of Sidecard in Python, with dasbus:  python-dasbus.py APP-ID MODE

Prints what a window would show. The calls block here; a window passes callback=FUNCTION to each.
"""

import sys

from dasbus.connection import SessionMessageBus
from dasbus.error import DBusError
from dasbus.typing import get_native

NAME = "org.sidecard.Sidecars1"
app_id, mode = sys.argv[1:]

# 1. Hold: the sidecars are up for as long as this connection lives, and not longer.
bus = SessionMessageBus()
manager = bus.get_proxy(NAME, "/org/sidecard/Sidecars1")
app = bus.get_proxy(NAME, manager.Hold(app_id, "the window is open", {}))

# 2. Wait: answers once all are ready, or after 20 s with how far they are.
try:
    while True:
        sidecars = get_native(app.Wait("ready", 0))
        if all(one["status"] != "Starting" for one in sidecars.values()):
            break
        print("still starting ...")  # the splash screen goes on
except DBusError as error:  # one of them has failed for good; the message says why
    sys.exit(f"cannot start: {error}")

# 3. GetEndpoint: where each of them is.
for name, one in sorted(sidecars.items()):
    endpoint = get_native(bus.get_proxy(NAME, one["path"]).GetEndpoint())
    print(f"{name} is {one['status']} at {endpoint['url']}")

# The settings: another mode. The answer is the plan.
for name, action, _reason in app.SetMode(mode, {}):
    print(f"mode {mode}: {action} {name}")
app.Wait("settled", 0)

# The window closes. An app that just ends has the same effect.
manager.Release(app_id)
print("released")
