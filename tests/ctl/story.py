# SPDX-License-Identifier: LGPL-2.1-or-later
"""sidecarctl over a private bus with the real daemon and real sidecars.

Called with the paths of sidecarctl and sidecard-init.
"""

import json
import signal
import subprocess
import sys
import time
import unittest

from real import APP, LONG, MANIFESTS, OTHER, Story, sidecard_init, sidecarctl
from session import Session

WORK = "org.example.Work"


class Listing(Story):
    def test_bare_is_list(self):
        self.assertEqual(self.run_ok(), self.run_ok("list"))

    def test_list_shows_every_sidecar_uncut_in_a_pipe(self):
        text = self.run_ok("list")
        self.assertRegex(text, rf"(?m)^○ {LONG}/a-sidecar-with-a-name-of-some-length  Stopped  inactive")
        self.assertNotIn("\033", text)

    def test_list_is_aligned(self):
        lines = self.run_ok("list").split("\n\n")[0].splitlines()
        column = lines[0].index("STATUS")
        for line in lines[1:]:
            self.assertRegex(line[column:], "^(Stopped|Running|Starting|Failed) ")

    def test_list_tells_of_a_broken_manifest_and_what_to_do(self):
        self.assertRegex(self.run_ok("list"), r"(?s)org.example.Broken: .*/sidecars/x/command: .*sidecarctl check /")
        [app] = self.session.json("list")["Apps"]
        self.assertEqual(app["Id"], "org.example.Broken")
        self.assertEqual(app["LoadError"][0], "/sidecars/x/command")

    def test_an_app_that_a_broken_manifest_left_without_sidecars_is_not_passed_over(self):
        for verb in "status", "why", "logs", "start", "restart", "mode":
            self.expect(1, "/sidecars/x/command: ", verb, "org.example.Broken")
        self.expect(1, "/sidecars/x/command: ", "mode", "org.example.Broken", "any")
        for verb in "why", "logs":
            self.expect(1, "/sidecars/x/command: ", verb, "org.example.Broken", "lone")
        told = self.expect(1, "is broken", "why", "org.example.Broken", "lone")
        self.assertIn(f"{OTHER}/lone is Stopped", told)

    def test_list_of_one_app(self):
        listed = self.session.json("list", OTHER)
        self.assertEqual([item["Name"] for item in listed["Sidecars"]], ["lone", "web"])
        self.assertEqual(listed["Apps"], [])
        self.assertEqual(
            listed["Sidecars"][0],
            {"AppId": OTHER, "Name": "lone", "Status": "Stopped", "SubState": "inactive", "MainPID": 0},
        )

    def test_colours_are_for_terminals_or_on_demand(self):
        self.assertIn("\033[1m", self.run_ok("list", "--color=always"))
        self.assertNotIn("\033", self.run_ok("list", "--color=never"))
        # What is asked for on the command line goes before the environment.
        self.assertIn("\033[1m", self.run_ok("list", "--color", NO_COLOR="1"))

    def test_it_loads_neither_curl_nor_json(self):
        # What ldd(1) does.
        loaded = self.session.run("version", LD_TRACE_LOADED_OBJECTS="1").stdout
        self.assertIn("libsystemd", loaded)
        self.assertNotRegex(loaded, "libcurl|libjson")

    def test_version(self):
        version = self.session.json("version")["Version"]
        self.assertEqual(self.run_ok("version"), f"sidecarctl {version}\n")
        self.assertEqual(self.run_ok("--version"), f"sidecarctl {version}\n")
        # It needs no bus.
        self.run_ok("version", DBUS_SESSION_BUS_ADDRESS="unix:path=/nowhere")

    def test_a_ping_tells_who_is_there(self):
        version = self.session.json("version")["Version"]
        self.assertEqual(self.run_ok("daemon", "ping"), f"sidecard {version} is there\n")
        self.assertEqual(self.session.json("daemon", "ping"), {"Version": version})
        self.expect(2, 'daemon takes "ping" or "upgrade", not "start"', "daemon", "start")


