"""Moves a live registry; what move.sh runs within namespaces of its own. Its head says what it does."""

import argparse
import contextlib
import json
import pathlib
import subprocess
import sys
import time

from clients import Connection, Crowd
from content import BIG_LAYER_BYTES, MANY_TAGS, Content
from layout import Layout
from sides import COPY_HOST, HOST, NEW, OLD, PUSHER, REPOSITORY, Fault, New, Old
from tally import Expected, Tally

PROGRAMS = ["skopeo", "crane", "podman"]
RETRIES_MAX = 400
# How often it is waited for that one of the clients pulls a tag.
ASKED_MAX = 10
# What a killed copy had underway is fetched again.
LOST_BYTES_MAX = 12_000_000
MISSING = 3


class NotYet(Exception):
    """The program has not got what a phase needs."""


class Move:
    """The two sides, the clients, and the steps between."""

    def __init__(self, options):
        self.options, self.directory = options, options.directory
        self.tally = Tally()
        self.old = Old(self.directory, options.closed)
        self.new = New(self.directory, options.lightship, options.closed)
        self.layout = Layout(self.directory / "old/data")
        self.content = Content(self.layout, options.tags)
        self.expected = Expected(self.content.pulls)
        self.crowd = Crowd(self.directory, self.expected, self.tally, self.new)
        self.kills_of_copies, self.faults = 0, []
        self.began = None

    # The clients

    def dwell(self, phase, during=None):
        """Lets clients pull for a while in a phase, and does something meanwhile."""
        phase = self.tally.begin(phase)
        end = time.monotonic() + self.options.seconds
        if during:
            during()
        time.sleep(max(0.0, end - time.monotonic()))
        print(self.tally.line(phase), flush=True)

    def name_leads_to(self, address):
        """One write of the same length, so that nobody reads half of it."""
        with open("/etc/hosts", "r+", encoding="ascii") as hosts:
            hosts.write(hosts_file(address))

    def begin(self):
        self.name_leads_to(OLD)
        self.old.start()
        self.tally.begin("start")
        self.crowd.begin(self.options.raw, self.options.programs, self.options.pushes)

    def stop(self):
        self.crowd.end()
        self.new.stop()
        self.old.stop()

    # Steps of `lightship migrate`

    def administered(self, command, *words, allowed=(0,)):
        return self.new.run("migrate", command, REPOSITORY, *words, self.new.server_option(command), f"{NEW}:443", *self.new.spoken(), allowed=allowed)

    def shift(self, state, *words):
        """A step. It may be refused for what is not the same on both sides: what is damaged, and what is being pushed."""
        done = self.administered("shift", state, *words, allowed=(0, 1, 2))
        if done.returncode == 2:
            # The server cannot complete what is damaged; nothing else.
            if "1 tags or images" not in done.stderr or f"such as {self.content.broken_image[0]}@" not in done.stderr:
                self.faults.append(f"no step to {state}: {done.stderr.strip()}")
        elif done.returncode == 1:
            self.differs_only_in_what_is_damaged(f"no step to {state}", done)
        if done.returncode != 0:
            self.administered("shift", state, *words, "--unverified")

    def differs_only_in_what_is_damaged(self, what, done):
        """Lines about other images are faults; what is being pushed may be on one side already."""
        told = [line for line in done.stdout.splitlines() if "/" in line]
        known = (self.content.broken_image[0], self.content.doomed[0], "pushed/", HOST)
        if strange := [line for line in told if not any(name in line for name in known)]:
            self.faults.append(f"{what}: {strange[0]}")

    def copying(self):
        words = ["run", "--from", COPY_HOST, "--to", f"{NEW}:443", "--journal", self.directory / "journal"]
        return [*words, "--failures", self.directory / "failures.jsonl", "--progress", "plain", *self.new.spoken()]

    def copy_killed_and_again(self):
        """Killed in the middle of the largest layer, then to its end."""
        first = subprocess.Popen(self.new.command("migrate", *self.copying()), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.new.environment())
        while first.poll() is None and self.new.underway() < BIG_LAYER_BYTES / 2:
            time.sleep(0.02)
        if first.poll() is None:
            first.kill()
            self.kills_of_copies += 1
        else:
            self.faults.append("the copy ended before it was killed")
        first.wait()
        self.copy()

    def copy(self):
        """To its end: 1, since one image is damaged, and that one alone is told."""
        done = self.new.run("migrate", *self.copying(), allowed=(0, 1))
        if done.returncode == 0:
            self.faults.append("a copy says that all went well, and one image is damaged")
            return
        lines = (self.directory / "failures.jsonl").read_text().splitlines()
        told = [json.loads(line) for line in lines]
        repository, _, digest = self.content.broken_image
        right = [line for line in told if line["repository"] == repository and line["digest"] in (digest, self.content.broken_blob)]
        if not right:
            self.faults.append(f"nothing is told of {repository}@{digest}, which is damaged")
        # What was deleted on the new side is refused there.
        right += [line for line in told if line["repository"] == self.content.doomed[0]]
        if strange := [line for line in told if line not in right]:
            self.faults.append(f"{len(strange)} failures of what is not damaged, such as {json.dumps(strange[0])}")

    def settled(self):
        """Everything that was pushed to the old side is on the new one too, and no push goes on."""
        self.crowd.pause_pushes()
        self.copy()


