"""Clients that pull all the time: raw HTTP, which checks every byte, and those that people use. And one that pushes."""

import base64
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import ssl
import subprocess
import threading
import time
import urllib.parse

from layout import ACCEPT, OCI, digest_of, gzipped_layer
from sides import HOST, PUSHER

PIECE_BYTES = 1 << 20
TRY_AGAIN_SECONDS, TRIES_MAX = 0.1, 100
TRIES_OF_PROGRAMS_MAX, PROGRAM_SECONDS_MAX = 20, 120
# After the server is back: what a kill broke before is heard of a little later.
GRACE_SECONDS = 1.0
ANSWER_SECONDS = 60


class Wrong(Exception):
    """An answer that is none: another status, other bytes than the digest says, an end before its time."""


class Changed(Exception):
    """A manifest that is whole and not the one that was pushed."""


class Connection:
    """One connection to the host, wherever its name leads now. What is asked for is shown: a token, for a user or for nobody."""

    def __init__(self, authority, host=HOST, user=None):
        context = ssl.create_default_context(cafile=authority)
        self.http = http.client.HTTPSConnection(host, timeout=ANSWER_SECONDS, context=context)
        self.user, self.shown = user, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()

    def ask(self, method, path, statuses, body=None, headers=None):
        self.http.request(method, path, body=body, headers=self.shown | (headers or {}))
        answer = self.http.getresponse()
        challenge = answer.getheader("WWW-Authenticate")
        if answer.status == 401 and challenge and self.answers(challenge, answer):
            self.http.request(method, path, body=body, headers=self.shown | (headers or {}))
            answer = self.http.getresponse()
        if answer.status not in statuses:
            raise Wrong(f"{method} {path}: {answer.status} {answer.read(300)!r}")
        return answer

    def answers(self, challenge, refusal):
        """Prepares what a registry wants to be shown. False if there is nothing new to show."""
        refusal.read()
        before = self.shown
        basic = {"Authorization": "Basic " + base64.b64encode(f"{self.user}:{self.user}".encode()).decode()} if self.user else {}
        if challenge.lower().startswith("basic"):
            self.shown = basic
            return self.shown != before
        fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        realm = urllib.parse.urlsplit(fields.pop("realm"))
        self.http.request("GET", f"{realm.path}?{urllib.parse.urlencode(fields)}", headers=basic)
        answer = self.http.getresponse()
        if answer.status != 200:
            raise Wrong(f"a token for {fields}: {answer.status} {answer.read(300)!r}")
        self.shown = {"Authorization": "Bearer " + json.loads(answer.read())["token"]}
        return self.shown != before

    def manifest(self, repository, reference):
        answer = self.ask("GET", f"/v2/{repository}/manifests/{reference}", (200,), headers={"Accept": ACCEPT})
        content = answer.read()
        digest = digest_of(content)
        if answer.getheader("Docker-Content-Digest", digest) != digest:
            raise Wrong(f"{repository}:{reference}: the header says another digest than that of the bytes, {digest}")
        return digest, json.loads(content)

    def blob(self, repository, descriptor):
        answer = self.ask("GET", f"/v2/{repository}/blobs/{descriptor['digest']}", (200,))
        seen, size = hashlib.sha256(), 0
        while piece := answer.read(PIECE_BYTES):
            seen.update(piece)
            size += len(piece)
        if size < int(answer.getheader("Content-Length", 0)):
            # The connection broke: `read` ends then as if all were there.
            raise http.client.IncompleteRead(b"", descriptor["size"] - size)
        if size != descriptor["size"] or "sha256:" + seen.hexdigest() != descriptor["digest"]:
            raise Wrong(f"blob {descriptor['digest']} of {repository}: {size} of {descriptor['size']} bytes, or others")


def pull(connection, repository, reference, allowed, dice):
    """A whole image, of an index one child. `allowed` tells the digests that are right once the manifest is there."""
    digest, document = connection.manifest(repository, reference)
    right = allowed()
    if digest not in right:
        raise Changed(f"is {digest}, was pushed as {' or '.join(right)}")
    if "manifests" in document:
        if document["manifests"]:
            child = dice.choice(document["manifests"])["digest"]
            pull(connection, repository, child, lambda: [child], dice)
        return
    for descriptor in [document["config"], *document["layers"]]:
        connection.blob(repository, descriptor)


