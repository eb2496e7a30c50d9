"""The servers that migrate.py measures with: docker-registry as the source, destinations, and proxies between."""

import collections
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

START_SECONDS = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A process that listens on `port` of this machine once this is there."""

    def __init__(self, command, port, log):
        self.address = f"127.0.0.1:{port}"
        with open(log, "ab") as sink:
            self.process = subprocess.Popen([*map(str, command)], stdout=sink, stderr=sink)
        end = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"does not start: {' '.join(map(str, command))}\n{pathlib.Path(log).read_text()[-2000:]}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.005)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


def docker_registry(work, root):
    """Debian's, with what its documentation advises for speed, and no access log."""
    port = free_port()
    settings = work / f"registry-{port}.yml"
    settings.write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        "storage:\n"
        "  cache: {blobdescriptor: inmemory}\n"
        f"  filesystem: {{rootdirectory: {root}, maxthreads: 100}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    return Server(["docker-registry", "serve", settings], port, work / "registry.log")


def lightship(work, binary, data):
    port = free_port()
    return Server([binary, "serve", "--data", data, "--listen", f"127.0.0.1:{port}"], port, work / "lightship.log")


@contextlib.contextmanager
def fresh_lightship(work, binary):
    """An empty one, whose data is removed afterwards."""
    data = work / "destination"
    shutil.rmtree(data, ignore_errors=True)
    server = lightship(work, binary, data)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(data, ignore_errors=True)


class Counting:
    """nginx between the client and each server; tells the requests that went through it since the last time."""

    def __init__(self, work, servers):
        self.directory = work / "counting"
        self.directory.mkdir(exist_ok=True)
        self.logs, ports, sites = {}, {}, ""
        for name, server in servers.items():
            self.logs[name], ports[name] = self.directory / f"{name}.log", free_port()
            self.logs[name].write_text("")
            sites += (
                f"upstream {name} {{ server {server.address}; keepalive 64; }}\n"
                f"server {{ listen 127.0.0.1:{ports[name]}; access_log {self.logs[name]} short;\n"
                f"location / {{ proxy_pass http://{name}; }} }}\n"
            )
        settings = self.directory / "nginx.conf"
        temporary = "".join(f"{kind}_temp_path {self.directory};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        settings.write_text(
            f"daemon off; pid {self.directory}/pid; error_log {self.directory}/errors; worker_processes 1;\n"
            "events { worker_connections 1024; }\n"
            "http { log_format short '$request_method $request_uri $status $body_bytes_sent';\n"
            "client_max_body_size 0; proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off;\n"
            "keepalive_requests 1000000000; proxy_set_header Host $http_host; proxy_set_header Connection '';\n"
            f"{temporary}{sites} }}\n"
        )
        user = [] if os.getuid() else ["-g", "user root;"]
        self.server = Server(["nginx", "-c", settings, *user], next(iter(ports.values())), self.directory / "log")
        self.addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}

    def told(self, name):
        """How many requests of each kind (`HEAD manifest 200`) since this was last asked."""
        # nginx writes a line after the client has its answer.
        time.sleep(0.5)
        lines = self.logs[name].read_text().splitlines()
        os.truncate(self.logs[name], 0)
        # Clients that try TLS first have said nothing by that.
        return collections.Counter(kind(*line.split()[:3]) for line in lines if not line.startswith("- "))

    def stop(self):
        self.server.stop()


def kind(method, path, status):
    for name, pattern in KINDS:
        if re.search(pattern, path):
            return f"{method} {name} {status}"
    return f"{method} other {status}"


KINDS = [
    ("upload", r"/blobs/uploads/"),
    ("blob", r"/blobs/[^/]+$"),
    ("manifest", r"/manifests/[^/]+$"),
    ("tags", r"/tags/list"),
    ("referrers", r"/referrers/"),
    ("catalog", r"/_catalog"),
    ("ping", r"^/v2/?$"),
]


def delaying(work, server, milliseconds):
    """A proxy in front of `server` that everything it answers passes this much later, as does the first byte to it."""
    port = free_port()
    here = pathlib.Path(__file__).parent
    command = [sys.executable, here / "delay.py", f"127.0.0.1:{port}", server.address, milliseconds]
    return Server(command, port, work / "delay.log")