class Names(Story):
    def test_a_bare_name_that_is_unique_will_do(self):
        self.assertIn(f"{OTHER}/lone: Running (ready)", self.run_ok("start", "lone"))
        self.down("lone")

    def test_an_ambiguous_name_lists_the_choices(self):
        self.expect(2, f"say which: {APP}/web, {OTHER}/web", "start", "web")

    def test_unknown_names_exit_4_and_point_to_list(self):
        for name in ("nope", f"{APP}/nope", "org.example.Nope", "org.example.Nope/web"):
            for verb in ("status", "start", "stop", "restart", "kill", "logs", "wait"):
                self.expect(4, "sidecarctl list shows what there is", verb, name)
        self.expect(4, "sidecarctl list", "mode", "org.example.Nope")
        self.expect(4, "sidecarctl list", "hold", "org.example.Nope", "--", "true")

    def test_control_characters_in_a_name_are_made_visible(self):
        self.expect(4, r"There is no app or sidecar a\\x1bb", "status", "a\033b")

    def test_usage_errors_exit_2(self):
        for pattern, *arguments in (
            ('There is no verb "frobnicate"', "frobnicate"),
            (r"start APP\[/NAME\]", "start"),
            ("takes no --dry-run", "list", "--dry-run"),
            ("takes no --json", "hold", APP, "--json", "--", "true"),
            ("unrecognized option", "list", "--nonsense"),
            ("--timeout takes a time", "start", "lone", "--timeout=soon"),
            ("--lines takes a number", "logs", "lone", "-n", "-3"),
            ("--since takes a time", "logs", "lone", "--since=yesteryear"),
            ("has not", "logs", "lone", "--since=2999-01-01"),
            ("--stream must be stdout, stderr or supervisor", "logs", "lone", "--stream=stdin"),
            ("--generation takes a number", "logs", "lone", "--generation=last"),
            ("--output must be short, cat or json", "logs", "lone", "-o", "xml"),
            ("--signal takes", "kill", "lone", "-s", "NONSENSE"),
            ("--whom must be main or all", "kill", "lone", "--whom=you"),
            ("--for must be ready, stopped or settled", "wait", "lone", "--for=ever"),
            ("--color must be", "list", "--color=mauve"),
            ("kill takes APP/NAME", "kill", APP),
            ("list takes an APP", "list", "lone"),
            ("Modes are of an app", "mode", "lone"),
            ("--dry-run needs a mode", "mode", APP, "--dry-run"),
            ("version takes less", "version", "1"),
        ):
            self.expect(2, pattern, *arguments)

    def test_what_comes_later_says_so(self):
        for verb in "import export".split():
            self.expect(2, f"{verb} is not supported yet by this version", verb)
            self.assertNotRegex(self.run_ok("--help"), rf"(?m)^  {verb}\b")


