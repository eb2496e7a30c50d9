"""What migrate.py compares: each tool's own way to copy every repository of one registry to another."""

import os
import pathlib
import shutil
import subprocess
import sys

CURL_AT_A_TIME = 2


class Ran:
    """What a command took."""

    def __init__(self, wall, processor, peak_mebibytes, status):
        self.wall, self.processor, self.peak, self.status = wall, processor, peak_mebibytes, status
        # Processor seconds of both servers meanwhile, where that was asked.
        self.source, self.destination = float("nan"), float("nan")


def run(command, log, environment):
    """Runs a shell command to its end. The peak is that of its largest process."""
    measured = pathlib.Path(__file__).with_name("measured.py")
    words = [sys.executable, "-I", "-S", measured, log, command]
    told = subprocess.run(words, capture_output=True, text=True, env=environment, check=True).stdout.split()
    wall, processor, kibibytes = map(float, told[:3])
    return Ran(wall, processor, kibibytes / 1024, int(told[3]))


def environment(work):
    """Nobody's credentials, settings and caches."""
    home = work / "home"
    home.mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return kept | {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "NO_COLOR": "1"}


class Tools:
    """Commands that copy everything, or find that there is nothing to copy."""

    def __init__(self, work, binary, known):
        self.work, self.binary, self.repositories = work, binary, sorted(known["tags"])

    def names(self):
        """Those that can be run here, ours first when there is one that migrates."""
        needed = {"skopeo": "skopeo", "crane": "crane", "gcrane": "gcrane", "regsync": "regsync"}
        there = [name for name, program in needed.items() if shutil.which(program)]
        return (["lightship"] if self.migrates() else []) + there

    def migrates(self):
        words = [self.binary, "migrate", "run", "--help"]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def command(self, name, source, destination):
        return getattr(self, name)(source, destination)

    def lightship(self, source, destination):
        """One journal for each pair of sides, as one would have it; `forget` removes them."""
        journal = self.journals / f"{source}-{destination}".replace(":", "_")
        return f"{self.binary} migrate run --progress none --from {source} --to {destination} --journal {journal}"

    @property
    def journals(self):
        directory = self.work / "journals"
        directory.mkdir(exist_ok=True)
        return directory

    def forget(self):
        shutil.rmtree(self.journals)

    def skopeo(self, source, destination):
        """All in one process, which serves it best; images of all platforms."""
        settings = self.work / "skopeo.yml"
        images = "".join(f"    {name}: []\n" for name in self.repositories)
        settings.write_text(f"{source}:\n  tls-verify: false\n  images:\n{images}")
        return (
            f"skopeo --insecure-policy sync --all --preserve-digests --dest-tls-verify=false --src yaml --dest docker "
            f"{settings} {destination}/distroless"
        )

    def crane(self, source, destination):
        copies = "".join(f"crane cp -a {source}/{name} {destination}/{name}\n" for name in self.repositories)
        return self.script("crane", copies)

    def gcrane(self, source, destination):
        """One repository at a time: what is above them it finds only where the listing is Google's."""
        copies = "".join(f"gcrane cp -r {source}/{name} {destination}/{name}\n" for name in self.repositories)
        return self.script("gcrane", copies)

    def regsync(self, source, destination):
        settings = self.work / "regsync.yml"
        registries = "".join(f"  - {{registry: '{address}', tls: disabled}}\n" for address in (source, destination))
        steps = "".join(
            f"  - {{source: '{source}/{name}', target: '{destination}/{name}', type: repository}}\n"
            for name in self.repositories
        )
        parallel = os.environ.get("REGSYNC_PARALLEL", "4")
        settings.write_text(f"version: 1\ncreds:\n{registries}defaults: {{parallel: {parallel}}}\nsync:\n{steps}")
        return f"regsync -v error once -c {settings}"

    def script(self, name, lines):
        script = self.work / f"{name}.sh"
        script.write_text(f"set -e\n{lines}")
        return f"sh {script}"


def hashing(work, known, source):
    """`curl | openssl dgst -sha256` over every distinct blob, two at a time: a process of each for each blob."""
    script, urls = work / "hash.sh", work / "hash.urls"
    script.write_text('set -e\nfor url; do curl -sSf "$url" | openssl dgst -sha256 >/dev/null; done\n')
    urls.write_text("".join(f"{url}\n" for url in blob_urls(known, source)))
    return f"xargs -a {urls} -P {CURL_AT_A_TIME} -n 50 sh {script}"


def hashing_kept_alive(work, known, source):
    """The same bytes with two processes of each in all, and two connections: what the machine can do at the best."""
    halves = [[], []]
    for number, url in enumerate(blob_urls(known, source)):
        halves[number % 2].append(f"url = {url}\n")
    lines = ""
    for number, half in enumerate(halves):
        (work / f"half{number}").write_text("".join(half))
        lines += f"curl -sSf -K {work}/half{number} | openssl dgst -sha256 &\n"
    script = work / "hash-kept-alive.sh"
    script.write_text(f"{lines}wait\n")
    return f"sh {script}"


def blob_urls(known, source):
    return [f"http://{source}/v2/{blob['repository']}/blobs/{digest}" for digest, blob in known["blobs"].items()]


def heads(work, known, source):
    """A HEAD for every tag, one after the other on one connection."""
    urls = work / "heads"
    accept = "application/vnd.oci.image.index.v1+json,application/vnd.oci.image.manifest.v1+json"
    accept += ",application/vnd.docker.distribution.manifest.list.v2+json,application/vnd.docker.distribution.manifest.v2+json"
    lines = [f"url = http://{source}/v2/{name}/manifests/{tag}\n" for name, tags in known["tags"].items() for tag in tags]
    urls.write_text(f'head\nsilent\nshow-error\nfail\nheader = "Accept: {accept}"\n' + "".join(lines))
    return f"curl -K {urls}"


def forbid(ran, name, log):
    """A tool that failed has no time worth telling."""
    if ran.status != 0:
        sys.exit(f"{name}: exit status {ran.status}\n{log.read_text()[-2000:]}")