# Phases


def direct(move):
    move.dwell("the old registry alone")


def arrive(move):
    """The server begins; nobody knows it yet."""
    if move.new.process is None:
        move.new.start()


def copy(move):
    arrive(move)
    move.dwell("while copying, killed and again", move.copy_killed_and_again)


def disabled(move):
    if not move.new.understands("migrate", "shift"):
        raise NotYet("this lightship has no `migrate shift`")
    arrive(move)
    move.shift("disabled", "--old", HOST)
    move.dwell("the name leads here", lambda: move.name_leads_to(NEW))
    move.dwell("disabled")


def partial(percent):
    def phase(move):
        move.shift("partial-and-copying", "--reads", percent)
        move.dwell(f"partial {percent} %", lambda: move.administered("status"))
    return phase


def killed(move):
    move.dwell("server killed and started again", move.new.kill_and_restart)


def old_fails(move):
    """Where the new side has everything, the old one may answer 500 or not at all."""
    move.settled()
    with move.old.answering_500():
        move.dwell("the old side answers 500")
    with move.old.not_answering():
        move.dwell("the old side does not answer")
    move.crowd.pushing.set()


def verified(move):
    """Both sides are the same, but for what is damaged."""
    move.settled()
    done = move.new.run("migrate", "verify", "--from", COPY_HOST, "--to", f"{NEW}:443", *move.new.spoken(), allowed=(0, 1))
    move.differs_only_in_what_is_damaged("verify", done)
    move.crowd.pushing.set()


def deleted(move):
    """What is deleted on the new side is not fetched again, neither by a pull nor by the copy."""
    repository, tag = move.content.doomed
    with Connection(move.crowd.authority, user=PUSHER) as connection:
        connection.ask("DELETE", f"/v2/{repository}/manifests/{tag}", (202,)).read()
        path = f"/v2/{repository}/manifests/{tag}"
        by_pull = connection.ask("GET", path, (200, 404)).status
    move.dwell("a tag was deleted here", move.settled)
    with Connection(move.crowd.authority) as connection:
        by_copy = connection.ask("GET", path, (200, 404)).status
    if by_pull == 200:
        move.faults.append(f"{repository}:{tag} was deleted, and a pull fetched it again")
    elif by_copy == 200:
        move.faults.append(f"{repository}:{tag} was deleted, and a copy brought it again")
    move.crowd.pushing.set()


def copying(move):
    move.shift("enabled-and-copying")
    move.dwell("enabled and copying")


def enabled(move):
    move.settled()
    move.shift("enabled")
    # What was asked for before ends first.
    move.dwell("just enabled")
    before = move.old.reads()
    move.crowd.pushing.set()
    move.dwell("enabled")
    if reads := move.old.reads()[len(before):]:
        move.faults.append(f"enabled, and the old side was still read {len(reads)} times, such as {reads[0]}")


def back(move):
    move.dwell("while rolling back", lambda: move.administered("rollback"))
    move.dwell("rolled back")


def finished(move):
    """Nobody needs the old registry any more."""
    move.administered("finish")
    move.old.kill()
    move.dwell("finished, the old one is gone")


PHASES = {
    "direct": direct, "disabled": disabled, "partial10": partial(10), "partial50": partial(50), "partial100": partial(100),
    "copy": copy, "verified": verified, "deleted": deleted, "killed": killed, "old-fails": old_fails, "copying": copying, "enabled": enabled, "back": back, "finished": finished,
}
ALL = (
    "direct disabled partial10 copy verified partial50 killed partial100 old-fails copying deleted old-fails enabled killed "
    "back partial50 partial100 copying enabled finished"
).split()


# The verdict


def copied_twice(old, kills, damaged=()):
    """Blobs and manifests of which more than once was read: a copy that was killed loses what it had underway. What is damaged is
    asked for by every copy, in case it was mended."""
    excess, twice = 0, []
    for digest, (times, sent) in old.copied().items():
        if digest in damaged:
            continue
        size = old.size(digest)
        if sent > size or times > 1 + kills:
            twice.append(f"{digest}: {sent} of {size} bytes in {times} requests")
            excess += max(0, sent - size)
    return twice if excess > kills * LOST_BYTES_MAX or (twice and not kills) else []


