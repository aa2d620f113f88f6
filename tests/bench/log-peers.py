#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What it costs to keep a program's output, beside others that do.

The same writer for all, in turns and in one run, since only the ratio means anything on a noisy
machine: bench-output's bare (read and write, and the same files) and Output with ring and file,
each alone and with a reader that follows; s6-log, svlogd, supervisord and pm2. All keep five files
of 10 MB, but pm2, which rotates nothing by itself, and is spared that work. CPU is that of who
keeps the log alone.

    log-peers.py BENCH-OUTPUT [MIB [RUNS]]
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BENCH = os.path.abspath(sys.argv[1])
MIB = int(sys.argv[2]) if len(sys.argv) > 2 else 64
RUNS = int(sys.argv[3]) if len(sys.argv) > 3 else 5
GB = MIB * 2**20 / 1e9

SUPERVISORD = """[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile={folder}/pid
[program:writer]
command=/bin/sh -c 'date +%%s%%N > {folder}/began; {bench} write {mib} {block}; date +%%s%%N > {folder}/ended'
autorestart=false
startsecs=0
stdout_logfile={folder}/log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=4
redirect_stderr=true
[eventlistener:end]
command=/bin/sh -c 'printf "READY\\n"; read line; kill -TERM {self}; exec sleep 1000'
events=PROCESS_STATE_EXITED
"""


def cpu_of(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def time_of(argv, writer):
    """Wall and CPU seconds of a reader, whose standard input the writer is."""
    began = time.monotonic()
    reader = subprocess.Popen(argv, stdin=writer.stdout, stderr=subprocess.DEVNULL)
    writer.stdout.close()
    _, _, usage = os.wait4(reader.pid, 0)
    reader.returncode = 0
    wall = time.monotonic() - began
    writer.wait()
    return wall, usage.ru_utime + usage.ru_stime


def filter_of(argv):
    def run(block, folder):
        writer = subprocess.Popen([BENCH, "write", str(MIB), str(block)], stdout=subprocess.PIPE)
        return time_of([word.format(folder=folder) for word in argv], writer)

    return run


def svlogd(block, folder):
    with open(folder + "/config", "w") as config:
        config.write("s10000000\nn5\n")
    return filter_of(["svlogd", "{folder}"])(block, folder)


def supervisord(block, folder):
    """It starts its writer itself, which says when it began and ended. CPU: less that of a start."""
    def one(mib):
        with open(folder + "/conf", "w") as conf:
            conf.write(SUPERVISORD.format(folder=folder, bench=BENCH, mib=mib, block=block,
                                          self="$PPID"))
        child = subprocess.Popen(["supervisord", "-c", folder + "/conf"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while child.poll() is None:
            cpu = cpu_of(child.pid)
            time.sleep(0.005)
        began, ended = (int(open(f"{folder}/{name}").read()) for name in ("began", "ended"))
        return (ended - began) / 1e9, cpu

    base, full = one(0), one(MIB)
    return full[0], max(full[1] - base[1], 0)


def pm2(block, folder):
    """Its writer waits until pm2 has started, and stays: pm2 closes the log when it exits."""
    def command(*words):
        subprocess.run(["pm2", *words], check=True, env=dict(os.environ, PM2_HOME=folder),
                       stdout=subprocess.DEVNULL)

    os.mkfifo(folder + "/go")
    with open(folder + "/writer", "w") as script:
        script.write(f"read go < {folder}/go; {BENCH} write {MIB} {block}; exec sleep 1000\n")
    try:
        command("start", folder + "/writer", "--interpreter", "/bin/sh", "--no-autorestart",
                "--no-vizion", "--output", folder + "/log", "--error", "/dev/null")
        daemon = int(open(folder + "/pm2.pid").read())
        with open(folder + "/go", "w"):
            began, cpu = time.monotonic(), cpu_of(daemon)
        while os.path.getsize(folder + "/log") < MIB * 2**20:
            time.sleep(0.005)
        return time.monotonic() - began, cpu_of(daemon) - cpu
    finally:
        command("kill")


PEERS = {
    "s6-log": filter_of(["s6-log", "n4", "s10000000", "{folder}"]),
    "svlogd": svlogd,
    "supervisord": supervisord,
    "pm2": pm2,
}


def measure_ours(block, folder):
    text = subprocess.run([BENCH, str(MIB), "1", folder, str(block)], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    rows = re.findall(r"(\S+) +(\S+) MB/s +(\S+) s CPU/GB.*bare(?:, +(\d+) % followed)?", text)
    return {row[0]: [float(figure) for figure in row[1:] if figure] for row in rows}


def main():
    for block in (65536, 100):
        rows = {}
        for _ in range(RUNS):
            with tempfile.TemporaryDirectory() as folder:
                round_rows = measure_ours(block, folder)
            for name, run in PEERS.items():
                if not shutil.which(name):
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    wall, cpu = run(block, folder)
                round_rows[name] = [GB * 1000 / wall, cpu / GB]
            for name, figures in round_rows.items():
                figures.insert(2, figures[0] / round_rows["bare"][0])
                rows.setdefault(name, []).append(figures)
        print(f"writes of {block} bytes, {MIB} MiB, medians of {RUNS}")
        for name, runs in rows.items():
            speed, cpu, ratio, *followed = (statistics.median(values) for values in zip(*runs))
            print(f"  {name:14} {speed:7.0f} MB/s {cpu:6.2f} s CPU/GB  {ratio:5.2f} of bare"
                  + "".join(f", {percent:3.0f} % followed" for percent in followed))


main()
