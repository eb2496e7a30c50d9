#!/usr/bin/env python3
"""Times commands in turn (A B C A B C ...), so that a machine whose speed drifts is fair to all of them.

usage: interleave.py ROUNDS [NAME [--prepare COMMAND] COMMAND]...   (each COMMAND one string for sh -c)

Prints for each: minimum, median and maximum wall seconds, median processor seconds, largest resident set of any
process, and the ratio of its median to the first one's. One uncounted round warms up.
"""
import os
import statistics
import sys
import time


def run(command):
    """Runs a command to its end; wall and processor seconds, and the peak memory in KiB of its largest process."""
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        os.execvp("sh", ["sh", "-c", command])
    _, status, usage = os.wait4(child, 0)
    wall = time.monotonic() - start
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status)


def parse(words):
    programs = []
    while words:
        name = words.pop(0)
        prepare = None
        if words and words[0] == "--prepare":
            words.pop(0)
            prepare = words.pop(0)
        programs.append((name, prepare, words.pop(0)))
    return programs


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    rounds = int(sys.argv[1])
    programs = parse(sys.argv[2:])
    seen = {name: [] for name, _, _ in programs}
    for turn in range(rounds + 1):
        for name, prepare, command in programs:
            if prepare is not None and os.system(prepare) != 0:
                sys.exit(f"{name}: the preparation failed")
            result = run(command)
            if result[3] != 0:
                sys.exit(f"{name}: exit status {result[3]}")
            if turn > 0:
                seen[name].append(result)
    first = statistics.median(wall for wall, _, _, _ in seen[programs[0][0]])
    print(f"{'':28} {'min s':>9} {'median s':>9} {'max s':>9} {'cpu s':>9} {'peak MiB':>9} {'ratio':>7}")
    for name, _, _ in programs:
        walls = sorted(wall for wall, _, _, _ in seen[name])
        median = statistics.median(walls)
        processor = statistics.median(cpu for _, cpu, _, _ in seen[name])
        peak = max(memory for _, _, memory, _ in seen[name]) / 1024
        print(f"{name:28} {walls[0]:9.3f} {median:9.3f} {walls[-1]:9.3f} {processor:9.3f} {peak:9.1f} {median / first:7.2f}")


main()
