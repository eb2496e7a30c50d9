"""Moving a registry: Lightship and its peers, in turn; what migrate.sh runs. Its head says what it prints."""

import http.client
import os
import pathlib
import statistics
import sys
import tempfile
import time

import migrate_remote as remote_repository
import migrate_servers as servers
import migrate_tools as tools
from layout import ACCEPT
from migrate_fixture import fixture
from servers import docker_registry

BINARY = os.environ["BINARY"]
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SCALE = float(os.environ.get("SCALE", "1"))
PEERS = os.environ.get("PEERS", "").split()
DELAY_MILLISECONDS = 20
MEMORY_MEBIBYTES_MAX = 150
# What ours has to be, times faster than each; of the hashing, at least this share of its rate.
COPY_WANTED = {"skopeo": 3, "crane": 2, "gcrane": 2, "regsync": 2, "hashing": 1 / 2.5}
AGAIN_WANTED = {"crane": 3, "heads": 1 / 1.3}
LISTING_REQUESTS_PER_REPOSITORY = 2
SOURCE_REQUESTS_PER_TAG, DESTINATION_REQUESTS_PER_REPOSITORY, CRANE_REQUESTS_RATIO = 1.1, 2, 1.9


class Bench:
    def __init__(self, work, known, source):
        self.work, self.known, self.source = work, known, source
        self.tools = tools.Tools(work, BINARY, known)
        self.names = [name for name in self.tools.names() if not PEERS or name in PEERS]
        self.environment = tools.environment(work)
        self.failed = {}

    def run(self, name, command, destination=None):
        log, sides = self.work / f"{name}.out", [self.source, destination] if destination else [self.source]
        before = [servers.processor(side) for side in sides]
        ran = tools.run(command, log, self.environment)
        took = [servers.processor(side) - earlier for side, earlier in zip(sides, before)]
        ran.source, ran.destination = [*took, float("nan")][:2]
        if ran.status != 0 and name not in ("lightship", "crane"):
            self.failed[name] = f"exit status {ran.status}: {log.read_text()[-300:].strip()}"
            return None
        tools.forbid(ran, name, log)
        return ran

    def copy(self, name, source, destination):
        """Copies all with a tool, and looks whether all tags arrived. Nothing when it failed."""
        ran = self.run(name, self.tools.command(name, source, destination.address), destination)
        if ran and (wrong := self.differing(destination.address)):
            self.failed[name] = f"{len(wrong)} tags are not there or differ, such as {wrong[0]}"
            return None
        return ran

    def differing(self, destination):
        connection, wrong = http.client.HTTPConnection(destination), []
        for name, tags in self.known["tags"].items():
            for tag, digest in tags.items():
                connection.request("HEAD", f"/v2/{name}/manifests/{tag}", headers={"Accept": ACCEPT})
                answer = connection.getresponse()
                answer.read()
                if answer.getheader("Docker-Content-Digest") != digest:
                    wrong.append(f"{name}:{tag}")
        return wrong


# Rows


def copy(bench, source=None, title="full copy into an empty Lightship on disk"):
    """Each tool in turn into an empty destination; and the two ways to hash all blobs."""
    source = source or bench.source.address
    seen = {}
    for turn in range(ROUNDS):
        for name in bench.names:
            if name in bench.failed:
                continue
            bench.tools.forget()
            with servers.fresh_lightship(bench.work, BINARY) as destination:
                keep(seen, name, bench.copy(name, source, destination))
        keep(seen, "hashing", bench.run("hashing", tools.hashing(bench.work, bench.known, source)))
        keep(seen, "hashing, kept alive", bench.run("kept-alive", tools.hashing_kept_alive(bench.work, bench.known, source)))
        servers.remove(bench.work)
        print(f"round {turn + 1} of {ROUNDS}", file=sys.stderr, flush=True)
        if SCALE >= 1 and turn + 1 < ROUNDS:
            time.sleep(servers.SETTLE_SECONDS)
    table(title, seen, COPY_WANTED, bench)


