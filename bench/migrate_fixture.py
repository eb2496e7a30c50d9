"""The registry that migrate.py moves: made once, in docker-registry's own layout of files, the same for the same scale.

60 repositories of 25 tags, 5 GB after deduplication at scale 1. As with distroless images, every image of an architecture
shares the lowest layers, every image of a family some more, five builds in a row those of their repository, and a build
has one or two small ones of its own. Two repositories of five are indexes over three architectures; half of the families
are Docker schema 2, half OCI. `latest` is the newest build. Layers are real gzipped tars whose content does not compress.
"""

import json
import random
import shutil

from layout import DOCKER, OCI, Layout, digest_of, gzipped_layer

REPOSITORIES, TAGS, FAMILIES, BYTES = 60, 25, 12, 5_000_000_000
ARCHITECTURES = ["amd64", "arm64", "s390x"]
# What a layer of each kind weighs before all are scaled to BYTES; each is between half and one and a half of it.
WEIGHTS = {"base": 5.0, "family": 9.0, "repository": 1.8, "build": 0.35}


def fixture(directory, scale):
    """What there is in DIRECTORY/registry, which is written unless it is there already. See `Writer.told`."""
    told = directory / "fixture.json"
    if told.exists():
        known = json.loads(told.read_text())
        if known["scale"] == scale:
            return known
    shutil.rmtree(directory / "registry", ignore_errors=True)
    told.unlink(missing_ok=True)
    writer = Writer(directory / "registry", scale)
    for number in range(writer.repositories):
        writer.repository(number)
    known = writer.told()
    told.write_text(json.dumps(known))
    return known


def layers_of(number, architecture, build):
    """The layers of an image from the lowest up, each a name that says what it is shared by, and its kind."""
    family = number % FAMILIES
    names = [(f"base/{architecture}/{i}", "base") for i in range(8)]
    names += [(f"family/{family}/{architecture}/{i}", "family") for i in range(4)]
    names += [(f"repository/{number}/{architecture}/{build // 5}/{i}", "repository") for i in range(2)]
    own = 1 + (number + build) % 2
    return names + [(f"build/{number}/{architecture}/{build}/{i}", "build") for i in range(own)]


def architectures_of(number):
    return ARCHITECTURES if number % 5 < 2 else [ARCHITECTURES[number % 2]]


def weight(name, kind):
    return WEIGHTS[kind] * (0.5 + random.Random(name).random())


class Writer:
    def __init__(self, root, scale):
        self.layout, self.scale = Layout(root), scale
        self.repositories = max(2, round(REPOSITORIES * scale))
        self.layers, self.blobs, self.tags, self.manifests = {}, {}, {}, 0
        names = {
            layer
            for number in range(self.repositories)
            for architecture in architectures_of(number)
            for build in range(TAGS - 1)
            for layer in layers_of(number, architecture, build)
        }
        self.bytes_per_weight = BYTES * scale / sum(weight(*name) for name in sorted(names))

    def repository(self, number):
        name = f"distroless/family{number % FAMILIES}-{number}"
        types = OCI if number % 2 else DOCKER
        self.tags[name] = {}
        for build in range(TAGS - 1):
            images = [self.image(name, number, architecture, build, types) for architecture in architectures_of(number)]
            top = images[0]
            if len(images) > 1:
                index = {"schemaVersion": 2, "mediaType": types["index"], "manifests": images}
                top = self.manifest(name, index, types["index"])
            self.tag(name, f"v1.{build}", top["digest"])
        self.tag(name, "latest", top["digest"])

    def image(self, name, number, architecture, build, types):
        """Writes an image and returns its descriptor, as an index has it."""
        layers = [self.layer(name, layer, kind, types) for layer, kind in layers_of(number, architecture, build)]
        configuration = {
            "architecture": architecture,
            "os": "linux",
            "created": f"2026-01-{build + 1:02}T00:00:00Z",
            "config": {"Env": ["PATH=/usr/bin"], "Labels": {"build": f"{name} {build}"}},
            "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
            "history": [{"created": "2026-01-01T00:00:00Z"} for _ in layers],
        }
        content = json.dumps(configuration).encode()
        document = {
            "schemaVersion": 2,
            "mediaType": types["manifest"],
            "config": {"mediaType": types["config"], "digest": self.blob(name, content), "size": len(content)},
            "layers": [descriptor for descriptor, _ in layers],
        }
        descriptor = self.manifest(name, document, types["manifest"])
        return descriptor | {"platform": {"os": "linux", "architecture": architecture}}

    def layer(self, name, layer, kind, types):
        if layer not in self.layers:
            content, diff_id = gzipped_layer(layer, max(512, int(weight(layer, kind) * self.bytes_per_weight)))
            self.layers[layer] = self.blob(name, content), len(content), diff_id
        digest, size, diff_id = self.layers[layer]
        self.layout.link_blob(name, digest)
        return {"mediaType": types["layer"], "digest": digest, "size": size}, diff_id

    def manifest(self, name, document, media_type):
        self.manifests += 1
        return self.layout.manifest(name, document, media_type)

    def tag(self, name, tag, digest):
        self.layout.tag(name, tag, digest)
        self.tags[name][tag] = digest

    def blob(self, name, content):
        digest = digest_of(content)
        if digest not in self.blobs:
            self.blobs[digest] = {"size": len(content), "repository": name}
        return self.layout.blob(name, content)

    def told(self):
        """Tags with their digests by repository, blobs with their size and one repository that has each."""
        return {
            "scale": self.scale,
            "tags": self.tags,
            "blobs": self.blobs,
            "manifests": self.manifests,
            "bytes": sum(blob["size"] for blob in self.blobs.values()),
        }
