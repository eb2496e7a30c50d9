"""The servers that migrate.py measures with: docker-registry as the source, destinations, and proxies between."""

import collections
import contextlib
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time

from servers import Server, free_port, lightship


@contextlib.contextmanager
def fresh_lightship(work, binary, name="destination", *options):
    """An empty one, whose data is removed with the directory."""
    server = lightship(work, binary, pathlib.Path(tempfile.mkdtemp(prefix=name, dir=work)), *options)
    try:
        yield server
    finally:
        server.stop()


def remove(work, name="destination"):
    """What destinations have kept; done when every tool of a round has had its turn, and slept over before the next one."""
    for data in work.glob(f"{name}*"):
        if data.is_dir():
            shutil.rmtree(data)


# For so long ext4 looks at each inode that was removed, again for every new file: with those of one destination the next one takes 8 s
# of processor time more (`recently_deleted` in fs/ext4/ialloc.c).
SETTLE_SECONDS = 360


def processor(server):
    """Processor seconds that a server has taken so far."""
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Counting:
    """nginx between the client and each server; tells the requests that went through it since the last time.

    With a `host` all of them are reached by that name, whatever the client says.
    """

    def __init__(self, work, servers, host="$http_host"):
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
            f"keepalive_requests 1000000000; proxy_set_header Host {host}; proxy_set_header Connection '';\n"
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
