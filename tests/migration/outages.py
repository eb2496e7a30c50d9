"""Outages that moves of registries have had (what outages.sh runs): each is made again, and Lightship has to prevent it."""

import argparse
import base64
import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

from awkward import Access, Awkward, Cut, Once, Quota
from clients import Connection, pull
from content import Content
from layout import ACCEPT, OCI, Layout, digest_of, gzipped_layer
from servers import docker_registry, lightship

REPOSITORY = "default/local/images"
ADMIN, PASSWORD = "root", "correct-horse"
BIG_BYTES, CUT_BYTES = 60_000_000, 7_000_000
QUOTA_REQUESTS, QUOTA_SECONDS = 60, 3
SECONDS_MAX = 300
LINES_TOLD = 8
MISSING = 3


class Scene:
    """An old registry behind an awkward proxy, a new one, and what is found."""

    def __init__(self, name, work, binary, stack):
        self.name, self.work, self.binary, self.stack, self.failures = name, work, binary, stack, 0
        self.layout = Layout(work / "old")
        self.old = self.new = None
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(work), "DOCKER_CONFIG": str(work / "docker"), "NO_COLOR": "1",
        }

    def check(self, what, holds, seen=""):
        self.failures += 0 if holds else 1
        print(f"{'ok' if holds else 'FAIL':6}{self.name}: {what}", flush=True)
        if not holds and seen:
            print("".join(f"      | {line[:240]}\n" for line in str(seen).splitlines()[:LINES_TOLD]), end="", flush=True)

    def open_old(self):
        registry = docker_registry(self.work, self.work / "old")
        self.stack.callback(registry.stop)
        self.old = Awkward(registry.address)
        self.stack.callback(self.old.stop)

    def open_new(self, closed=False, name="new"):
        """A Lightship server; closed, it knows one administrator, and who else asks is nobody."""
        data = self.work / name
        if closed:
            words = ["account", "create", ADMIN, "--admin", "--data", data, "--password-stdin", "--quiet"]
            self.lightship(*words, given=PASSWORD)
        server = lightship(self.work, self.binary, data)
        self.stack.callback(server.stop)
        if self.new is None:
            self.new = server
        return server

    def knows(self, **hosts):
        """A directory with a docker configuration: for each user the hosts that know it by its own name as password."""
        for user, addresses in hosts.items():
            self.configuration(user, {address: (user, user) for address in addresses})

    def configuration(self, name, logins):
        directory = self.work / name
        directory.mkdir(exist_ok=True)
        auths = {address: {"auth": base64.b64encode(":".join(login).encode()).decode()} for address, login in logins.items()}
        (directory / "config.json").write_text(json.dumps({"auths": auths}))
        return directory / "config.json"

    def lightship(self, *words, given=None):
        done = subprocess.run(
            [self.binary, *map(str, words)], input=given, capture_output=True, text=True, env=self.environment,
            check=False, timeout=SECONDS_MAX,
        )
        done.told = done.stdout + done.stderr
        return done

    def migrate(self, *words):
        return self.lightship("migrate", *words)

    def administered(self, command, *words):
        option = "--server" if "--server" in self.migrate(command, "--help").told else "--registry"
        return self.migrate(command, REPOSITORY, *words, option, self.new.address)

    def sides(self):
        return "--from", self.old.address, "--to", self.new.address

    def run(self, *words):
        return self.migrate("run", *self.sides(), "--journal", self.work / "journal", "--progress", "none", *words)

    def succeeds(self, what, done):
        self.check(what, done.returncode == 0, f"exit {done.returncode}\n{done.told}")

    def finds(self, what, done, pattern):
        """Exit status 1, and a line that says what is not so."""
        self.check(what, done.returncode == 1 and re.search(pattern, done.told), f"exit {done.returncode}, no {pattern!r}\n{done.told}")

    def connection(self, address=None, user=None):
        found = Plain(address or self.new.address, user)
        self.stack.callback(found.http.close)
        return found

    def pulls(self, repository, tag, digest, user=None):
        """Whether an image is to be had here, whole and as it was."""
        connection = self.connection(user=user)
        try:
            pull(connection, repository, tag, lambda: [digest], random.Random(1))
            return True
        except Exception as error:  # noqa: BLE001: whatever it is, it is no pull
            self.last_error = error
            return False


