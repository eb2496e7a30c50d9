"""What clients saw: pulls that worked, that failed, that gave something else than was pushed; and how often they tried again."""

import collections
import math
import threading
import time

KEPT_MAX = 20


class Tally:
    """Counts for one phase after the other; `total` of all of them."""

    def __init__(self):
        self.lock = threading.Lock()
        self.phase, self.phases = "", collections.OrderedDict()
        self.failed, self.changed = [], []

    def begin(self, phase):
        """Begins a phase and returns what it is called: the second of a name has a number."""
        with self.lock:
            times = 1 + sum(1 for known in self.phases if known.split(" #")[0] == phase)
            self.phase = phase if times == 1 else f"{phase} #{times}"
            self.phases[self.phase] = collections.Counter()
            return self.phase

    def _count(self, what, number=1):
        with self.lock:
            self.phases[self.phase][what] += number

    def worked(self, client, began):
        self._count(client)
        with self.lock:
            seen = self.phases[self.phase]
            seen["slowest ms"] = max(seen["slowest ms"], round((time.monotonic() - began) * 1000))

    def retried(self):
        self._count("retried")

    def fail(self, client, what, why):
        self._keep(self.failed, "failed", f"{client}: {what}: {why}")

    def change(self, client, what, why):
        self._keep(self.changed, "changed", f"{client}: {what}: {why}")

    def _keep(self, kept, name, line):
        self._count(name)
        with self.lock:
            if len(kept) < KEPT_MAX:
                kept.append(f"[{self.phase}] {line}")

    def total(self, name):
        with self.lock:
            return sum(seen[name] for seen in self.phases.values())

    def line(self, phase):
        with self.lock:
            seen = dict(self.phases[phase])
        wrong = {name: seen.pop(name, 0) for name in ("failed", "changed", "retried")}
        slowest = seen.pop("slowest ms", 0)
        clients = ", ".join(f"{count} {name}" for name, count in sorted(seen.items()))
        return f"{phase:34}{clients}; {', '.join(f'{count} {name}' for name, count in wrong.items())}; slowest {slowest} ms"


class Expected:
    """What each tag has to be, which pushes change while pulls go on."""

    def __init__(self, pulls):
        self.lock = threading.Lock()
        # Of a tag in order: [digest, when its push began, when it was answered].
        self.tags = {(repository, tag): [[digest, 0.0, 0.0]] for repository, tag, digest in pulls}
        self.few = [name for name in self.tags if name[0] != "many/tags"]
        self.many = [name for name in self.tags if name[0] == "many/tags"]

    def pick(self, dice):
        """A tag, mostly not one of the many."""
        with self.lock:
            return dice.choice(self.many if self.many and dice.random() < 0.3 else self.few)

    def digests(self, name, since, until):
        """What may be read under a tag by who asked at `since` and was answered at `until`."""
        with self.lock:
            pushes = list(self.tags[name])
        # A push that was never answered may have happened or not.
        return [
            digest
            for number, (digest, began, _) in enumerate(pushes)
            if began <= until and not any(answered < since for _, _, answered in pushes[number + 1:])
        ]

    def last(self, name):
        """The digest of the last push that was answered."""
        with self.lock:
            return next(digest for digest, _, answered in reversed(self.tags[name]) if answered < math.inf)

    def push_begins(self, name, digest):
        """Returns what `push_answered` wants."""
        push = [digest, time.monotonic(), math.inf]
        with self.lock:
            self.tags.setdefault(name, []).append(push)
        return push

    def push_answered(self, name, push):
        """From now on it is pulled too."""
        with self.lock:
            push[2] = time.monotonic()
            if name not in self.few:
                self.few.append(name)
