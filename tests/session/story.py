# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is told of a real session: parts in order, a line for each check, and the sum at the end."""

import subprocess

from desktop import Desktop


class Story:
    def __init__(self):
        self.desktop = Desktop()
        self.n_checks = self.n_failed = 0

    def check(self, sentence, holds, figures=""):
        self.n_checks += 1
        self.n_failed += not holds
        result = "ok" if holds else "not ok"
        figures = f" ({figures})" if figures else ""
        print(f"{result} {self.n_checks} - {sentence}{figures}", flush=True)

    def tell(self, *parts):
        """Answers the exit status. A part that fails in its midst leaves the others to be told."""
        for part in parts:
            try:
                part()
            except (AssertionError, LookupError, OSError, ValueError, StopIteration,
                    subprocess.SubprocessError) as error:
                self.check(f"the part \"{part.__name__}\" can be told to its end", False, error)
        print(f"{self.n_checks} checks, {self.n_failed} failed")
        return 1 if self.n_failed else 0