class Plain(Connection):
    """Without TLS."""

    def __init__(self, address, user=None):
        self.http = http.client.HTTPConnection(address, timeout=60)
        self.user, self.shown = user, {}



# Access


def closed_sides(scene, **access):
    """Old and new, where the new one has everything and knows its administrator alone."""
    content = Content(scene.layout, many_tags=3, damage=False)
    scene.open_old()
    access_rule = Access(mover=".*", **access)
    scene.old.rules.append(access_rule)
    scene.open_new(closed=True)
    scene.configuration("docker", {scene.new.address: (ADMIN, PASSWORD), scene.old.address: ("mover", "mover")})
    scene.succeeds("everything is copied", scene.run())
    return content, access_rule


def account(scene, name):
    scene.lightship("account", "create", name, "--password-stdin", "--registry", scene.new.address, given=name)
    scene.knows(**{name: [scene.old.address, scene.new.address]})


def grant(scene, member, role="reader"):
    scene.lightship("iam", "grant", member, role, REPOSITORY, "--registry", scene.new.address)


def shift(scene, state, *words):
    return scene.administered("shift", state, *words)


def public_access(scene):
    """Public images were public no more, since allUsers was not carried over (fuzzbench#1981, buildpacks#454)."""
    content, _ = closed_sides(scene, anonymous=".*")
    lost = r"anonymous could read \S*app/single\S* there and cannot (read \S+ )?here"
    scene.finds("verify names what the public would lose", scene.migrate("verify", *scene.sides(), "--as", "anonymous"), lost)
    scene.succeeds("the old side answers first", shift(scene, "disabled", "--old", scene.old.address))
    scene.check("and gives the public what it gave", scene.pulls(*content.pulls[0]), getattr(scene, "last_error", ""))
    scene.finds("no step while that is so", shift(scene, "partial-and-copying", "--reads", 10, "--as", "anonymous"), lost)
    grant(scene, "allUsers")
    scene.succeeds("after the grant verify is content", scene.migrate("verify", *scene.sides(), "--as", "anonymous"))
    scene.succeeds("and the step is made", shift(scene, "partial-and-copying", "--reads", 100, "--as", "anonymous"))
    scene.check("the public pulls", scene.pulls(*content.pulls[0]), getattr(scene, "last_error", ""))


def rollback_access(scene):
    """Moved to 100 %, back to 1 %, and the old side let nobody in any more (minikube#19541, #19535)."""
    content, access = closed_sides(scene, anonymous=".*")
    grant(scene, "allUsers")
    shift(scene, "disabled", "--old", scene.old.address)
    scene.succeeds("all reads come here", shift(scene, "partial-and-copying", "--reads", 100, "--as", "anonymous"))
    access.patterns[None] = None
    lost = r"anonymous .*app/single.* cannot (read \S+ )?(on the old side|there)|anonymous could not read \S*app/single\S* there"
    back = shift(scene, "partial-and-copying", "--reads", 1, "--as", "anonymous")
    scene.finds("a step back says whom the old side lets in no more", back, lost)
    scene.finds("so does a rollback", scene.administered("rollback"), "anonymous")
    status = scene.administered("status", "--format", "json")
    scene.check("the state is what it was", re.search(r'"readsPercent":\s*100', status.told), status.told)
    scene.check("the public pulls", scene.pulls(*content.pulls[0]), getattr(scene, "last_error", ""))


def one_principal(scene):
    """One account of several lacked the reader's role (pomerium#5724, logflare#2418)."""
    content, _ = closed_sides(scene, alice=".*", bob=".*", carol="app/none")
    for name in ("alice", "bob", "carol"):
        account(scene, name)
    grant(scene, "user:alice")
    grant(scene, "user:carol")
    everybody = [word for name in ("alice", "bob", "carol") for word in ("--as", f"{name}={scene.work}/{name}/config.json")]
    found = scene.migrate("verify", *scene.sides(), *everybody)
    scene.finds("it is named", found, r"bob could read \S*app/single\S* there and cannot (read \S+ )?here")
    scene.check("and who has it is not", "alice could" not in found.stdout, found.told)
    scene.finds("access that would widen is named too", found, r"carol could not read \S*app/single\S* there and can (read \S+ )?here")
    grant(scene, "user:bob")
    scene.lightship("iam", "revoke", "user:carol", "reader", REPOSITORY, "--registry", scene.new.address)
    some = [word for name in ("alice", "bob") for word in ("--as", f"{name}={scene.work}/{name}/config.json")]
    scene.succeeds("after the grant verify is content", scene.migrate("verify", *scene.sides(), *some))
    scene.check("and he pulls", scene.pulls(*content.pulls[0], user="bob"), getattr(scene, "last_error", ""))