class Lifecycle(Story):
    def test_start_waits_until_ready_and_tells_the_endpoint(self):
        text = self.run_ok("start", f"{APP}/web")
        self.assertRegex(text, rf"(?m)^{APP}/web: Starting \(probing\)$")
        self.assertRegex(text, rf"(?m)^{APP}/web: Running \(ready\) after .*, at http://127.0.0.1:\d+$")
        self.down(f"{APP}/web")

    def test_start_as_json(self):
        [item] = self.session.json("start", f"{APP}/web")
        self.assertEqual((item["AppId"], item["Name"], item["Status"]), (APP, "web", "Running"))
        self.assertRegex(item["Endpoint"], r"^http://127.0.0.1:\d+$")
        [stopped] = self.session.json("stop", f"{APP}/web")
        self.assertEqual((stopped["Status"], stopped["SubState"]), ("Stopped", "stopped"))

    def test_restart_is_another_generation(self):
        [first] = self.session.json("start", "lone")
        [second] = self.session.json("restart", "lone")
        self.assertGreater(second["Generation"], first["Generation"])
        self.assertEqual(second["Status"], "Running")
        self.down("lone")

    def test_no_wait_answers_with_the_generation(self):
        self.assertRegex(self.run_ok("start", "slow", "--no-wait"), rf"^{APP}/slow: generation \d+\n$")
        [item] = self.session.json("status", "slow")
        self.assertEqual(item["Status"], "Starting")
        self.down("slow")

    def test_one_that_times_out_exits_124(self):
        self.expect(124, "slow is not ready yet: Starting", "start", "slow", "--timeout=300ms")
        self.expect(124, "slow is not ready yet", "wait", "slow", "--timeout=100ms")
        self.down("slow")

    def test_one_that_fails_exits_1_with_the_reason(self):
        self.expect(1, rf"{APP}/fails: .*exited with code 3.*sidecarctl logs", "start", "fails")
        self.expect(1, "no-such-program was not found", "start", "missing")

    def test_one_that_fails_is_in_the_json(self):
        for name, code in (("fails", "exit-code"), ("missing", "binary-missing")):
            done = self.session.run("start", "--json", name)
            self.assertEqual(done.returncode, 1)
            [item] = json.loads(done.stdout)
            self.assertEqual((item["Name"], item["Status"]), (name, "Failed"))
            self.assertEqual(item["ReasonCode"], code)

    def test_why_tells_cause_next_step_and_remedy(self):
        self.session.run("start", "fails")
        told = self.run_ok("why", "fails")
        self.assertRegex(told, rf"{APP}/fails is Failed \(failed\) since ")
        self.assertRegex(told, r"Why: exited with code 3 after .*: the last words\n")
        self.assertRegex(told, r"Next: stays as it is until somebody starts it")
        self.assertRegex(told, r"Would help: .*sidecarctl logs")
        self.assertRegex(told, r"Starts: started .*: ended as said above")

        both = self.run_ok("why", "--json", "fails", "lone")
        why, lone = json.loads(both)
        self.assertEqual((why["AppId"], why["Name"]), (APP, "fails"))
        self.assertEqual((lone["AppId"], lone["Name"]), (OTHER, "lone"))
        self.assertEqual((why["status"], why["reason-code"]), ("Failed", "exit-code"))
        self.assertEqual(why["last-words"], ["the last words"])
        self.assertEqual(why["facts"]["code"], 3)
        self.assertEqual(why["generations"][0]["exit-code"], 3)

        self.assertRegex(self.run_ok("why", "lone"), rf"{OTHER}/lone is Stopped")
        self.expect(4, "nope", "why", "nope")
        self.expect(2, "why", "why")

    def test_one_that_fails_keeps_no_other_from_starting(self):
        done = self.session.run("start", "missing", "lone")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{OTHER}/lone: Running (ready)", done.stdout)
        self.down("lone")

    def test_many_at_once(self):
        names = ["lone", f"{APP}/web", "talk", "evil", "tree"]
        self.assertEqual({item["Status"] for item in self.session.json("start", *names)}, {"Running"})
        self.down(*names)

    def test_wait_for_what_nobody_wants_exits_3(self):
        self.down("lone")
        self.expect(3, f"{OTHER}/lone", "wait", "lone", "--timeout=20s")

    def test_wait_for_its_conditions(self):
        self.run_ok("start", "lone")
        self.run_ok("wait", "lone")
        self.run_ok("wait", "--for=settled", "lone")
        self.expect(124, "is not stopped yet", "wait", "--for=stopped", "lone", "--timeout=100ms")
        self.down("lone")
        [item] = self.session.json("wait", "--for=stopped", "lone")
        self.assertEqual(item["Status"], "Stopped")

    def test_kill_sends_a_signal_and_what_is_wanted_comes_up_again(self):
        self.run_ok("start", "lone")
        [before] = self.session.json("status", "lone")
        self.assertEqual(self.run_ok("kill", "-s", "KILL", "lone"), "")
        deadline = time.monotonic() + 30
        while self.session.json("status", "lone")[0]["Generation"] == before["Generation"]:
            self.assertLess(time.monotonic(), deadline)
        self.run_ok("wait", "lone")
        self.assertEqual(self.session.json("kill", "-s", "10", "--whom=all", "lone")["signal"], "SIGUSR1")
        self.down("lone")

    def test_kill_of_what_does_not_run_exits_3(self):
        self.down("lone")
        self.expect(3, "no process", "kill", "lone")


