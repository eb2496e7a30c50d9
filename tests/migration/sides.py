"""The two sides of a move as processes: an old docker-registry behind nginx with TLS, and the new Lightship server."""

import base64
import collections
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

START_SECONDS = 20
HOST, COPY_HOST = "registry.example", "old.example"
# Within a network namespace of the test's own.
NEW, OLD, COPY, BACKEND = "127.0.0.1", "127.0.0.2", "127.0.0.3", ("127.0.0.2", 5000)
# Who pushes, on both sides, and who administers the new one; passwords are the names.
PUSHER, ADMINISTRATOR = "ci", "root"
# Of one connection, so that a large blob is underway for a while.
COPY_RATE = "30m"
REPOSITORY = "projects/default/locations/local/repositories/images"


class Fault(Exception):
    """Something that the test needs did not work; not what it looks for."""


def wait_for(what, condition):
    end = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise Fault(f"{what}: not after {START_SECONDS} s")
        time.sleep(0.01)


def listens(address, port):
    with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
        return True
    return False


class Old:
    """docker-registry; nginx in front ends TLS and logs. What copies comes by another name, so that it is counted apart.

    Closed, everybody reads and the pusher alone writes.
    """

    def __init__(self, directory, closed):
        self.closed = closed
        self.directory = directory / "old"
        (self.directory / "nginx").mkdir(parents=True, exist_ok=True)
        self.certificate = directory / "tls/server"
        self.log, self.copy_log = self.directory / "clients.log", self.directory / "copies.log"
        self.registry = self.nginx = None

    def start(self):
        words = ["htpasswd", "-bcm", self.directory / "users", PUSHER, PUSHER]
        subprocess.run(words, check=True, capture_output=True)
        settings = self.directory / "registry.yml"
        settings.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{cache: {{blobdescriptor: inmemory}}, filesystem: {{rootdirectory: {self.directory}/data, maxthreads: 100}}, "
            f"delete: {{enabled: true}}}}\nhttp: {{addr: '{BACKEND[0]}:{BACKEND[1]}'}}\n"
        )
        self._configure("")
        self.start_registry()
        user = [] if os.getuid() else ["-g", "user root;"]
        self.nginx = self._spawn(["nginx", "-c", self.directory / "nginx.conf", *user], "nginx.out")
        wait_for("nginx", lambda: listens(OLD, 443) and listens(COPY, 443))

    def start_registry(self):
        self.registry = self._spawn(["docker-registry", "serve", self.directory / "registry.yml"], "registry.out")
        wait_for("docker-registry", lambda: listens(*BACKEND))

    def _spawn(self, command, log):
        with open(self.directory / log, "ab") as sink:
            return subprocess.Popen([*map(str, command)], stdout=sink, stderr=sink)

    def _configure(self, first):
        asked = f'auth_basic "old"; auth_basic_user_file {self.directory}/users;' if self.closed else ""
        access = f"limit_except GET HEAD {{ {asked} }}" if self.closed else ""
        sites = "".join(
            f"server {{ listen {address}:443 ssl; server_name {name}; access_log {log} short;\n"
            f"ssl_certificate {self.certificate}.crt; ssl_certificate_key {self.certificate}.key;\n"
            f"location = /v2/ {{ {first} {asked} proxy_pass http://{BACKEND[0]}:{BACKEND[1]}; }}\n"
            f"location / {{ {first} {access} limit_rate {rate}; proxy_pass http://{BACKEND[0]}:{BACKEND[1]}; }} }}\n"
            for address, name, log, rate in ((OLD, HOST, self.log, 0), (COPY, COPY_HOST, self.copy_log, COPY_RATE))
        )
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"{kind}_temp_path {self.directory}/nginx;\n" for kind in kinds)
        (self.directory / "nginx.conf").write_text(
            f"daemon off; pid {self.directory}/nginx/pid; error_log {self.directory}/nginx.errors; worker_processes 1;\n"
            "events { worker_connections 1024; }\n"
            "http { log_format short '$request_method $request_uri $status $body_bytes_sent $http_range \"$http_user_agent\"';\n"
            "client_max_body_size 0; proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off;\n"
            "keepalive_requests 1000000000; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https;\n"
            f"{temporary}{sites} }}\n"
        )

    # Failing

    @contextlib.contextmanager
    def answering_500(self):
        self._configure("return 500;")
        self._reload(500)
        try:
            yield
        finally:
            self._configure("")
            self._reload(401 if self.closed else 200)

    def _reload(self, status):
        self.nginx.send_signal(signal.SIGHUP)
        wait_for(f"nginx to answer {status}", lambda: self._status() == status)

    def _status(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with contextlib.suppress(OSError), socket.create_connection((OLD, 443), 5) as plain:
            with context.wrap_socket(plain) as secure:
                secure.sendall(f"GET /v2/ HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
                return int(secure.recv(100).split()[1])
        return None

    @contextlib.contextmanager
    def not_answering(self):
        """It takes connections and says nothing."""
        self.registry.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.registry.send_signal(signal.SIGCONT)

    def kill(self):
        self.registry.kill()
        self.registry.wait()

    def stop(self):
        for process in (self.nginx, self.registry):
            if process and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
                process.wait()

    # What was read from it

    def copied(self):
        """Of each blob and manifest that was copied: how often it was asked for, and how many bytes went out."""
        seen = collections.defaultdict(lambda: [0, 0])
        for line in self.copy_log.read_text().splitlines():
            method, path, status, sent = line.split()[:4]
            if method == "GET" and status in ("200", "206") and "sha256:" in path:
                seen[path.rsplit("/", 1)[1]][0] += 1
                seen[path.rsplit("/", 1)[1]][1] += int(sent)
        return seen

    def size(self, digest):
        """Of a blob or manifest, in bytes."""
        hexadecimal = digest.removeprefix("sha256:")
        return (self.directory / f"data/docker/registry/v2/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data").stat().st_size

    def reads(self):
        """The requests for content that came by the clients' name. What callers show is checked as long as there is a way back."""
        return [line for line in self.log.read_text().splitlines() if not line.startswith("GET /v2/ ")]


class New:
    """A Lightship server that is killed and started again; `restarts` are the moments when clients may find nobody."""

    def __init__(self, directory, binary, closed):
        self.directory, self.binary, self.process, self.closed = directory / "new", binary, None, closed
        self.directory.mkdir(exist_ok=True)
        self.docker_config = self.directory / "docker/config.json"
        self.tls, self.restarts, self.lock = directory / "tls", [], threading.Lock()

    def understands(self, *words):
        """Whether the program has a command."""
        return subprocess.run([self.binary, *words, "--help"], capture_output=True, check=False).returncode == 0

    def server_option(self, command):
        """What names the server to administer."""
        told = subprocess.run([self.binary, "migrate", command, "--help"], capture_output=True, text=True, check=True).stdout
        return "--server" if "--server" in told else "--registry"

    def spoken(self):
        """How the program reaches the server, as somebody on its machine."""
        return ["--tls", f"{NEW}:443", "--ca-file", self.tls / "ca.crt"]

    def start(self):
        settings = self.directory / "lightship.toml"
        printed = subprocess.run([self.binary, "serve", "--print-config"], capture_output=True, text=True, check=True).stdout
        upstream = (
            f'[upstream]\ncertificates = "{self.directory.parent}/certs.d"\naddresses = {{ "{HOST}" = "{OLD}:443" }}\n'
            f'docker_config = "{self.docker_config}"\n'
            if "[upstream]" in printed else ""
        )
        settings.write_text(
            f'[server]\nlisten = "{NEW}:443"\ndata = "{self.directory}/data"\n'
            f'[tls]\ncertificate = "{self.tls}/server.crt"\nkey = "{self.tls}/server.key"\n'
            f'[access]\nanonymous_writes = "anybody"\n{upstream}'
        )
        self.docker_config.parent.mkdir(exist_ok=True)
        logins = {f"{NEW}:443": ADMINISTRATOR, HOST: PUSHER} if self.closed else {}
        auths = {host: {"auth": base64.b64encode(f"{name}:{name}".encode()).decode()} for host, name in logins.items()}
        self.docker_config.write_text(json.dumps({"auths": auths}))
        if self.closed:
            self.run("account", "create", ADMINISTRATOR, "--admin", "--data", self.directory / "data", "--password-stdin", given=ADMINISTRATOR)
        self._spawn()
        spoken = ["--registry", f"{NEW}:443", *self.spoken()]
        self.run("repo", "create", REPOSITORY, *spoken)
        if self.closed:
            self.run("account", "create", PUSHER, "--password-stdin", *spoken, given=PUSHER)
            self.run("iam", "grant", f"user:{PUSHER}", "repoAdmin", REPOSITORY, *spoken)
            self.run("iam", "grant", "allUsers", "reader", REPOSITORY, *spoken)

    def _spawn(self):
        with open(self.directory / "serve.log", "ab") as sink:
            self.process = subprocess.Popen([self.binary, "serve", "--config", self.directory / "lightship.toml"], stdout=sink, stderr=sink)
        wait_for("lightship serve", lambda: self.process.poll() is not None or listens(NEW, 443))
        if self.process.poll() is not None:
            raise Fault("lightship serve ended: " + (self.directory / "serve.log").read_text()[-1000:])

    def kill_and_restart(self):
        with self.lock:
            window = [time.monotonic(), None]
            self.restarts.append(window)
        self.process.kill()
        self.process.wait()
        self._spawn()
        window[1] = time.monotonic()

    def underway(self):
        """Bytes of the largest upload that has not ended."""
        with contextlib.suppress(FileNotFoundError):
            return max((path.stat().st_size for path in (self.directory / "data/uploads").rglob("*")), default=0)
        return 0

    def was_restarting(self, since, grace):
        """Whether the server was away at some moment since then; what broke has `grace` seconds to come out."""
        with self.lock:
            return any(end is None or end + grace > since for _, end in self.restarts)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def command(self, *words):
        """What it takes to run one of its commands here."""
        return [self.binary, *map(str, words)]

    def environment(self):
        return os.environ | {"DOCKER_CONFIG": str(self.docker_config.parent), "HOME": str(self.directory)}

    def run(self, *words, allowed=(0,), given=None):
        done = subprocess.run(
            self.command(*words), input=given, capture_output=True, text=True, check=False, timeout=600, env=self.environment(),
        )
        if done.returncode not in allowed:
            raise Fault(f"lightship {' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
        return done
