"""A remote repository of ours in front of a registry: how soon a manifest comes, and how 50 clients get a cold image."""

import http.client
import json
import statistics
import subprocess
import sys
import time

import migrate_servers as servers
from layout import OCI, Layout, digest_of, gzipped_layer
from servers import docker_registry

IMAGES, CLIENTS, PROCESSES = 20, 50, 2
IMAGE_BYTES, LAYERS = 1_000_000_000, 4
HOST, NAME = "us-docker.pkg.dev", "bench/cache"
FIRST_ANSWER_MILLISECONDS, SHARE_OF_CACHED = 10, 0.8


class Cold:
    """An upstream with images of 1 GB that share their layers, counted, and our servers with an empty cache of it."""

    def __init__(self, work, binary, scale):
        self.work, self.binary = work, binary
        layout = Layout(work / "large")
        layers = []
        for number in range(LAYERS):
            content, _ = gzipped_layer(f"large {number}", int(IMAGE_BYTES * scale / LAYERS))
            layers.append({"mediaType": OCI["layer"], "digest": layout.blob("app", content), "size": len(content)})
        configuration = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
        described = {"mediaType": OCI["config"], "digest": layout.blob("app", configuration), "size": len(configuration)}
        for number in range(IMAGES):
            document = {"schemaVersion": 2, "mediaType": OCI["manifest"], "config": described, "layers": layers}
            manifest = layout.manifest("app", document | {"annotations": {"number": str(number)}}, OCI["manifest"])
            layout.tag("app", f"v{number}", manifest["digest"])
        self.blobs = [layer["digest"] for layer in layers]
        self.bytes = sum(layer["size"] for layer in layers)
        self.upstream = docker_registry(work, work / "large")
        self.counting = servers.Counting(work, {"upstream": self.upstream})

    def fresh(self):
        return servers.fresh_lightship(self.work, self.binary)

    def repository(self, server):
        words = [self.binary, "repo", "create", "bench/us/cache", "--mode", "remote", "--upstream", self.counting.addresses["upstream"]]
        done = subprocess.run([*words, "--registry", server.address], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"no remote repository: {done.stderr}")

    def stop(self):
        self.counting.stop()
        self.upstream.stop()


def first_answer(cold):
    """Manifests that the cache has not seen, in turn with the same from the upstream, by HTTP kept alive."""
    seen = {"upstream": [], "through lightship, cold": []}
    with cold.fresh() as server:
        cold.repository(server)
        near = http.client.HTTPConnection(server.address)
        far = http.client.HTTPConnection(cold.counting.addresses["upstream"])
        for number in range(IMAGES):
            seen["upstream"].append(manifest(far, f"/v2/app/manifests/v{number}", {}))
            seen["through lightship, cold"].append(manifest(near, f"/v2/{NAME}/app/manifests/v{number}", {"Host": HOST}))
    # The first one opens the connection to the upstream.
    print("\nmanifest of an image of 1 GB, cold: milliseconds, the first left out")
    for name, times in seen.items():
        print(f"{name:30}{min(times[1:]):9.2f} min{statistics.median(times[1:]):9.2f} median{max(times[1:]):9.2f} max")
    upstream, cold_time = (statistics.median(times[1:]) for times in seen.values())
    return "more than the upstream's own time, ms", cold_time - upstream, FIRST_ANSWER_MILLISECONDS


def manifest(connection, path, headers):
    began = time.monotonic()
    connection.request("GET", path, headers={"Accept": OCI["manifest"], **headers})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200 or answer.getheader("Docker-Content-Digest") != digest_of(content):
        sys.exit(f"GET {path}: {answer.status} {content[:300]}")
    return (time.monotonic() - began) * 1000


def crowd(cold, rounds):
    """50 clients on one image that the cache has not, then the same again, when it has."""
    rates, asked = {"cold": [], "cached": []}, []
    for _ in range(rounds):
        with cold.fresh() as server:
            cold.repository(server)
            cold.counting.told("upstream")
            for state, seen in rates.items():
                began = time.monotonic()
                pulls(cold, server)
                seen.append(CLIENTS * cold.bytes / (time.monotonic() - began) / 1e6)
            asked.append(cold.counting.told("upstream").get("GET blob 200", 0))
    print(f"\n{CLIENTS} clients, one image of {cold.bytes / 1e9:.2f} GB, through a remote repository")
    for state, seen in rates.items():
        print(f"{state:30}{min(seen):9.0f} min{statistics.median(seen):9.0f} median{max(seen):9.0f} max MB/s")
    print(f"blobs asked of the upstream: {', '.join(map(str, asked))}, there are {LAYERS}  {'met' if set(asked) == {LAYERS} else 'MISSED'}")
    share = statistics.median(rates["cold"]) / statistics.median(rates["cached"])
    return "wanted share of the cached rate, times ours", SHARE_OF_CACHED / share, 1


def pulls(cold, server):
    """Two processes of curl, each 25 clients; every client fetches every layer."""
    running = []
    for number in range(PROCESSES):
        settings = cold.work / f"crowd{number}"
        urls = [f"http://{server.address}/v2/{NAME}/app/blobs/{blob}" for blob in cold.blobs for _ in range(CLIENTS // PROCESSES)]
        lines = f'silent\nshow-error\nfail\nno-progress-meter\nparallel\nparallel-immediate\nparallel-max = {CLIENTS // PROCESSES}\nheader = "Host: {HOST}"\n'
        settings.write_text(lines + "".join(f"url = {url}\noutput = /dev/null\n" for url in urls))
        running.append(subprocess.Popen(["curl", "-K", settings]))
    for process in running:
        if process.wait() != 0:
            sys.exit(f"curl: exit status {process.returncode}")
