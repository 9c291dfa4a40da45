#!/usr/bin/env python3
"""Checks what the documents say of the sources: each `path` that begins with a folder of the project
must exist, each `function()` must stand in one of the files named in the same item, and relative links
must lead somewhere."""
import os
import re
import sys

from project_files import ROOT, project_files
PATH = re.compile(r"`((?:src|tests|tools|proto|scripts|bench|docs|web)/[\w./-]*)`")
CALL = re.compile(r"`([a-z_0-9]+)\(\)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
NOT_OURS = {"now"}


def items(text):
    """Paragraphs and list items, with the number of their first line."""
    item, first = [], 1
    for number, line in enumerate(text.splitlines() + [""], 1):
        if not line.strip() or line.startswith(("- ", "#", "|")):
            if item:
                yield first, "\n".join(item)
            item, first = [], number
        item.append(line)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as source:
        return source.read()


def check_item(text):
    paths = PATH.findall(text)
    for path in paths:
        if "NAME" not in path and not os.path.exists(os.path.join(ROOT, path)):
            yield f"there is no {path}"
    sources = [read(p) for p in paths if os.path.isfile(os.path.join(ROOT, p))]
    for name in CALL.findall(text):
        if name not in NOT_OURS and not any(re.search(rf"\b{name}\(", s) for s in sources):
            yield f"{name}() is in none of the files named beside it"


def main():
    faults = calls = 0
    listed = project_files(".md")
    for document in listed:
        text = read(document)
        calls += len(CALL.findall(text))
        for number, item in items(text):
            for fault in check_item(item):
                print(f"{document}:{number}: {fault}")
                faults += 1
            for target in LINK.findall(item):
                if not os.path.exists(os.path.join(ROOT, os.path.dirname(document), target)):
                    print(f"{document}:{number}: the link to {target} leads nowhere")
                    faults += 1
    print(f"{len(listed)} documents, {calls} functions named, {faults} faults")
    return 1 if faults or not listed else 0


if __name__ == "__main__":
    sys.exit(main())
