"""Registries without TLS on ports of their own: Debian's docker-registry, and Lightship."""

import contextlib
import pathlib
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


def lightship(work, binary, data, *options):
    port = free_port()
    return Server([binary, "serve", "--data", data, "--listen", f"127.0.0.1:{port}", *options], port, work / "lightship.log")