def verdict(move):
    """What went wrong, a line each."""
    wrong = [*move.faults, *move.tally.failed, *move.tally.changed]
    if (count := move.tally.total("failed")) > len(move.tally.failed):
        wrong.append(f"{count} failed in all")
    if (count := move.tally.total("retried")) > RETRIES_MAX:
        wrong.append(f"tried again {count} times, more than {RETRIES_MAX}")
    wrong += [f"copied twice: {line}" for line in copied_twice(move.old, move.kills_of_copies, (move.content.broken_image[2], move.content.broken_blob))]
    copied = move.old.copied()
    sent, whole = sum(sent for _, sent in copied.values()), sum(map(move.old.size, copied))
    if copied:
        print(f"{len(copied)} manifests and blobs copied, {whole} bytes; {sent} bytes were read, in {move.kills_of_copies} copies that were killed and others")
    worked = [name for name in ["raw", *move.options.programs, *(["push"] if move.options.pushes else [])] if move.tally.total(name)]
    print(f"{sum(move.tally.total(name) for name in worked)} pulls and pushes by {', '.join(worked)}")
    return wrong


# Whether the test would notice


def prove(move):
    """Each fault that the test is to find, made on purpose, in front of the old registry alone."""
    missed = []

    def found(what, condition):
        print(f"{'found' if condition else 'MISSED':8}{what}", flush=True)
        missed.extend([] if condition else [what])

    def change(name):
        return move.tally.phases[move.tally.phase][name]

    def dwell_until(phase, name):
        """Clients choose by chance what they pull, and a busy machine lets them pull little."""
        for _ in range(ASKED_MAX):
            move.dwell(phase)
            if change(name):
                break

    dwell_until("nothing wrong", "raw")
    found("nothing where nothing is wrong", not verdict(move) and change("raw"))
    others = move.expected.tags[("app/single", "v1")][0][0]
    move.layout.tag("app/single", "v2", others)
    dwell_until("a tag that was moved", "changed")
    found("a changed digest", change("changed"))
    move.layout.tag("app/single", "v2", move.expected.last(("app/single", "v2")))
    broken = move.layout.data_path(move.content.big_layer)
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    dwell_until("a flipped bit in a layer", "failed")
    found("other bytes", change("failed"))
    broken.write_bytes(whole)
    with move.old.answering_500():
        move.dwell("500")
        found("refusals", change("failed"))
    move.dwell("well again")
    move.old.kill()
    move.dwell("killed")
    found("a registry that is gone", change("failed"))
    found("nobody tries again without a restart", not change("retried"))
    move.old.start_registry()
    with Connection(move.crowd.authority, COPY_HOST, PUSHER if move.options.closed else None) as connection:
        for _ in range(2):
            repository, _, digest = move.content.pulls[0]
            connection.manifest(repository, digest)
    for _ in range(50):
        # The log is written after the answer.
        if copied_twice(move.old, 0):
            break
        time.sleep(0.1)
    found("what is copied twice", copied_twice(move.old, 0))
    return missed


def hosts_file(address):
    return f"127.0.0.1 localhost\n{address} {HOST}\n127.0.0.3 {COPY_HOST}\n"


def parse():
    parser = argparse.ArgumentParser(prog="move.sh")
    parser.add_argument("lightship", type=pathlib.Path)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("-p", "--phase", action="append", choices=PHASES)
    parser.add_argument("-s", "--seconds", type=float, default=4.0)
    parser.add_argument("--raw", type=int, default=4)
    parser.add_argument("--tags", type=int, default=MANY_TAGS)
    parser.add_argument("--programs", type=lambda names: names.split(",") if names else [], default=PROGRAMS)
    parser.add_argument("--no-pushes", dest="pushes", action="store_false")
    parser.add_argument("--open", dest="closed", action="store_false")
    parser.add_argument("--prove", action="store_true")
    return parser.parse_args()


def main():
    options = parse()
    with contextlib.ExitStack() as stack:
        move = Move(options)
        stack.callback(move.stop)
        try:
            move.begin()
            if options.prove:
                wrong = prove(move)
            else:
                for name in options.phase or ALL:
                    PHASES[name](move)
                move.crowd.end()
                wrong = verdict(move)
        except NotYet as missing:
            print(missing, file=sys.stderr)
            sys.exit("\n".join(verdict(move)) or MISSING)
        except Fault as fault:
            sys.exit("\n".join([*verdict(move), f"cannot go on: {fault}"]))
    for line in wrong:
        print(f"WRONG {line}")
    sys.exit(1 if wrong else 0)


main()
