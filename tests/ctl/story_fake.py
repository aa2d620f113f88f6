# SPDX-License-Identifier: LGPL-2.1-or-later
"""sidecarctl over a private bus with a fake daemon, which answers as the contract has it.

Called with the paths of sidecarctl and fake-daemon. For what the real daemon does rarely or
not on demand: holds that end, switches that are rolled back, lost lines.
"""

import json
import os
import signal
import subprocess
import sys
import unittest

from session import NAME, Session

sidecarctl, fake_daemon = sys.argv[1:3]


class Fake(unittest.TestCase):
    """What the daemon of the contract answers, rarely or not yet."""

    def setUp(self):
        self.session = Session(sidecarctl, [])
        self.addCleanup(self.session.end)
        self.start_fake()

    def start_fake(self):
        self.fake = self.session.spawn(fake_daemon, stdout=subprocess.PIPE, text=True)
        subprocess.run(
            ["gdbus", "wait", "--session", "--timeout", "60", NAME],
            env=self.session.environment, check=True,
        )

    def hold(self, script, **options):
        return self.session.spawn(
            sidecarctl, "hold", "org.fake.App", "--", "/bin/sh", "-c", script,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
        )

    def test_an_app_starts_with_its_sidecars(self):
        done = self.session.run("start", "org.fake.App")
        self.assertEqual(self.fake.stdout.readline(), "Start app\n")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for name in ("one", "two"):
            self.assertIn(f"org.fake.App/{name}: Running (ready) after ", done.stdout)
            self.assertIn(f"org.fake.App/{name}: Starting (probing)\n", done.stdout)
        items = self.session.json("restart", "org.fake.App")
        self.assertEqual([(item["Name"], item["Generation"]) for item in items], [("one", 5), ("two", 6)])

    def test_an_app_stops_with_its_sidecars(self):
        items = self.session.json("stop", "org.fake.App")
        self.assertEqual(self.fake.stdout.readline(), "Stop app\n")
        self.assertEqual([item["Status"] for item in items], ["Stopped", "Stopped"])

    def test_wait_for_an_app_goes_on_for_what_is_not_there_yet(self):
        items = self.session.json("wait", "org.fake.App")
        self.assertEqual([item["Status"] for item in items], ["Running", "Running"])

    def test_the_plan_of_a_mode_and_its_result(self):
        done = self.session.run("mode", "org.fake.App", "good")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(
            done.stdout,
            "SIDECAR  ACTION  REASON\n"
            "one      keep    wanted by both\n"
            "two      start   wanted by the mode\n"
            "good: done\n",
        )
        answer = self.session.json("mode", "org.fake.App", "instant")
        self.assertEqual((answer["Mode"], answer["ModeResult"]), ("instant", "done"))
        self.assertEqual(answer["Plan"][0], {"sidecar": "one", "action": "keep", "reason": "wanted by both"})

    def test_a_dry_run_has_a_plan_and_no_result(self):
        self.assertNotIn("ModeResult", self.session.json("mode", "org.fake.App", "good", "--dry-run"))
        self.assertNotIn("done", self.session.run("mode", "org.fake.App", "good", "--dry-run").stdout)

    def test_a_mode_that_is_rolled_back_unknown_or_slow(self):
        for status, mode, text, timeout in (
            (1, "bad", "rolled-back.*what was up before is up again", "60s"),
            (4, "unknown", "sidecarctl mode APP shows its modes", "60s"),
            (124, "endless", "still under way", "500ms"),
        ):
            done = self.session.run("mode", "org.fake.App", mode, f"--timeout={timeout}")
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertRegex(done.stderr, text)

    def test_modes_are_shown_with_the_current_one_marked(self):
        self.assertEqual(self.session.run("mode", "org.fake.App").stdout, "  bad\n● good\n")

    def test_events_that_have_been(self):
        lines = self.session.run("events", "--no-wait").stdout.splitlines()
        self.assertEqual(len(lines), 2)
        self.assertTrue(lines[0].endswith(" org.fake.App app-added"), lines[0])
        self.assertTrue(
            lines[1].endswith(r" org.fake.App/one status status=Starting\x1b[5m will-retry=true"), lines[1]
        )
        [line] = self.session.run("events", "--no-wait", "-n", "1").stdout.splitlines()
        self.assertIn("status", line)

    def test_events_go_on_until_interrupted(self):
        reader = self.session.spawn(sidecarctl, "events", "--json", stdout=subprocess.PIPE, text=True)
        numbers = [json.loads(reader.stdout.readline())["seq"] for _ in range(3)]
        self.assertEqual(numbers, [1, 2, 3])
        reader.send_signal(signal.SIGINT)
        self.assertEqual(reader.wait(30), -signal.SIGINT)

    def test_lost_lines_are_counted(self):
        done = self.session.run("logs", "one", "-o", "cat")
        self.assertEqual(done.stdout, "hello\t\u00e9\u20ac\\\n")
        reader = self.session.spawn(
            sidecarctl, "logs", "-f", "one", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.assertIn("3 lines of org.fake.App/one were overwritten", reader.stderr.readline())
        reader.kill()

    def test_a_hold_lives_as_long_as_the_command(self):
        child = self.hold("echo up; read line; exit 7", stdin=subprocess.PIPE)
        self.assertEqual(child.stdout.readline(), "up\n")
        self.assertEqual(self.fake.stdout.readline(), "held sidecarctl hold: /bin/sh\n")
        self.assertIn("The hold on org.fake.App has ended: for the test", child.stderr.readline())
        child.stdin.write("go\n")
        child.stdin.flush()
        self.assertEqual(child.wait(30), 7)
        self.assertEqual(self.fake.stdout.readline(), "holder-left \n")
        child.stdin.close()

    def test_a_hold_ends_with_us_however_we_end(self):
        # What the command still has open of ours would keep the connection, and with it the hold.
        child = self.hold("echo $$; exec sleep 1000")
        pid = int(child.stdout.readline())
        self.fake.stdout.readline()
        child.kill()
        self.assertEqual(self.fake.stdout.readline(), "holder-left \n")
        os.kill(pid, signal.SIGKILL)

    def test_the_command_gets_no_descriptor_and_no_blocked_signal_of_ours(self):
        def run(*command):
            return self.session.run("hold", "org.fake.App", "--", *command).stdout

        # 3 is the directory that ls reads.
        self.assertEqual(run("ls", "/proc/self/fd").split(), ["0", "1", "2", "3"])
        # Not by way of a shell: dash(1) unblocks all.
        ours = 1 << (signal.SIGTERM - 1) | 1 << (signal.SIGINT - 1) | 1 << (signal.SIGCHLD - 1)
        for field in ("SigBlk", "SigIgn"):
            mask = run("grep", field, "/proc/self/status").split()[1]
            self.assertEqual(int(mask, 16) & ours, 0, field)

    def test_signals_are_passed_on_to_the_command(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            child = self.hold("trap 'exit 9' TERM INT; echo ready; while :; do sleep 0.01; done")
            self.assertEqual(child.stdout.readline(), "ready\n")
            child.send_signal(number)
            self.assertEqual(child.wait(30), 9)

    def test_the_exit_status_is_the_commands(self):
        self.assertEqual(self.hold("exit 3").wait(30), 3)
        self.assertEqual(self.hold("kill -KILL $$").wait(30), 128 + signal.SIGKILL)
        self.assertEqual(self.session.run("hold", "org.fake.App", "--", "no-such-program").returncode, 127)
        self.assertEqual(self.session.run("hold", "org.fake.App", "--", "/etc/passwd").returncode, 126)

    def test_a_new_daemon_is_told_of_the_hold_again(self):
        child = self.hold("echo up; read line", stdin=subprocess.PIPE)
        child.stdout.readline()
        self.assertIn("held", self.fake.stdout.readline())
        self.fake.kill()
        self.fake.wait()
        self.start_fake()
        self.assertEqual(self.fake.stdout.readline(), "held sidecarctl hold: /bin/sh\n")
        child.stdin.close()
        self.assertEqual(child.wait(30), 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
