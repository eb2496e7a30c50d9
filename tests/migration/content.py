"""What the old registry holds: images of every kind that registries hold."""

import gzip
import json

from layout import DOCKER, OCI, digest_of, gzipped_layer

MANY_TAGS, MANY_IMAGES = 10_000, 40
BIG_LAYER_BYTES = 48_000_000
EMPTY = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": "", "size": 2}
PLATFORMS = ("amd64", "arm64", "s390x")


class Content:
    """Writes everything into a layout. `pulls` is then what can be pulled: (repository, tag, digest), each tag once."""

    def __init__(self, layout, many_tags=MANY_TAGS, damage=True):
        self.layout, self.many_tags, self.pulls = layout, many_tags, []
        self.single()
        self.several_platforms()
        self.signed()
        self.referred_to()
        self.odd_layers()
        self.many()
        if damage:
            self.damaged()

    def image(self, repository, layers, types=OCI, architecture="amd64", **fields):
        """An image of named layers (name, bytes); what has the same name is shared."""
        descriptors, diff_ids = [], []
        for name, size in layers:
            content, diff_id = gzipped_layer(name, size) if size else emptied()
            descriptors.append(descriptor(types["layer"], self.layout.blob(repository, content), content))
            diff_ids.append(diff_id)
        configuration = json.dumps({
            "architecture": architecture, "os": "linux", "config": {"Cmd": ["/none"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }).encode()
        document = {
            "schemaVersion": 2, "mediaType": types["manifest"],
            "config": descriptor(types["config"], self.layout.blob(repository, configuration), configuration),
            "layers": descriptors, **fields,
        }
        return self.layout.manifest(repository, document, types["manifest"])

    def index(self, repository, children, types=OCI, **fields):
        document = {"schemaVersion": 2, "mediaType": types["index"], "manifests": children, **fields}
        return self.layout.manifest(repository, document, types["index"])

    def tag(self, repository, tag, top):
        self.layout.tag(repository, tag, top["digest"])
        self.pulls.append((repository, tag, top["digest"]))

    def platforms(self, repository, types=OCI):
        return [
            self.image(repository, [("base", 300_000), (f"{repository}/{one}", 150_000)], types, one)
            | {"platform": {"os": "linux", "architecture": one}}
            for one in PLATFORMS
        ]

    def single(self):
        for types, repository in ((OCI, "app/single"), (DOCKER, "app/docker")):
            for tag in ("v1", "v2"):
                top = self.image(repository, [("base", 300_000), (f"{repository}/{tag}", 200_000)], types)
                self.tag(repository, tag, top)
            self.tag(repository, "latest", top)
        self.tag("team/with/a/long/name", "v1", self.image("team/with/a/long/name", [("base", 300_000)]))
        self.tag("app/big", "v1", self.image("app/big", [("base", 300_000), ("big", BIG_LAYER_BYTES), ("tail", 900_000)]))
        self.big_layer = digest_of(gzipped_layer("big", BIG_LAYER_BYTES)[0])

    def several_platforms(self):
        for types, repository in ((OCI, "app/multi"), (DOCKER, "app/list")):
            self.tag(repository, "v1", self.index(repository, self.platforms(repository, types), types))
        inner = self.index("app/nested", self.platforms("app/nested"))
        alone = self.image("app/nested", [("alone", 50_000)])
        self.tag("app/nested", "v1", self.index("app/nested", [inner, alone]))

    def signed(self):
        """As cosign 1 and 2 sign, attest and add lists: by tags."""
        repository = "app/signed"
        top = self.image(repository, [("base", 300_000), ("signed", 100_000)])
        self.tag(repository, "v1", top)
        for suffix in ("sig", "att", "sbom"):
            content = json.dumps({"critical": {"image": {"docker-manifest-digest": top["digest"]}}, "is": suffix}).encode()
            configuration = json.dumps({"architecture": "", "os": "", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
            document = {
                "schemaVersion": 2, "mediaType": OCI["manifest"],
                "config": descriptor(OCI["config"], self.layout.blob(repository, configuration), configuration),
                "layers": [descriptor("application/vnd.dev.cosign.simplesigning.v1+json", self.layout.blob(repository, content), content)],
            }
            signature = self.layout.manifest(repository, document, OCI["manifest"])
            self.tag(repository, f"{top['digest'].replace(':', '-')}.{suffix}", signature)

    def referred_to(self):
        """As cosign 3 signs where there is no referrers API, which docker-registry has not: an index under a fallback tag."""
        repository = "app/referred"
        top = self.image(repository, [("base", 300_000), ("referred", 100_000)])
        self.tag(repository, "v1", top)
        referrers = []
        for artifact_type in ("application/vnd.dev.sigstore.bundle.v0.3+json", "application/spdx+json"):
            subject = {key: top[key] for key in ("mediaType", "digest", "size")}
            referrer = self.artifact(repository, artifact_type, subject=subject)
            referrers.append(referrer | {"artifactType": artifact_type})
        self.tag(repository, top["digest"].replace(":", "-"), self.index(repository, referrers))
        self.tag(repository, "artifact", self.artifact(repository, "application/vnd.example.thing"))

    def artifact(self, repository, artifact_type, **fields):
        content = json.dumps({"this is": artifact_type}).encode()
        document = {
            "schemaVersion": 2, "mediaType": OCI["manifest"], "artifactType": artifact_type,
            "config": EMPTY | {"digest": self.layout.blob(repository, b"{}")},
            "layers": [descriptor(artifact_type, self.layout.blob(repository, content), content)], **fields,
        }
        return self.layout.manifest(repository, document, OCI["manifest"])

    def odd_layers(self):
        layers = [("base", 300_000), ("nothing", 0), ("nothing", 0), ("odd", 1_000)]
        self.tag("app/empty", "v1", self.image("app/empty", layers, DOCKER))
        self.tag("app/none", "v1", self.image("app/none", []))

    def many(self):
        repository = "many/tags"
        images = [self.image(repository, [("base", 300_000), (f"many/{one}", 3_000)]) for one in range(MANY_IMAGES)]
        for number in range(self.many_tags):
            self.tag(repository, f"build-{number}", images[number % MANY_IMAGES])

    def damaged(self):
        """Its largest layer lost its end on disk. Nobody pulls it; `broken_image` and `broken_blob` say what it is.

        And an image that is deleted on the new side, `doomed`.
        """
        top = self.image("app/damaged", [("base", 300_000), ("damaged", 400_000)])
        content, _ = gzipped_layer("damaged", 400_000)
        self.broken_image, self.broken_blob = ("app/damaged", "broken", top["digest"]), digest_of(content)
        path = self.layout.data_path(self.broken_blob)
        path.write_bytes(content[:250_000])
        self.layout.tag("app/damaged", "broken", top["digest"])
        self.doomed = ("app/doomed", "v1")
        self.layout.tag(*self.doomed, self.image("app/doomed", [("base", 300_000), ("doomed", 5_000)])["digest"])
        self.tag("app/damaged", "whole", self.image("app/damaged", [("base", 300_000), ("whole", 10_000)]))


def descriptor(media_type, digest, content):
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def emptied():
    """The layer that Docker writes for instructions that change no file: 1,024 zeros."""
    plain = bytes(1024)
    return gzip.compress(plain, mtime=0), digest_of(plain)