# Copies


def open_sides(scene, rule=None):
    content = Content(scene.layout, many_tags=3, damage=False)
    scene.open_old()
    scene.open_new()
    if rule:
        scene.old.rules.append(rule)
    return content


def tag_at(scene, repository, tag):
    connection = scene.connection()
    connection.http.request("HEAD", f"/v2/{repository}/manifests/{tag}", headers={"Accept": ACCEPT})
    answer = connection.http.getresponse()
    answer.read()
    return answer.getheader("Docker-Content-Digest")


def moved_tag(scene):
    """A tag moved between listing and copying, and other content was copied under it (gcrane copies by tag)."""
    content = open_sides(scene)
    tags = {(repository, tag): digest for repository, tag, digest in content.pulls}
    first, second = tags[("app/single", "v1")], tags[("app/single", "v2")]
    plan = scene.work / "plan"
    scene.succeeds("a plan", scene.migrate("plan", *scene.sides(), "-o", plan))
    fresh = content.image("app/single", [("base", 300_000), ("moved meanwhile", 40_000)])["digest"]
    scene.old.rules.append(Once(lambda: scene.layout.tag("app/single", "latest", fresh)))
    scene.layout.tag("app/single", "v1", second)
    done = scene.migrate("run", plan, "--journal", scene.work / "journal", "--progress", "none")
    scene.check("the run settles it or says so", done.returncode in (0, 1) and re.search("moved", done.told), done.told)
    for tag, allowed in (("v1", (first, second)), ("latest", (second, fresh))):
        scene.check(f"{tag} is one of the two that it was", tag_at(scene, "app/single", tag) in allowed)
    scene.succeeds("the next run settles the rest", scene.run())
    for tag, digest in (("v1", second), ("latest", fresh)):
        scene.check(f"{tag} is what it is there", tag_at(scene, "app/single", tag) == digest, tag_at(scene, "app/single", tag))
        scene.check(f"{tag} is whole", scene.pulls("app/single", tag, digest), getattr(scene, "last_error", ""))
    scene.succeeds("verify is content", scene.migrate("verify", *scene.sides()))


def quota(scene):
    """The copy exceeded the quota of the old side, and everybody's pulls failed (registry.k8s.io#153, k8s.io#6431)."""
    rule = Quota(QUOTA_REQUESTS, QUOTA_SECONDS)
    content = open_sides(scene, rule)
    began = time.monotonic()
    scene.succeeds("the copy ends well", scene.run())
    took, requests = time.monotonic() - began, len(scene.old.seen)
    told = f"{requests} requests, {rule.refused} refused, {took:.0f} s"
    windows = (requests - rule.refused) / QUOTA_REQUESTS
    scene.check("as fast as the quota allows, about", took < (windows + 3) * (QUOTA_SECONDS + 1.5), told)
    scene.check("Retry-After is heeded: few are refused", rule.refused <= 20 * (windows + 1), told)
    for image in content.pulls:
        if not scene.pulls(*image):
            scene.check(f"{image} is there", False, scene.last_error)
    scene.check("everything is there", not scene.failures, told)


