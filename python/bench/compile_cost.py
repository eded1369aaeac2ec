"""Runs a command, nibble-compile above all, and says how long it took and how much anonymous memory it needed at most.

    python python/bench/compile_cost.py [--json] -- build/release/bin/nibble-compile CHECKPOINT -o FILE --precision=int4

Mapped files do not count: RssAnon of /proc/PID/status is read every 20 ms, and the command's children are not followed.
Beside the time stands the CPU time of the command and the share of all cores that other processes took meanwhile.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

from compare import busy_seconds


def anonymous_bytes(pid):
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    begin, busy = time.perf_counter(), busy_seconds()
    process = subprocess.Popen(options.command, stdout=sys.stderr)
    peak = 0
    while process.poll() is None:
        peak = max(peak, anonymous_bytes(process.pid))
        time.sleep(0.02)
    elapsed = time.perf_counter() - begin
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = usage.ru_utime + usage.ru_stime
    others = max(0.0, busy_seconds() - busy - cpu) / elapsed / os.cpu_count()
    if process.returncode:
        raise SystemExit(process.returncode)
    if options.json:
        print(json.dumps({"seconds": elapsed, "cpu_seconds": cpu, "peak_anonymous_bytes": peak, "others": others}))
    else:
        print(f"{elapsed:.1f} s, {cpu:.1f} s of CPU time, {peak / 2**20:.0f} MiB of anonymous memory at most; "
              f"others took {others:.0%} of the cores meanwhile")


if __name__ == "__main__":
    main()
