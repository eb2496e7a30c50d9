#!/usr/bin/env python3
"""Writes a source tree for bench/audit.sh: 100,000 files of 1 GB in all, the same ones every time.

usage: audit_tree.py DIRECTORY [FILES] [BYTES]

Sizes are those of real trees: most files small, a few large. One file in 500 has what an audit finds; one in 300 is
binary; one in 100 has long lines. Words are of programs, so that lines look like code.
"""
import pathlib
import random
import sys

WORDS = (
    "return if else for while function const let var import from class def self None True False null public private static void int "
    "string result error value name path key list item index count size buffer request response server client context config "
    "options image container registry docker repository tag digest build deploy service account token user group role policy "
    "github google cloud storage bucket project region zone cluster node pod namespace secret volume mount port host http https"
).split()
KINDS = [".py", ".go", ".js", ".ts", ".java", ".rs", ".c", ".h", ".md", ".txt", ".yaml", ".json", ".sh", ".tf", ".html", ".css", ".xml", ""]
HITS = [
    "image: gcr.io/acme-prod/web:{0}\n",
    "docker push eu.gcr.io/acme-prod/api:{0}\n",
    "gcloud auth configure-docker # {0}\n",
    "FROM k8s.gcr.io/pause:{0}\n",
    "  image: europe-west1-docker.pkg.dev/acme/images/x:{0}\n",
]


def line(dice):
    words = dice.choices(WORDS, k=dice.randint(1, 14))
    joined = dice.choice([" ", "_", ".", "(", ", "]).join(words)
    return "    " * dice.randint(0, 4) + joined + dice.choice(["", ";", "{", "}", ")", ":", " = 0"]) + "\n"


def main():
    root = pathlib.Path(sys.argv[1])
    files = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    total = int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000_000
    dice = random.Random(7)
    # A stock of lines, from which files are cut: to make a gigabyte word by word would take minutes.
    stock = "".join(line(dice) for _ in range(400_000))
    mean = total / files
    for number in range(files):
        if number % 1000 == 0:
            folder = root / f"group{number // 10_000}" / f"part{number // 1000}"
            folder.mkdir(parents=True, exist_ok=True)
        size = min(int(dice.lognormvariate(0, 1.2) * mean / 2.054), 4_000_000)
        start = dice.randrange(len(stock) - 1)
        text = stock[start : start + size]
        while len(text) < size:
            text += stock[: size - len(text)]
        if number % 100 == 50:
            text = text.replace("\n", " ")
        if number % 500 == 3:
            text += "\n" + dice.choice(HITS).format(number)
        data = text.encode()
        if number % 300 == 7:
            data = b"\x7fELF\0\0" + data
        (folder / f"file{number}{dice.choice(KINDS)}").write_bytes(data)


if __name__ == "__main__":
    main()