def long_blob(scene):
    """A blob that takes longer than a connection lives never arrived (go-containerregistry#2084: 15 minutes)."""
    scene.old_big = digest_of(gzipped_layer("long", BIG_BYTES)[0])
    content = open_sides(scene, Cut(CUT_BYTES))
    top = content.image("app/long", [("base", 300_000), ("long", BIG_BYTES)])
    scene.layout.tag("app/long", "v1", top["digest"])
    scene.succeeds("the copy ends well", scene.run())
    scene.check("it is there, whole", scene.pulls("app/long", "v1", top["digest"]), getattr(scene, "last_error", ""))
    reads = [seen for seen in scene.old.seen if seen.path.endswith(scene.old_big) and seen.method == "GET"]
    sent = sum(seen.sent for seen in reads)
    told = f"{len(reads)} requests, {sum(1 for seen in reads if seen.range)} with a range, {sent} bytes"
    scene.check("by ranges", sum(1 for seen in reads if seen.range) >= BIG_BYTES // CUT_BYTES, told)
    scene.check("no byte twice", BIG_BYTES <= sent <= BIG_BYTES + 2_000_000, told)


# Signatures


def cosign_3(scene):
    """Signatures that are referrers were not copied, and nothing said so (ovos-docker#147)."""
    content = open_sides(scene)
    tags = {(repository, tag): digest for repository, tag, digest in content.pulls}
    subject = tags[("app/referred", "v1")]
    scene.succeeds("a copy from a registry that keeps them under a tag", scene.run())
    scene.check("they are referrers here", types_of(scene, scene.new, subject) == BUNDLES, types_of(scene, scene.new, subject))
    other = scene.open_new(name="other")
    done = scene.migrate("run", "--from", scene.new.address, "--to", other.address, "--journal", scene.work / "second", "--progress", "none")
    scene.succeeds("a copy from a registry that lists them", done)
    scene.check("they are referrers there too", types_of(scene, other, subject) == BUNDLES, types_of(scene, other, subject))
    scene.succeeds("verify is content", scene.migrate("verify", "--from", scene.new.address, "--to", other.address))
    late = content_of_referrer(subject, tag_size(scene, subject))
    connection = scene.connection()
    for blob in (b"{}", b"late"):
        place = f"/v2/app/referred/blobs/uploads/?digest={digest_of(blob)}"
        connection.ask("POST", place, (201,), blob, {"Content-Type": "application/octet-stream"}).read()
    connection.ask("PUT", f"/v2/app/referred/manifests/{digest_of(late)}", (201,), late, {"Content-Type": OCI["manifest"]}).read()
    verified = scene.migrate("verify", "--from", scene.new.address, "--to", other.address)
    scene.finds("verify tells a signature that is on one side only", verified, digest_of(late)[7:19])
    done = scene.migrate("run", "--from", scene.new.address, "--to", other.address, "--journal", scene.work / "third", "--progress", "none")
    scene.succeeds("the next run brings it", done)
    scene.check("it is there", LATE in types_of(scene, other, subject), types_of(scene, other, subject))


LATE = "application/vnd.example.late"
BUNDLES = {"application/vnd.dev.sigstore.bundle.v0.3+json", "application/spdx+json"}


def tag_size(scene, digest):
    connection = scene.connection()
    return len(connection.ask("GET", f"/v2/app/referred/manifests/{digest}", (200,), headers={"Accept": ACCEPT}).read())


def content_of_referrer(subject, size):
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2}
    return json.dumps({
        "schemaVersion": 2, "mediaType": OCI["manifest"], "artifactType": LATE, "config": empty,
        "layers": [{"mediaType": LATE, "digest": digest_of(b"late"), "size": 4}],
        "subject": {"mediaType": OCI["manifest"], "digest": subject, "size": size},
    }).encode()


def types_of(scene, server, subject):
    answer = scene.connection(server.address).ask("GET", f"/v2/app/referred/referrers/{subject}", (200,))
    return {one.get("artifactType") for one in json.loads(answer.read())["manifests"]}


SCENES = {
    "public-access": public_access, "rollback-access": rollback_access, "one-principal": one_principal,
    "moved-tag": moved_tag, "quota": quota, "long-blob": long_blob, "cosign-3": cosign_3,
}


def main():
    parser = argparse.ArgumentParser(prog="outages.sh")
    parser.add_argument("lightship", type=pathlib.Path)
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=" ".join(SCENES))
    options = parser.parse_args()
    if unknown := set(options.scenes) - set(SCENES):
        parser.error(f"unknown: {' '.join(unknown)}")
    binary = options.lightship.resolve()
    if subprocess.run([binary, "migrate", "run", "--help"], capture_output=True, check=False).returncode != 0:
        print("this lightship has no `migrate run`", file=sys.stderr)
        sys.exit(MISSING)
    failures = 0
    for name in options.scenes or SCENES:
        with contextlib.ExitStack() as stack:
            work = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"lightship-{name}-")))
            scene = Scene(name, work, binary, stack)
            try:
                SCENES[name](scene)
            except Exception as error:  # noqa: BLE001: one scene that breaks off stops no other
                scene.check("goes to its end", False, f"{type(error).__name__}: {error}")
            failures += scene.failures
    print(f"{failures} failed")
    sys.exit(1 if failures else 0)


main()
