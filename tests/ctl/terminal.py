# SPDX-License-Identifier: LGPL-2.1-or-later
"""A terminal of some width, which is tmux's: what stands on it is what a person would see."""

import re
import subprocess
import time


class Terminal:
    n_servers = 0

    def __init__(self, session, columns, command):
        """Runs a command of a shell, and after it stays with "exit=STATUS" on the screen."""
        Terminal.n_servers += 1
        self.session = session
        # A server that is going still holds its socket: each gets one of its own.
        self.socket = str(session.home / f"terminal-{Terminal.n_servers}")
        self.tmux(
            "new-session", "-d", "-x", str(columns), "-y", "40",
            f"{command}; echo exit=$?; exec sleep 1000",
        )

    def tmux(self, *arguments):
        return subprocess.run(
            ["tmux", "-u", "-S", self.socket, "-f", "/dev/null", *arguments],
            env=self.session.environment, check=True, capture_output=True, text=True, timeout=60,
        ).stdout

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def wait_for(self, pattern, *options):
        """The lines of the screen, once one of them is like that."""
        deadline = time.monotonic() + 120
        while True:
            text = self.tmux("capture-pane", "-p", *options)
            if re.search(f"(?m){pattern}", text):
                return [line.rstrip() for line in text.splitlines()]
            if time.monotonic() > deadline:
                raise TimeoutError(f"{pattern}: {text}")
            time.sleep(0.02)

    def end(self):
        self.tmux("kill-server")
