"""Our registry and its peers under the same loads, in turn; what registry.sh runs. Its head says what it prints."""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BINARY, LOAD, SERVE, FILL = (os.environ[name] for name in ("BINARY", "LOAD", "SERVE", "FILL"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = int(os.environ.get("SECONDS_EACH", "2"))
TICK = os.sysconf("SC_CLK_TCK")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LARGE = 100_000_000
COLLECTION_SECONDS_MAX = float(os.environ.get("COLLECTION_SECONDS_MAX", "40"))


# Servers

MOST_MEMORY = {}


class Server:
    """A server of ours or a peer, and the processes that it consists of."""

    def __init__(self, name, command, port, tls_port=None, **pipes):
        self.name, self.port, self.tls_port = name, port, tls_port
        began = time.monotonic()
        self.process = subprocess.Popen(command, **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **pipes})
        while True:
            if self.process.poll() is not None:
                sys.exit(f"{name} ended at once: {' '.join(map(str, command))}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.001)
        self.began_after = time.monotonic() - began

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def processes(self):
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout
        return [self.process.pid, *map(int, found.split())]

    def cpu(self):
        """Processor seconds until now."""
        ticks = 0
        for process in self.processes():
            words = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(words[11]) + int(words[12])
        return ticks / TICK

    def memory(self, field):
        """MiB of all its processes: VmRSS now, VmHWM at most."""
        total = 0
        for process in self.processes():
            found = re.search(rf"{field}:\s+(\d+)", pathlib.Path(f"/proc/{process}/status").read_text())
            total += int(found[1]) if found else 0
        return total / 1024

    def most_memory(self):
        """Since the first of its name began."""
        now = self.memory("VmHWM")
        MOST_MEMORY[self.name] = max(now, MOST_MEMORY.get(self.name, now))
        return MOST_MEMORY[self.name]

    def stop(self):
        self.most_memory()
        self.process.terminate()
        self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def lightship(data):
    port = free_port()
    return Server("lightship", [BINARY, "serve", "--data", data, "--listen", f"127.0.0.1:{port}"], port)


def lightship_over_tls(data, work, certificate):
    """The same, of a data directory that no other server uses."""
    settings, port = work / "tls.toml", free_port()
    settings.write_text(f'[tls]\ncertificate = "{certificate}.pem"\nkey = "{certificate}.key"\n')
    command = [BINARY, "serve", "--config", settings, "--data", data, "--listen", f"127.0.0.1:{port}"]
    return Server("lightship", command, port, port)


def docker_registry(work):
    port = free_port()
    settings = work / "docker-registry.yml"
    settings.write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        "storage:\n"
        "  cache: {blobdescriptor: inmemory}\n"
        f"  filesystem: {{rootdirectory: {work}/docker-registry, maxthreads: 100}}\n"
        "  delete: {enabled: true}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    return Server("docker-registry", ["docker-registry", "serve", settings], port)


def nginx(work, site, certificate=None):
    port, tls_port = free_port(), free_port()
    tls = ""
    if certificate:
        tls = f"listen 127.0.0.1:{tls_port} ssl; ssl_certificate {certificate}.pem; ssl_certificate_key {certificate}.key;"
    (work / "nginx").mkdir(exist_ok=True)
    settings = work / "nginx.conf"
    settings.write_text(
        f"daemon off; pid {work}/nginx/pid; error_log {work}/nginx/log; worker_processes auto;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; open_file_cache max=1000;\n"
        f"client_body_temp_path {work}/nginx; proxy_temp_path {work}/nginx; fastcgi_temp_path {work}/nginx;\n"
        f"uwsgi_temp_path {work}/nginx; scgi_temp_path {work}/nginx;\n"
        f"server {{ listen 127.0.0.1:{port}; {tls} root {site}; default_type {MANIFEST}; }} }}\n"
    )
    user = [] if os.getuid() else ["-g", "user root;"]
    return Server("nginx", ["nginx", "-c", settings, *user], port, tls_port)


# What is pushed


def curl(*words):
    done = subprocess.run(["curl", "-sS", "--fail-with-body", *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"curl {words}: {done.stdout} {done.stderr}")
    return done.stdout


def push_blob(server, name, path):
    digest = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    head = curl("-D-", "-o", "/dev/null", "-X", "POST", f"http://{server.address}/v2/{name}/blobs/uploads/")
    place = re.search(r"(?im)^location: *(\S+)", head)[1]
    if place.startswith("/"):
        place = f"http://{server.address}{place}"
    place += ("&" if "?" in place else "?") + f"digest={digest}"
    curl("-X", "PUT", "-H", "Content-Type: application/octet-stream", "-T", path, place)
    return digest


def descriptor(media_type, path):
    content = path.read_bytes()
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def publish(servers, work):
    """An image with a layer of 100 MB goes to all; nginx gets files with the same paths. Returns the two paths."""
    layer, configuration, manifest = work / "layer", work / "configuration", work / "manifest"
    with layer.open("wb") as file:
        for _ in range(LARGE // 1_000_000):
            file.write(os.urandom(1_000_000))
    configuration.write_text('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", configuration),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    }
    manifest.write_text(json.dumps(document))
    for server in servers:
        push_blob(server, "app", layer)
        push_blob(server, "app", configuration)
        url = f"http://{server.address}/v2/app/manifests/latest"
        curl("-X", "PUT", "-H", f"Content-Type: {MANIFEST}", "-T", manifest, url)
    site = work / "site/v2/app"
    for directory in ("manifests", "blobs"):
        (site / directory).mkdir(parents=True)
    shutil.copy(manifest, site / "manifests/latest")
    blob = "/v2/app/blobs/" + document["layers"][0]["digest"]
    shutil.copy(layer, f"{work}/site{blob}")
    return "/v2/app/manifests/latest", blob


# Loads: each returns how many, in how many seconds, and the two percentiles in microseconds


def wrk(server, path, connections, scheme="http"):
    port = server.tls_port if scheme == "https" else server.port
    command = ["wrk", "-t2", f"-c{connections}", f"-d{SECONDS}s", "--latency", "--timeout", "10s"]
    command += ["-H", f"Accept: {MANIFEST}", f"{scheme}://127.0.0.1:{port}{path}"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(f"{server.name}: {text}")
    units = {"us": 1, "ms": 1e3, "s": 1e6}
    at = {
        percent: float(value) * units[unit]
        for percent, value, unit in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)\b", text)
    }
    count, seconds, unit = re.search(r"(\d+) requests in ([\d.]+)(s|m)", text).groups()
    return int(count), float(seconds), at["50"], at["99"]


def load(*words):
    done = subprocess.run([LOAD, *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"load {words}: {done.stderr}")
    count, seconds, p50, p99 = done.stdout.split()
    return int(count), float(seconds), float(p50), float(p99)


def in_turn(servers, work):
    """Runs `work` of each server in turn, after one uncounted round; medians of what it returned and of its processor time."""
    seen = {server.name: [] for server in servers}
    for turn in range(ROUNDS + 1):
        for server in servers:
            before = server.cpu()
            count, seconds, p50, p99 = work(server)
            if turn > 0:
                spent = (server.cpu() - before) / count * 1e6
                seen[server.name].append((count / seconds, p50, p99, spent))
    return {name: [statistics.median(column) for column in zip(*rows)] for name, rows in seen.items()}


# Tables


def table(title, figures, factors, unit="requests"):
    """`factors`: what ours has to be, times the peer's."""
    print(f"\n{title}")
    print(f"{'':18}{unit + '/s':>12}{'p50 µs':>10}{'p99 µs':>10}{'CPU µs':>10}{'ours/its':>10}  wanted")
    ours = figures["lightship"][0]
    for name, (rate, p50, p99, spent) in figures.items():
        ratio = ours / rate
        wanted = f"≥ {factors[name]}  {'met' if ratio >= factors[name] else 'MISSED'}" if name in factors else ""
        print(f"{name:18}{rate:12.1f}{p50:10.0f}{p99:10.0f}{spent:10.1f}{ratio:10.2f}  {wanted}", flush=True)


def say(text, figure, unit, most):
    print(f"{text:58}{figure:9.2f} {unit:4}  ≤ {most}  {'met' if figure <= most else 'MISSED'}", flush=True)


# Rows


def reads(work, rows):
    servers = [lightship(work / "lightship"), docker_registry(work)]
    certificate = make_certificate(work)
    idle = servers[0].memory("VmRSS")
    try:
        manifest, blob = publish(servers, work)
        servers.append(nginx(work, work / "site", certificate))
        if "manifest" in rows:
            figures = in_turn(servers, lambda server: wrk(server, manifest, 16))
            table("manifest GET by tag, 16 connections", figures, {"docker-registry": 20, "nginx": 0.35})
        if "head" in rows:
            figures = in_turn(servers, lambda server: load("requests", server.address, "HEAD", 16, SECONDS, blob))
            table("HEAD of a blob, 16 connections", figures, {"docker-registry": 10})
        if "blob" in rows:
            figures = in_turn(servers, lambda server: wrk(server, blob, 4))
            wanted = {"docker-registry": 0.95, "nginx": 1.2}
            table("blob GET, 100 MB, 4 connections", figures, wanted, "blobs")
        if "tls" in rows:
            over_tls(work, servers, certificate, blob)
        if "push" in rows:
            pushes(work, servers[:2])
        if "memory" in rows:
            print("\nmemory of lightship (resident)")
            say("idle, just started", idle, "MiB", 30)
            say("most, under the loads above", servers[0].most_memory(), "MiB", 150)
            for server in servers[1:]:
                print(f"{server.name + ': most':58}{server.most_memory():9.2f} MiB")
    finally:
        for server in servers:
            server.stop()


def over_tls(work, servers, certificate, blob):
    """Ours begins again with the same data; the others stay."""
    servers[0].stop()
    servers[0] = lightship_over_tls(work / "lightship", work, certificate)
    figures = in_turn([servers[0], servers[-1]], lambda server: wrk(server, blob, 4, "https"))
    table("blob GET over TLS, 100 MB, 4 connections", figures, {"nginx": 0.9}, "blobs")
    servers[0].stop()
    servers[0] = lightship(work / "lightship")


def pushes(work, servers):
    """Images of 1 MB, each with bytes that were never pushed before; then once more under strace for the syncs."""
    number = 0

    def push(server, images=160):
        nonlocal number
        number += 1
        return load("push", server.address, 8, images, 1_000_000, f"{os.getpid()}-{number}")

    table("push of 1 MB images, 8 clients", in_turn(servers, push), {"docker-registry": 3}, "images")
    if shutil.which("strace") is None:
        return
    for server in servers:
        counted = work / "syncs"
        command = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", counted, "-p", str(server.process.pid)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as tracer:
            time.sleep(1)
            push(server, 80)
            tracer.terminate()
        syncs = len(re.findall(r"(?m)^\d+ +(?:fsync|fdatasync)\(", counted.read_text()))
        print(f"{server.name}: {syncs / 80:.2f} syncs per push")


def make_certificate(work):
    """A key and a certificate for this machine, as NAME.key and NAME.pem."""
    name = work / "tls"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", f"{name}.key", "-out", f"{name}.pem"], check=True, capture_output=True)
    return name


def start(filled):
    """From the start of the program to its first answer, and the listing of all tags."""
    begun, listed = [], []
    for _ in range(2 * ROUNDS + 1):
        server = lightship(filled)
        try:
            begun.append(server.began_after * 1000)
            for _ in range(5):
                before = time.monotonic()
                answer = curl(f"http://{server.address}/v2/a/tags/list?n=20000", "-w", "%{time_starttransfer} %{time_total}", "-o", "/dev/null")
                listed.append(float(answer.split()[1]) * 1000)
        finally:
            server.stop()
    print("\n100,000 manifests and 10,000 tags in one package")
    say("start to ready", statistics.median(begun), "ms", 100)
    say("tags/list of all, by curl", statistics.median(listed), "ms", 20)


def collection(filled, work):
    """Pulls, 1,000 at a time, without and with a collection beside them; no two follow each other for the same image."""
    print("\n1,000 pulls by 2 clients beside a collection over 100,000 blobs that frees 90,000 of them")
    copy, port, pulled = copy_of(filled, work / "collected"), free_port(), 0

    def pull():
        nonlocal pulled
        pulled += 1000
        return load("pull", f"127.0.0.1:{port}", 2, 1000, "a", 10_000, pulled)

    command = [SERVE, "--data", copy, "--listen", f"127.0.0.1:{port}"]
    server = Server("lightship", command, port, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        pull()
        alone = [pull() for _ in range(10 * ROUNDS)]
        server.process.stdin.write(b"collect\n")
        server.process.stdin.flush()
        os.set_blocking(server.process.stdout.fileno(), False)
        beside, began, told = [], time.monotonic(), None
        while not told and time.monotonic() - began < COLLECTION_SECONDS_MAX:
            beside.append(pull())
            told = server.process.stdout.readline()
    finally:
        server.stop()
    # The last pulls did not have a collection beside them until their end.
    beside = beside[:-1] if told else beside
    took = time.monotonic() - began
    print(f"the collection {'ended after' if told else 'had not ended after'} {took:.0f} s; {len(alone)} and {len(beside)} × 1,000 pulls")
    for name, column in (("p50", 2), ("p99", 3)):
        before, then = (statistics.median(row[column] for row in rows) for rows in (alone, beside))
        print(f"median of their {name}: {before:.0f} µs without, {then:.0f} µs with")
    say("p99 with, times p99 without", then / before, "×", 2)


def filled(work, rows):
    """Filled in memory, where no write waits for a disk, and measured from the disk."""
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else work
    with tempfile.TemporaryDirectory(prefix="lightship-bench-", dir=memory) as directory:
        # FILLED names one that was made before.
        source = pathlib.Path(os.environ.get("FILLED", f"{directory}/filled"))
        if not source.exists():
            subprocess.run([FILL, source, "100000"], check=True)
        if "start" in rows:
            start(copy_of(source, work / "copy"))
        if "collection" in rows:
            collection(source, work)


def copy_of(source, copy):
    subprocess.run(["cp", "-a", source, copy], check=True)
    os.sync()
    return copy


ROWS = ["manifest", "head", "blob", "tls", "push", "memory", "start", "collection"]


def main():
    rows = sys.argv[1:] or ROWS
    if unknown := set(rows) - set(ROWS):
        sys.exit(f"unknown: {' '.join(unknown)}; rows are {' '.join(ROWS)}")
    with tempfile.TemporaryDirectory(prefix="lightship-bench-") as directory:
        work = pathlib.Path(directory)
        if set(rows) & {"manifest", "head", "blob", "tls", "push", "memory"}:
            reads(work, rows)
        if set(rows) & {"start", "collection"}:
            filled(work, rows)


main()
