"""Runs a shell command and tells on standard output what it took: wall and processor seconds, the peak memory in KiB of
its largest process, and its exit status. A program of its own, since a process counts the memory of what it was forked from.

usage: measured.py LOG COMMAND
"""
import os
import sys
import time

began = time.monotonic()
child = os.fork()
if child == 0:
    sink = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.execvp("sh", ["sh", "-c", sys.argv[2]])
_, status, usage = os.wait4(child, 0)
wall = time.monotonic() - began
print(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