def delay(bench):
    """The same from a source that is far away."""
    far = servers.delaying(bench.work, bench.source, DELAY_MILLISECONDS)
    try:
        copy(bench, far.address, f"the same, {DELAY_MILLISECONDS} ms added on the source (by a proxy)")
    finally:
        far.stop()


def again(bench):
    """One destination that has everything; each tool finds that out, timed, and once more with its requests counted."""
    with servers.fresh_lightship(bench.work, BINARY) as destination:
        filler = "lightship" if "lightship" in bench.names else "crane"
        bench.tools.forget()
        if bench.copy(filler, bench.source.address, destination) is None:
            sys.exit(f"{filler}: {bench.failed[filler]}")
        copies_here(bench, "gcrane")
        seen = {}
        for _ in range(ROUNDS):
            for name in bench.names:
                if name not in bench.failed:
                    keep(seen, name, bench.copy(name, bench.source.address, destination))
            keep(seen, "heads", bench.run("heads", tools.heads(bench.work, bench.known, bench.source.address)))
        table("the same again, nothing to do", seen, AGAIN_WANTED, bench)
        counted(bench, [name for name in seen if name in bench.names], destination)


def copies_here(bench, name):
    """Finding nothing to do counts only of a tool that finds something when there is: gcrane needs Google's listing."""
    if name in bench.names:
        with servers.fresh_lightship(bench.work, BINARY) as empty:
            bench.copy(name, bench.source.address, empty)


def counted(bench, names, destination):
    proxies = servers.Counting(bench.work, {"source": bench.source, "destination": destination})
    repositories = len(bench.known["tags"])
    tags = sum(map(len, bench.known["tags"].values()))
    print(f"\nrequests of that, {tags} tags in {repositories} repositories")
    total = {}
    try:
        for name in names:
            # Another address is another registry: what a tool remembers of this one it learns in a first run.
            command = bench.tools.command(name, proxies.addresses["source"], proxies.addresses["destination"])
            for _ in range(2 if name == "lightship" else 1):
                tools.forbid(tools.run(command, bench.work / f"{name}.out", bench.environment), name, bench.work / f"{name}.out")
                sides = {side: proxies.told(side) for side in ("source", "destination")}
            total[name] = {side: sum(kinds.values()) for side, kinds in sides.items()}
            for side, kinds in sides.items():
                print(f"{name:12}{side:13}{total[name][side]:7}  " + ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(6)))
    finally:
        proxies.stop()
    if ours := total.get("lightship"):
        say("requests to the source for each tag", ours["source"] / tags, SOURCE_REQUESTS_PER_TAG)
        say("to the destination for each repository", ours["destination"] / repositories, DESTINATION_REQUESTS_PER_REPOSITORY)
        if "crane" in total:
            ratio = sum(total["crane"].values()) / sum(ours.values())
            say("requests of ours, times crane's wanted share", CRANE_REQUESTS_RATIO / ratio, 1)


def google(bench):
    """Both sides under a name of Google's, with its listing, which tells the digests of all tags of a repository at once."""
    if "lightship" not in bench.names:
        return print("\ngoogle: this lightship does not migrate")
    fresh = lambda name: servers.fresh_lightship(bench.work, BINARY, name, "--anonymous-writes")
    with fresh("source") as source, fresh("destination") as destination:
        proxies = servers.Counting(bench.work, {"source": source, "destination": destination}, "gcr.io")
        try:
            sides = [f"{proxies.addresses[name]}/distroless" for name in ("source", "destination")]
            bench.tools.forget()
            fill = bench.tools.lightship(f"{bench.source.address}/distroless", sides[0])
            print("\nfrom one registry with Google's listing to another: requests when there is nothing to do")
            log, repositories = bench.work / "google.out", len(bench.known["tags"])
            for command in (fill, bench.tools.lightship(*sides), bench.tools.lightship(*sides)):
                tools.forbid(tools.run(command, log, bench.environment), "lightship", log)
                seen = {name: proxies.told(name) for name in proxies.addresses}
            for name, kinds in seen.items():
                print(f"{name:13}{sum(kinds.values()):7}  " + ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(6)))
                say(f"to the {name} for each repository", sum(kinds.values()) / repositories, LISTING_REQUESTS_PER_REPOSITORY)
        finally:
            proxies.stop()


