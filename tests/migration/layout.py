"""Writes images straight into the files of a docker-registry, which is faster than pushing, and can also write damage."""

import gzip
import hashlib
import io
import json
import random
import tarfile

OCI = {
    "config": "application/vnd.oci.image.config.v1+json",
    "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
    "manifest": "application/vnd.oci.image.manifest.v1+json",
    "index": "application/vnd.oci.image.index.v1+json",
}
DOCKER = {
    "config": "application/vnd.docker.container.image.v1+json",
    "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "manifest": "application/vnd.docker.distribution.manifest.v2+json",
    "index": "application/vnd.docker.distribution.manifest.list.v2+json",
}
ACCEPT = ", ".join(types[kind] for types in (OCI, DOCKER) for kind in ("index", "manifest"))


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def gzipped_layer(name, size):
    """A gzipped tar of about `size` bytes that do not compress, always the same for a name; and the digest of the tar."""
    content = random.Random(f"content of {name}").randbytes(size)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        member = tarfile.TarInfo(name.replace("/", "-"))
        member.size = size
        tar.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), compresslevel=0, mtime=0), digest_of(plain.getvalue())


class Layout:
    """The `rootdirectory` of a docker-registry."""

    def __init__(self, root):
        self.root = root / "docker/registry/v2"

    def blob(self, repository, content):
        """Stores a blob, or links one that is there, and returns its digest."""
        digest = digest_of(content)
        self.data(digest, content)
        self.link_blob(repository, digest)
        return digest

    def link_blob(self, repository, digest):
        self._link(f"{repository}/_layers", digest)

    def manifest(self, repository, document, media_type):
        """Stores a manifest and returns its descriptor."""
        content = json.dumps(document).encode()
        digest = digest_of(content)
        self.data(digest, content)
        self._link(f"{repository}/_manifests/revisions", digest)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def tag(self, repository, tag, digest):
        directory = f"{repository}/_manifests/tags/{tag}"
        self._link(f"{directory}/index", digest)
        write(self.root / f"repositories/{directory}/current/link", digest.encode())

    def data(self, digest, content):
        path = self.data_path(digest)
        if not path.exists():
            write(path, content)

    def data_path(self, digest):
        """Where the bytes of a blob or manifest are."""
        hexadecimal = digest.removeprefix("sha256:")
        return self.root / f"blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data"

    def _link(self, directory, digest):
        write(self.root / f"repositories/{directory}/sha256/{digest.removeprefix('sha256:')}/link", digest.encode())


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