class Crowd:
    """All clients, until `end`."""

    def __init__(self, directory, expected, tally, new):
        self.directory, self.expected, self.tally, self.new = directory / "clients", expected, tally, new
        self.directory.mkdir(exist_ok=True)
        self.authority = directory / "tls/ca.crt"
        self.ended, self.pushing, self.push_underway = threading.Event(), threading.Event(), threading.Lock()
        self.environment = os.environ | {"SSL_CERT_FILE": str(self.authority), "HOME": str(self.directory)}
        self.threads = []

    def begin(self, raw, programs, pushes):
        works = [(f"raw{number}", self.raw) for number in range(raw)]
        works += [(name, self.program) for name in programs if shutil.which(name)]
        works += [("push", self.push)] if pushes else []
        self.threads = [threading.Thread(target=work, args=(name,), daemon=True) for name, work in works]
        for thread in self.threads:
            thread.start()

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(ANSWER_SECONDS)

    def trying(self, work, user=None):
        """Does something over HTTP; what breaks while the server is started again is tried again, as clients do."""
        for attempt in range(TRIES_MAX):
            began = time.monotonic()
            try:
                with Connection(self.authority, user=user) as connection:
                    return work(connection)
            except (OSError, http.client.HTTPException) as error:
                if not self.new.was_restarting(began, GRACE_SECONDS) or attempt + 1 == TRIES_MAX:
                    raise Wrong(f"{type(error).__name__}: {error}") from error
                self.tally.retried()
                time.sleep(TRY_AGAIN_SECONDS)

    def raw(self, name):
        dice = random.Random(name)
        while not self.ended.is_set():
            image, began = self.expected.pick(dice), time.monotonic()
            by_digest = dice.random() < 0.4
            reference = self.expected.last(image) if by_digest else image[1]

            def work(connection):
                asked = time.monotonic()
                allowed = (lambda: [reference]) if by_digest else (lambda: self.expected.digests(image, asked, time.monotonic()))
                pull(connection, image[0], reference, allowed, dice)

            self.judged("raw", f"{image[0]} {reference}", began, lambda: self.trying(work))

    def judged(self, client, what, began, work):
        try:
            work()
            self.tally.worked(client, began)
        except Changed as error:
            self.tally.change(client, what, error)
        except Wrong as error:
            self.tally.fail(client, what, error)

    # Programs that people use

    def program(self, name):
        dice = random.Random(name)
        while not self.ended.is_set():
            image, began = self.expected.pick(dice), time.monotonic()
            self.judged(name, ":".join(image), began, lambda: getattr(self, name)(image, began))

    def command(self, *words):
        """Runs a program; one that failed while the server was away is run again, as people do."""
        for _ in range(TRIES_OF_PROGRAMS_MAX):
            began = time.monotonic()
            done = self.ended_program([*map(str, words)])
            if done.returncode == 0:
                return done.stdout.strip()
            if not self.new.was_restarting(began, GRACE_SECONDS):
                break
            self.tally.retried()
            time.sleep(TRY_AGAIN_SECONDS)
        raise Wrong(f"exit {done.returncode}: {done.stderr.strip()[-300:]}")

    def ended_program(self, words):
        try:
            return subprocess.run(words, capture_output=True, text=True, env=self.environment, check=False, timeout=PROGRAM_SECONDS_MAX)
        except subprocess.TimeoutExpired as error:
            raise Wrong(f"not at its end after {PROGRAM_SECONDS_MAX} s") from error

    def same(self, digest, image, began):
        right = self.expected.digests(image, began, time.monotonic())
        if digest not in right:
            raise Changed(f"is {digest}, was pushed as {' or '.join(right)}")

    def skopeo(self, image, began):
        """All platforms into a directory; Debian's refuses an index in an index, and writes one of artifacts anew."""
        is_beyond_it = image[0] == "app/nested" or image[0] == "app/referred" and image[1].startswith("sha256-")
        image = ("app/signed", "v1") if is_beyond_it else image
        place = self.directory / "skopeo"
        shutil.rmtree(place, ignore_errors=True)
        self.command("skopeo", "--insecure-policy", "copy", "-q", "--all", f"docker://{HOST}/{image[0]}:{image[1]}", f"dir:{place}")
        self.same(digest_of((place / "manifest.json").read_bytes()), image, began)

    def crane(self, image, began):
        """Its digest, then a pull of that."""
        digest = self.command("crane", "digest", f"{HOST}/{image[0]}:{image[1]}")
        self.same(digest, image, began)
        place = self.directory / "crane"
        shutil.rmtree(place, ignore_errors=True)
        self.command("crane", "pull", "--format=oci", f"{HOST}/{image[0]}@{digest}", place)

    def podman(self, image, began):
        """What it can run: images of this platform, which it stores unpacked."""
        image = image if image[0] in ("app/single", "app/docker", "app/multi", "many/tags") else ("app/list", "v1")
        podman = ["podman", "--root", self.directory / "podman", "--runroot", self.directory / "podman-run", "--storage-driver", "vfs"]
        named = f"{HOST}/{image[0]}:{image[1]}"
        self.command(*podman, "pull", "-q", named)
        self.command(*podman, "image", "inspect", "--format", "{{.Id}}", named)
        self.command(*podman, "rmi", "-af")

    # Pushes

    def push(self, _):
        """A new tag each second, and one that moves; both have to be what was pushed from their answer on."""
        number = 0
        self.pushing.set()
        while not self.ended.wait(1):
            with self.push_underway:
                if not self.pushing.is_set():
                    continue
                number += 1
                for name in (("pushed/app", f"n{number}"), ("pushed/moving", "latest")):
                    began = time.monotonic()
                    self.judged("push", ":".join(name), began, lambda: self.pushed(name, number))

    def pause_pushes(self):
        """Returns when none goes on; `pushing.set()` goes on."""
        self.pushing.clear()
        with self.push_underway:
            pass

    def pushed(self, name, number):
        layer, diff_id = gzipped_layer(f"{name[0]} {number}", 60_000)
        configuration = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}).encode()
        described = lambda kind, content: {"mediaType": OCI[kind], "digest": digest_of(content), "size": len(content)}
        document = {"schemaVersion": 2, "mediaType": OCI["manifest"], "config": described("config", configuration), "layers": [described("layer", layer)]}
        manifest = json.dumps(document).encode()
        push = self.expected.push_begins(name, digest_of(manifest))

        def work(connection):
            for content in (layer, configuration):
                upload(connection, name[0], content)
            path = f"/v2/{name[0]}/manifests/{name[1]}"
            connection.ask("PUT", path, (201,), manifest, {"Content-Type": OCI["manifest"]}).read()

        self.trying(work, PUSHER)
        self.expected.push_answered(name, push)


def upload(connection, repository, content):
    answer = connection.ask("POST", f"/v2/{repository}/blobs/uploads/", (202,))
    answer.read()
    place = answer.getheader("Location").removeprefix(f"https://{HOST}")
    place += ("&" if "?" in place else "?") + f"digest={digest_of(content)}"
    connection.ask("PUT", place, (201,), content, {"Content-Type": "application/octet-stream"}).read()
