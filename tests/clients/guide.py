# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does what docs/guide.md says, in its order, in one shell of a session of its own.

A console block is typed line by line, and must print what stands below; "..." there is anything.
Blocks of another language must be pieces of files in examples/. Blocks that call sidecarctl are
left out, and named, where it is not built.

    guide.py SIDECARD-INIT SOURCES
    guide.py --here SOURCES           in the session that is there, with what is installed
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

from session import SKIPPED, Session

END = "-- end of output --"


def read_blocks(guide):
    """Each with its language and the line it begins on."""
    pattern = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
    for match in pattern.finditer(guide):
        yield guide[: match.start()].count("\n") + 1, match[1], match[2]


def read_commands(text):
    """Pairs of a command and what it must print."""
    _, *commands = re.split(r"^\$ ", text, flags=re.M)
    return [command.partition("\n")[::2] for command in commands]


class Shell:
    def __init__(self, environment, sources):
        self.bash = subprocess.Popen(
            ["bash"], env=environment, cwd=sources, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )

    def type(self, command):
        self.bash.stdin.write(f"{{ {command}\n}} </dev/null\necho; echo '{END}'\n")
        self.bash.stdin.flush()
        output = ""
        for line in self.bash.stdout:
            if line == f"{END}\n":
                return output.strip()
            output += line
        raise AssertionError(f"the shell has ended: {output}")

    def close(self):
        self.bash.stdin.close()
        self.bash.wait()


def play(shell, line, text):
    for command, expected in read_commands(text):
        output = shell.type(command)
        pattern = re.escape(expected.strip()).replace(r"\.\.\.", ".*")
        print(f"guide.md:{line}: $ {command}\n{output}")
        assert re.fullmatch(pattern, output, re.S), f"guide.md:{line}: not as expected: {expected}"


def quote(examples, line, text):
    """The indentation around a piece does not count."""
    for example in examples:
        if text in example:
            return
    raise AssertionError(f"guide.md:{line}: in none of the examples:\n{text}")


def do_all(environment, sources):
    files = [path for path in (sources / "examples").rglob("*") if path.is_file()]
    examples = [path.read_text(encoding="utf-8") for path in files if path.suffix != ".pyc"]
    guide = (sources / "docs/guide.md").read_text(encoding="utf-8")
    has_sidecarctl = shutil.which("sidecarctl", path=environment["PATH"])
    shell = Shell(environment, sources)
    for line, language, text in read_blocks(guide):
        if language != "console":
            quote(examples, line, text)
        elif "$ sidecarctl" in text and not has_sidecarctl:
            print(f"guide.md:{line}: left out, there is no sidecarctl")
        else:
            play(shell, line, text)
    shell.close()


def main(sidecard_init, sources):
    if not shutil.which("busctl") or not shutil.which("gdbus"):
        print("Skipped: no busctl, or no gdbus")
        return SKIPPED

    if sidecard_init == "--here":
        do_all(dict(os.environ), pathlib.Path(sources))
        return 0
    with Session(sidecard_init) as session:
        session.env["PATH"] = f"{pathlib.Path(sidecard_init).parent}:{session.env['PATH']}"
        do_all(session.env, pathlib.Path(sources))
    return 0


sys.exit(main(*sys.argv[1:]))