class Looking(Story):
    def commands_of(self, name):
        return [process["command"] for process in self.session.json("status", name)[0]["Processes"]]

    def test_status_shows_state_tree_and_lines(self):
        self.run_ok("start", "tree", f"{APP}/web")
        text = self.run_ok("status", f"{APP}/web")
        self.assertIn(f"● {APP}/web - A web server\n", text)
        self.assertRegex(text, r"Status: Running \(ready\) since \d{4}-\d\d-\d\d .* ago\n")
        self.assertRegex(text, r"Next: (runs until|is asked for)")
        self.assertRegex(text, r"Last probe: HTTP 200 after \d.*, .* ago\n")
        self.assertRegex(text, r"Endpoint: http://127.0.0.1:\d+\n")
        self.assertRegex(text, r"Processes: \d+ /usr/bin/python3 -m http.server")
        self.assertIn("GET / HTTP/1.1", text)

        # Between fork and exec they are called as the shell is.
        deadline = time.monotonic() + 30
        while self.commands_of("tree").count("sleep 1000") < 2:
            self.assertLess(time.monotonic(), deadline)
        text = self.run_ok("status", "tree")
        self.assertRegex(text, r"Processes: \d+ /bin/sh -c sleep(.*\n)+ +├─\d+ ")
        self.assertRegex(text, r"\n +[│ ] └─\d+ sleep 1000\n")
        self.down("tree", f"{APP}/web")

    def test_status_as_json_has_the_properties(self):
        self.run_ok("start", "lone")
        [item] = self.session.json("status", "lone")
        self.assertEqual((item["AppId"], item["Name"], item["Status"]), (OTHER, "lone", "Running"))
        self.assertEqual(item["Explain"]["status"], "Running")
        self.assertEqual(item["Explain"]["last-probe"], {})
        self.assertEqual(item["Processes"][0]["pid"], item["MainPID"])
        self.assertEqual(item["Processes"][0]["command"], "sleep 1000")
        self.assertNotIn("EffectiveManifest", item)
        self.down("lone")

    def test_status_of_what_is_down_exits_3_unless_none_was_named(self):
        self.down("lone")
        done = self.session.run("status", "lone")
        self.assertEqual(done.returncode, 3)
        self.assertIn(f"○ {OTHER}/lone\n", done.stdout)
        self.assertIn(f"{OTHER}/lone", self.run_ok("status"))

    def test_control_characters_are_shown_and_not_sent(self):
        self.run_ok("start", "evil")
        self.wait_for_lines("evil", 1)
        visible = r"a\x1b[31mred\x07 \u202ertl\u009b " + '"q\\'
        self.assertIn(visible, self.run_ok("logs", "evil"))
        self.assertIn(visible, self.run_ok("status", "evil"))
        raw = "a\033[31mred\a \u202ertl\u009b \"q\\\n"
        self.assertEqual(self.run_ok("logs", "evil", "-o", "cat"), raw)
        self.assertEqual(self.session.json("logs", "evil")["text"] + "\n", raw)
        self.down("evil")

    def test_logs_newest_since_and_streams(self):
        self.run_ok("start", "talk")
        self.wait_for_lines("talk", 3)
        lines = self.run_ok("logs", "talk", "-n", "2").splitlines()
        self.assertEqual(len(lines), 2)
        self.assertRegex(lines[0], r"^\w{3} \d\d \d\d:\d\d:\d\d\.\d{3} talk: line \d+$")
        self.assertIn("talk: line 1\n", self.run_ok("logs", "talk", "--since=1h"))
        self.assertEqual(self.run_ok("logs", "talk", "--stream=stderr"), "")
        self.down("talk")
        # All that it wrote is older than now.
        self.assertEqual(self.run_ok("logs", "talk", "--since=0s"), "")
        self.session.run("start", "fails")
        self.assertIn("the last words", self.run_ok("logs", "fails", "--stream=stderr"))

    def test_logs_of_an_app_are_in_order_of_time(self):
        self.run_ok("start", "talk", f"{APP}/web")
        self.wait_for_lines("talk", 3)
        lines = [json.loads(line) for line in self.run_ok("logs", APP, "-o", "json").splitlines()]
        times = [line["realtime-usec"] for line in lines]
        self.assertEqual(times, sorted(times))
        self.assertLessEqual({"talk", "web"}, {line["sidecar"] for line in lines})
        self.down("talk", f"{APP}/web")

    def test_logs_follow_until_interrupted(self):
        self.run_ok("start", "talk")
        reader = self.session.spawn(
            sidecarctl, "logs", "-f", "-n", "1", "talk", stdout=subprocess.PIPE, text=True
        )
        numbers = [int(reader.stdout.readline().rsplit(" ", 1)[1]) for _ in range(5)]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 5)))
        reader.send_signal(signal.SIGINT)
        self.assertEqual(reader.wait(30), -signal.SIGINT)
        self.down("talk")

    def test_logs_of_one_generation(self):
        self.run_ok("start", "talk")
        self.wait_for_lines("talk", 3)
        [status] = self.session.json("status", "talk")
        generation = status["Generation"]
        self.down("talk")
        self.run_ok("start", "talk")
        first = self.run_ok("logs", "talk", f"--generation={generation}", "-o", "json").splitlines()
        self.assertEqual({json.loads(line)["generation"] for line in first}, {generation})
        self.assertEqual(self.run_ok("logs", "talk", f"--generation={generation + 1000}"), "")
        self.down("talk")

    def test_logs_of_several_have_colours_and_those_of_two_apps_their_names(self):
        self.run_ok("start", "talk", f"{OTHER}/web", f"{APP}/web")
        self.wait_for_lines("talk", 1)
        self.wait_for_lines(f"{APP}/web", 1)
        one = self.run_ok("logs", "--color=always", "-n", "1", "talk")
        self.assertRegex(one, r"^\x1b\[90m[^\x1b]*\x1b\[0m talk: line \d+\n$")
        app = self.run_ok("logs", "--color=always", "-n", "all", APP)
        self.assertRegex(app, r"\x1b\[3\dmtalk:\x1b\[0m line 1\n")
        two = self.run_ok("logs", "-n", "all", "talk", f"{OTHER}/web", f"{APP}/web")
        self.assertIn(f" {APP}/talk: line 1\n", two)
        self.assertIn(f" {APP}/web: ", two)
        self.down("talk", f"{OTHER}/web", f"{APP}/web")

    def test_logs_follow_from_the_end_and_several_at_once(self):
        self.run_ok("start", "talk")
        self.wait_for_lines("talk", 3)
        newest = self.session.json("logs", "talk", "-n", "1")["seq"]
        reader = self.session.spawn(
            sidecarctl, "logs", "-f", "-n", "0", "talk", "fails", "-o", "json", stdout=subprocess.PIPE, text=True
        )
        first = json.loads(reader.stdout.readline())
        self.assertGreater(first["seq"], newest)
        self.session.run("start", "fails")
        heard = {"talk": []}
        while "fails" not in heard or len(heard["talk"]) < 3:
            line = json.loads(reader.stdout.readline())
            heard.setdefault(line["sidecar"], []).append(line["seq"])
        self.assertEqual(heard["talk"], list(range(first["seq"] + 1, first["seq"] + 1 + len(heard["talk"]))))
        reader.send_signal(signal.SIGINT)
        self.assertEqual(reader.wait(30), -signal.SIGINT)
        self.down("talk")

    def test_logs_follow_over_a_death_of_the_brain(self):
        other = Session(sidecarctl, MANIFESTS)
        self.addCleanup(other.end)
        other.start_daemon(sidecard_init)
        other.run("start", "talk")
        reader = other.spawn(sidecarctl, "logs", "-f", "-n", "all", "talk", stdout=subprocess.PIPE, text=True)
        numbers = []
        for _ in range(3):
            while len(numbers) % 4 or not numbers:
                numbers.append(int(reader.stdout.readline().rsplit(" ", 1)[1]))
            other.kill_brain()
            numbers.append(int(reader.stdout.readline().rsplit(" ", 1)[1]))
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        reader.kill()

    def test_logs_follow_ends_with_the_daemon(self):
        other = Session(sidecarctl, MANIFESTS)
        self.addCleanup(other.end)
        other.start_daemon(sidecard_init)
        other.run("start", "talk")
        reader = other.spawn(sidecarctl, "logs", "-f", "talk", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertIn("line", reader.stdout.readline())
        other.daemon.terminate()
        reader.communicate(timeout=120)
        self.assertEqual(reader.returncode, 5)


class Apps(Story):
    def test_start_wait_and_stop_of_an_app(self):
        done = self.session.run("start", OTHER)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("lone", "web"):
            self.assertIn(f"{OTHER}/{name}: Running (ready)", done.stdout)
        self.run_ok("wait", OTHER)
        self.assertEqual(len(self.session.json("restart", OTHER)), 2)
        self.run_ok("stop", OTHER)
        self.assertEqual({item["Status"] for item in self.session.json("list", OTHER)["Sidecars"]}, {"Stopped"})
        self.expect(3, f"sidecarctl start {OTHER}", "wait", OTHER)

    def test_hold_keeps_sidecars_up_while_the_command_runs(self):
        done = self.session.run("hold", OTHER, "--", sidecarctl, "wait", OTHER, "--timeout=60s")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"{OTHER}/lone: Running (ready)", done.stdout)
        self.run_ok("wait", "--for=stopped", f"{OTHER}/web", "lone", "--timeout=60s")

    def write_work(self, script, **sidecar):
        """A manifest in a work tree, beside the program that it names."""
        work = self.session.home / "work"
        work.mkdir(exist_ok=True)
        tool = work / "tool.sh"
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)
        manifest = work / f"{WORK}.json"
        sidecars = {"tool": {"command": ["tool.sh"], **sidecar}}
        manifest.write_text(json.dumps({"manifestVersion": 1, "id": WORK, "sidecars": sidecars}, indent=2))
        manifest.chmod(0o644)
        return str(manifest)

    def test_run_holds_with_a_manifest_and_what_the_terminal_has_in_its_environment(self):
        manifest = self.write_work('echo "up $OF_THE_TERMINAL"; exec sleep 1000', readiness={"log": {"pattern": "^up "}})
        script = f"{sidecarctl} logs -o cat {WORK}/tool; exit 7"
        done = self.session.run("run", manifest, "--", "sh", "-c", script, OF_THE_TERMINAL="a b")
        self.assertEqual((done.returncode, done.stdout), (7, "up a b\n"), done.stderr)
        self.assertRegex(done.stderr, rf"(?m)^{WORK}/tool: Running \(ready\) after ")
        self.expect(4, WORK, "status", f"{WORK}/tool")

        # The next may come with another text at once.
        manifest = self.write_work("exec sleep 1000", description="another")
        self.assertEqual(self.session.run("run", manifest, "--", "true").returncode, 0)

    def test_run_does_not_begin_without_its_sidecars(self):
        manifest = self.write_work("echo Error: no luck >&2; exit 3", restart="no", readiness={"log": {"pattern": "x"}})
        stdout = self.expect(1, f"{WORK}/tool: .*Error: no luck", "run", manifest, "--", "echo", "begun")
        self.assertEqual(stdout, "")

        # What has done its work is not waited for.
        manifest = self.write_work("exit 0")
        self.assertEqual(self.session.run("run", manifest, "--", "echo", "begun").stdout, "begun\n")

    def test_run_says_what_is_wrong_with_a_manifest_as_check_does(self):
        manifest = self.write_work("exit 0", comand=[])
        pattern = rf"work/{WORK}.json:\d+: /sidecars/tool/comand: unknown key"
        self.assertEqual(self.expect(1, pattern, "run", manifest, "--", "echo", "begun"), "")
        self.expect(1, "No such file", "run", "/nowhere.json", "--", "true")
        self.expect(2, "needs more", "run", manifest)

    def test_modes_are_shown(self):
        self.assertEqual(self.run_ok("mode", OTHER), "● default\n")
        self.assertEqual(
            self.session.json("mode", OTHER), {"Mode": "default", "Modes": ["default"], "ModeResult": "done"}
        )

    def test_an_unknown_mode_exits_4(self):
        done = self.session.run("mode", OTHER, "nonsense")
        self.assertEqual(done.returncode, 4)

    def test_events_are_one_object_a_line(self):
        self.session.run("events", "--no-wait")
        self.run_ok("start", "lone")
        events = [json.loads(line) for line in self.run_ok("events", "--no-wait", "--json", OTHER).splitlines()]
        self.assertIn(("status", "lone"), [(event["type"], event.get("sidecar")) for event in events])
        self.assertRegex(self.run_ok("events", "--no-wait", "-n", "1", OTHER), rf"^\w{{3}} .* {OTHER}/lone status .*\n$")
        self.down("lone")

    def test_check_tells_what_is_wrong(self):
        broken = str(self.session.apps / "org.example.Broken.json")
        good = str(self.session.apps / f"{APP}.json")
        done = self.session.run("check", broken)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"Broken.json:\d+: /sidecars/x/command: ")
        [problem] = self.session.json("check", broken)
        self.assertEqual((problem["path"], problem["pointer"]), (broken, "/sidecars/x/command"))
        self.assertEqual(self.session.run("check", good).returncode, 0)
        self.assertEqual(self.session.json("check", good), [])

    def test_check_tells_when_a_sidecar_would_restart(self):
        good = str(self.session.apps / f"{APP}.json")
        self.assertRegex(self.run_ok("check", "--verbose", good), r"(?m)^\S+: .*(then Failed|restarted)")
        self.expect(2, "check --verbose is for people: not with --json", "check", "--verbose", "--json", good)

    def add_drop_in(self, name, text):
        drop_in = self.session.drop_ins / f"{OTHER}.json.d" / name
        drop_in.parent.mkdir(parents=True, exist_ok=True)
        drop_in.write_text(text)
        self.addCleanup(drop_in.unlink)
        return drop_in

    def reload(self):
        manager = ("org.sidecard.Sidecars1", "/org/sidecard/Sidecars1", "org.sidecard.Sidecars1.Manager")
        subprocess.run(
            ["busctl", "--user", "call", *manager, "Reload"],
            env=self.session.environment, check=True, stdout=subprocess.DEVNULL,
        )

    def test_list_tells_once_of_an_app_of_several_sidecars(self):
        self.addCleanup(self.reload)
        self.add_drop_in("90-broken.json", '{"sidecars": {"lone": {"bogus": 1}}}')
        self.reload()
        self.assertEqual(self.run_ok("list").count(f"{OTHER}: its manifest is broken"), 1)
        self.assertEqual([app["Id"] for app in self.session.json("list")["Apps"]].count(OTHER), 1)

    def test_check_knows_drop_ins(self):
        manifest = str(self.session.apps / f"{OTHER}.json")
        # Or the daemon would notice them, and tell so, in the midst of the next story.
        self.addCleanup(self.reload)
        drop_in = self.add_drop_in("10.json", '{"sidecars": {\n"lone": {"startTimeout": "soon"}}}')
        for file in manifest, str(drop_in):
            [problem] = self.session.json("check", file)
            self.assertEqual(
                (problem["path"], problem["line"], problem["pointer"]),
                (str(drop_in), 2, "/sidecars/lone/startTimeout"),
            )
        drop_in.write_text('{"sidecars": {"lone": {"startTimeout": "1s"}}}')
        self.assertEqual(self.session.json("check", manifest, str(drop_in)), [])

    def test_cat_shows_the_manifest_and_the_drop_ins_each_with_its_path(self):
        manifest = self.session.apps / f"{OTHER}.json"
        self.addCleanup(self.reload)
        drop_in = self.add_drop_in("20.json", '{"sidecars": {"lone": {"description": "x"}}}')
        self.reload()
        self.assertEqual(
            self.run_ok("cat", OTHER),
            f"# {manifest}\n{manifest.read_text()}\n\n# {drop_in}\n{drop_in.read_text()}\n",
        )
        files = self.session.json("cat", OTHER)
        self.assertEqual([file["Path"] for file in files], [str(manifest), str(drop_in)])
        self.assertEqual(json.loads(files[0]["Text"])["id"], OTHER)
        self.expect(2, f"sidecarctl cat {OTHER}", "cat", f"{OTHER}/lone")
        self.assertIn("# ", self.run_ok("cat", "org.example.Broken"))

    def test_show_has_every_property(self):
        app = dict(line.split("=", 1) for line in self.run_ok("show", OTHER).splitlines())
        self.assertEqual((app["Id"], app["LoadState"], app["DropInPaths"]), (OTHER, "loaded", "[]"))
        sidecar = dict(line.split("=", 1) for line in self.run_ok("show", f"{OTHER}/lone").splitlines())
        self.assertEqual((sidecar["Name"], sidecar["NeedsRestart"]), ("lone", "false"))
        [shown] = self.session.json("show", f"{OTHER}/lone")
        self.assertEqual(set(shown), set(sidecar))
        self.assertEqual(self.run_ok("show", OTHER, OTHER).count("\n\n"), 1)


