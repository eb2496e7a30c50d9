"""Repositories in front of another registry; what remote.sh runs. Its head says what it prints."""

import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BINARY = os.environ["BINARY"]
ROUNDS = int(os.environ.get("ROUNDS", "3"))
CLIENTS = int(os.environ.get("CLIENTS", "50"))
MEGABYTES = int(os.environ.get("MEGABYTES", "1000"))
LAYERS = 4
SAMPLES = 20
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Server:
    """A server, until it is stopped."""

    def __init__(self, command, port, output=subprocess.DEVNULL):
        self.port = port
        self.process = subprocess.Popen(command, stdout=output, stderr=output)
        while True:
            if self.process.poll() is not None:
                sys.exit(f"it ended at once: {' '.join(map(str, command))}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.005)

    def memory(self):
        """MiB at most."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def docker_registry(work, name, remote=None):
    port = free_port()
    settings, log = work / f"{name}.yml", work / f"{name}.log"
    proxy = f"proxy: {{remoteurl: 'http://127.0.0.1:{remote}'}}\n" if remote else ""
    settings.write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: false}}\n"
        "storage:\n"
        "  cache: {blobdescriptor: inmemory}\n"
        f"  filesystem: {{rootdirectory: {work}/{name}, maxthreads: 100}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n" + proxy
    )
    return Server(["docker-registry", "serve", settings], port, log.open("ab"))


def lightship(work, name):
    port = free_port()
    return Server([BINARY, "serve", "--data", work / name, "--listen", f"127.0.0.1:{port}", "-q"], port)


def ask(connection, method, path, body=None, headers=()):
    connection.request(method, path, body, dict(headers))
    answer = connection.getresponse()
    content = answer.read()
    if answer.status >= 300:
        sys.exit(f"{method} {path}: {answer.status} {content[:500]}")
    return answer, content


def remote_repository(server, repository, upstream):
    body = {
        "format": "DOCKER",
        "mode": "REMOTE_REPOSITORY",
        "remoteRepositoryConfig": {"commonRepository": {"uri": f"127.0.0.1:{upstream}"}},
    }
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    path = f"/v1/projects/p/locations/us/repositories?repositoryId={repository}"
    ask(connection, "POST", path, json.dumps(body), {"content-type": "application/json"}.items())


def push(upstream, name):
    """An image of random layers; the digests of its blobs."""
    connection = http.client.HTTPConnection("127.0.0.1", upstream.port)

    def blob(content):
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        answer, _ = ask(connection, "POST", f"/v2/{name}/blobs/uploads/")
        place = answer.getheader("location").split(str(upstream.port), 1)[1]
        ask(connection, "PUT", f"{place}&digest={digest}", content)
        return {"mediaType": "application/octet-stream", "digest": digest, "size": len(content)}

    config = blob(b"{}")
    layers = [blob(os.urandom(MEGABYTES * 1_000_000 // LAYERS)) for _ in range(LAYERS)]
    config["mediaType"] = "application/vnd.oci.image.config.v1+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})
    ask(connection, "PUT", f"/v2/{name}/manifests/v1", manifest, {"content-type": MANIFEST}.items())
    return [layer["digest"] for layer in layers]


def time_of(port, path, host, connection=None):
    """Milliseconds until all of an answer came, over a connection that is open."""
    connection = connection or http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    began = time.perf_counter()
    ask(connection, "GET", path, None, {"host": host, "accept": MANIFEST}.items())
    return (time.perf_counter() - began) * 1000


def told(times):
    return f"{statistics.median(times):.2f} ms | {min(times):.2f}–{max(times):.2f} ms"


def manifest_row(work, upstream):
    print(f"\nmanifest of an image of {MEGABYTES} MB that is not there yet, {SAMPLES} times in turn\n")
    print("| asked | median | min–max |\n|---|---|---|")
    server = lightship(work, "manifest")
    for number in range(SAMPLES + 1):
        remote_repository(server, f"r{number}", upstream.port)
    mirrors = []
    own, ours, theirs = [], [], []
    for number in range(SAMPLES + 1):
        own.append(time_of(upstream.port, "/v2/app/manifests/v1", "localhost"))
        ours.append(time_of(server.port, f"/v2/p/r{number}/app/manifests/v1", "us-docker.pkg.dev"))
        mirrors.append(docker_registry(work, f"mirror-{number}", upstream.port))
        theirs.append(time_of(mirrors[-1].port, "/v2/app/manifests/v1", "localhost"))
        mirrors.pop().stop()
    server.stop()
    # The first one of each is not counted: connections are opened and certificates read.
    print(f"| the upstream itself | {told(own[1:])} |")
    print(f"| through lightship | {told(ours[1:])} |")
    print(f"| through docker-registry as a mirror | {told(theirs[1:])} |")
    print(f"\nthe first one through lightship: {ours[0]:.2f} ms")
    more = statistics.median(ours[1:]) - statistics.median(own[1:])
    print(f"more than the upstream: {more:.2f} ms (target: at most 10 ms)")
    return more <= 10


def clients(port, name, host, digests):
    """Seconds in which as many clients have every layer, each over one connection."""
    urls = [f"http://127.0.0.1:{port}/v2/{name}/blobs/{digest}" for digest in digests]
    command = ["curl", "-sS", "-f", "-H", f"host: {host}", "--no-progress-meter"]
    for url in urls:
        command += ["-o", "/dev/null", url]
    began = time.perf_counter()
    running = [subprocess.Popen(command) for _ in range(CLIENTS)]
    if any(client.wait() for client in running):
        sys.exit("a client failed")
    return time.perf_counter() - began


def blobs_sent(work, digests):
    """How often the upstream sent each blob since this was asked the last time."""
    log = work / "upstream.log"
    lines = [line for line in log.read_text().splitlines() if "GET /v2/app/blobs/" in line and ' HTTP/1.1"' in line]
    log.write_text("")
    return [sum(digest in line for line in lines) for digest in digests]


def clients_row(work, upstream, digests):
    print(f"\n{CLIENTS} clients pull one image of {MEGABYTES} MB at once, {ROUNDS} rounds in turn\n")
    print("| through | cold | there already | cold rate | ratio | each blob sent by the upstream | peak memory |")
    print("|---|---|---|---|---|---|---|")
    names = ["lightship", "docker-registry as a mirror"]
    times = {name: ([], [], [], []) for name in names}
    for number in range(ROUNDS):
        for name in names:
            blobs_sent(work, digests)
            if name == "lightship":
                server, package, host = lightship(work, f"cold-{number}"), "p/r/app", "us-docker.pkg.dev"
                remote_repository(server, "r", upstream.port)
            else:
                server = docker_registry(work, f"mirror-cold-{number}", upstream.port)
                package, host = "app", "localhost"
            cold, warm, sent, memory = times[name]
            cold.append(clients(server.port, package, host, digests))
            sent.append(blobs_sent(work, digests))
            time.sleep(1)
            warm.append(clients(server.port, package, host, digests))
            memory.append(server.memory())
            server.stop()
            for place in work.glob("*cold-*"):
                if place.is_dir():
                    shutil.rmtree(place)
    holds = False
    for name in names:
        cold, warm, sent, memory = times[name]
        ratio = statistics.median(there / first for first, there in zip(cold, warm))
        rate = CLIENTS * MEGABYTES / statistics.median(cold)
        most = max(max(counts) for counts in sent)
        print(
            f"| {name} | {statistics.median(cold):.2f} s | {statistics.median(warm):.2f} s | {rate:.0f} MB/s "
            f"| {ratio:.2f} | {most} | {max(memory):.0f} MiB |"
        )
        if name == "lightship":
            holds = ratio >= 0.8 and most == 1
    print("\nratio: the rate of cold clients over that of clients of what is there (target: at least 0.8, each blob once)")
    return holds


def main():
    rows = sys.argv[1:] or ["manifest", "clients"]
    work = pathlib.Path(tempfile.mkdtemp(prefix="remote-"))
    upstream = docker_registry(work, "upstream")
    try:
        digests = push(upstream, "app")
        results = []
        if "manifest" in rows:
            results.append(manifest_row(work, upstream))
        if "clients" in rows:
            results.append(clients_row(work, upstream, digests))
    finally:
        upstream.stop()
        shutil.rmtree(work)
    sys.exit(0 if all(results) else 1)


main()