def memory(bench):
    if "lightship" not in bench.names:
        return print("\nmemory: this lightship does not migrate")
    peaks = []
    for _ in range(ROUNDS):
        bench.tools.forget()
        with servers.fresh_lightship(bench.work, BINARY) as destination:
            peaks.append(bench.copy("lightship", bench.source.address, destination).peak)
    print()
    say("peak memory of lightship migrate run, MiB", max(peaks), MEMORY_MEBIBYTES_MAX)


def remote(bench):
    """A remote repository in front of a registry with an image of 1 GB."""
    cold = remote_repository.Cold(bench.work, BINARY, SCALE)
    try:
        say(*remote_repository.first_answer(cold))
        say(*remote_repository.crowd(cold, ROUNDS))
    finally:
        cold.stop()


# Tables


def keep(seen, name, ran):
    if ran is not None:
        seen.setdefault(name, []).append(ran)


def table(title, seen, wanted, bench):
    print(f"\n{title}")
    print(f"{'':22}{'min s':>9}{'median s':>9}{'max s':>9}{'MB/s':>8}{'CPU s':>8}{'source':>8}{'dest.':>8}{'peak MiB':>9}{'its/ours':>9}  wanted")
    medians = {name: statistics.median(ran.wall for ran in runs) for name, runs in seen.items()}
    ours = medians.get("lightship")
    for name, runs in seen.items():
        walls = sorted(ran.wall for ran in runs)
        rate = bench.known["bytes"] / medians[name] / 1e6
        ratio = medians[name] / ours if ours else float("nan")
        verdict = f"≥ {wanted[name]:.2f}  {'met' if ratio >= wanted[name] else 'MISSED'}" if name in wanted and ours else ""
        processor, its_source, its_destination = (
            statistics.median(getattr(ran, whose) for ran in runs) for whose in ("processor", "source", "destination")
        )
        peak = max(ran.peak for ran in runs)
        print(
            f"{name:22}{walls[0]:9.2f}{medians[name]:9.2f}{walls[-1]:9.2f}{rate:8.0f}"
            f"{processor:8.1f}{its_source:8.1f}{its_destination:8.1f}{peak:9.1f}{ratio:9.2f}  {verdict}",
            flush=True,
        )
    for name, why in bench.failed.items():
        print(f"{name:22}cannot: {why}", flush=True)


def say(text, figure, most):
    print(f"{text:58}{figure:9.2f}  ≤ {most}  {'met' if figure <= most else 'MISSED'}", flush=True)


ROWS = {"copy": copy, "again": again, "google": google, "delay": delay, "memory": memory, "remote": remote}


def main():
    rows = sys.argv[1:] or list(ROWS)
    if unknown := set(rows) - set(ROWS):
        sys.exit(f"unknown: {' '.join(unknown)}; rows are {' '.join(ROWS)}")
    place = pathlib.Path(os.environ.get("DIRECTORY", "/var/tmp")).resolve()
    kept = place / f"lightship-migrate-{SCALE:g}"
    kept.mkdir(parents=True, exist_ok=True)
    known = fixture(kept, SCALE)
    tags = sum(map(len, known["tags"].values()))
    print(
        f"{len(known['tags'])} repositories, {tags} tags, {known['manifests']} manifests, "
        f"{len(known['blobs'])} blobs, {known['bytes'] / 1e9:.2f} GB",
        flush=True,
    )
    with tempfile.TemporaryDirectory(prefix="lightship-bench-", dir=place) as directory:
        work = pathlib.Path(directory)
        source = docker_registry(work, kept / "registry")
        try:
            bench = Bench(work, known, source)
            for row in rows:
                ROWS[row](bench)
        finally:
            source.stop()


main()