class NoDaemon(unittest.TestCase):
    VERBS = (["list"], ["status"], ["start", "a/b"], ["logs", "a"], ["events"], ["mode", "a"], ["hold", "a", "--", "true"])

    def test_a_bus_without_sidecard_exits_5_and_says_what_to_do(self):
        session = Session(sidecarctl, [])
        self.addCleanup(session.end)
        for verb in self.VERBS:
            done = session.run(*verb)
            self.assertEqual((done.returncode, done.stdout), (5, ""), verb)
            self.assertIn("systemctl --user start sidecard", done.stderr)

    def test_there_is_nothing_to_upgrade_without_sidecard(self):
        session = Session(sidecarctl, [])
        self.addCleanup(session.end)
        done = session.run("daemon", "upgrade")
        self.assertEqual((done.returncode, done.stdout), (5, ""))
        self.assertIn("sidecarctl daemon ping starts it", done.stderr)

    def test_no_bus_exits_5_and_says_what_to_do(self):
        session = Session(sidecarctl, [])
        self.addCleanup(session.end)
        for verb in self.VERBS:
            for address in ("unix:path=/nowhere/bus", "nonsense"):
                done = session.run(*verb, DBUS_SESSION_BUS_ADDRESS=address)
                self.assertEqual((done.returncode, done.stdout), (5, ""), verb)
                self.assertIn("DBUS_SESSION_BUS_ADDRESS", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
