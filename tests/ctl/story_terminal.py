# SPDX-License-Identifier: LGPL-2.1-or-later
"""sidecarctl on terminals of several widths, with the real daemon and real sidecars.

Called with the paths of sidecarctl and sidecard-init.
"""

import shutil
import sys
import unittest

from real import APP, LONG, OTHER, Story, sidecarctl
from terminal import Terminal


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class Screen(Story):
    def show(self, columns, *arguments, escapes=False):
        """What a terminal of that width has on it after sidecarctl, wrapped lines joined."""
        terminal = Terminal(self.session, columns, f"{sidecarctl} {' '.join(arguments)}")
        try:
            return terminal.wait_for(r"^exit=\d+", "-J", *(["-e"] if escapes else []))
        finally:
            terminal.end()

    def test_a_list_fits_60_80_and_200_columns(self):
        for columns, is_cut in ((60, True), (80, True), (200, False)):
            lines = self.show(columns, "list", LONG)
            for line in lines:
                self.assertLessEqual(len(line), columns)
            self.assertEqual("…" in lines[1], is_cut, lines)
            self.assertIn("Stopped", lines[1])
            self.assertEqual(lines[0].index("STATUS"), lines[1].index("Stopped"))

    def test_a_status_fits_60_80_and_200_columns(self):
        self.run_ok("start", "evil", f"{APP}/web")
        self.wait_for_lines("evil", 1)
        for columns in (60, 80, 200):
            lines = self.show(columns, "status", f"{APP}/web", "evil")
            for line in lines:
                self.assertLessEqual(len(line), columns, lines)
            self.assertTrue(any(r"a\x1b[31mred" in line for line in lines), lines)
        self.down("evil", f"{APP}/web")

    def test_progress_is_a_line_each_that_changes_in_place(self):
        for columns in (60, 80, 200):
            lines = self.show(columns, "start", f"{APP}/web", "lone")
            self.assertRegex(lines[0], rf"^● {APP}/web  Running \(ready\)  ")
            self.assertRegex(lines[1], rf"^● {OTHER}/lone  Running \(ready\)  ")
            self.assertEqual(lines[2], "exit=0")
            self.down("lone", f"{APP}/web")

    def test_a_terminal_gets_colours_and_no_raw_control_characters(self):
        self.run_ok("start", "evil")
        self.wait_for_lines("evil", 1)
        lines = self.show(80, "logs", "-o", "cat", "evil")
        self.assertIn(r"a\x1b[31mred\x07 \u202ertl\u009b", lines[0])
        lines = self.show(80, "logs", "-o", "json", "evil")
        self.assertIn(r"a\u001b[31mred\u0007 \u202ertl\u009b", lines[0])
        lines = self.show(80, "list", escapes=True)
        self.assertTrue(any("\033[32mRunning" in line for line in lines), lines)
        lines = self.show(80, "list --color=never", escapes=True)
        self.assertFalse(any("\033[32m" in line for line in lines), lines)
        self.down("evil")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
