#!/usr/bin/env python3
"""Checks that each #include of src/ points to the left, as tools/layers.txt orders the layers."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


class Layers:
    def __init__(self, path):
        self.rank, self.only, self.never = {}, [], set()
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                words = line.split("#")[0].split()
                if not words:
                    continue
                if words[0] in ("layer", "pure", "daemon"):
                    for folder in words[1:]:
                        self.rank[folder] = number
                elif words[0] == "only":
                    self.only.append((words[1], set(words[2:])))
                elif words[0] == "never":
                    self.never.update((words[1], other) for other in words[2:])
                else:
                    sys.exit(f"{path}:{number}: unknown word {words[0]}")

    def fault(self, folder, header):
        """Why a file of `folder` may not include `header`; None if it may."""
        target = header.split("/")[0] if "/" in header else None
        if target in self.rank and not header.startswith("json-c/"):
            if target == folder:
                return None
            if (folder, target) in self.never:
                return f"{folder} never includes {target}"
            if self.rank[target] >= self.rank[folder]:
                return f"{target} is not to the left of {folder}"
            return None
        for prefix, folders in self.only:
            if header.startswith(prefix) and folder not in folders:
                return f"{prefix} belongs to {' '.join(sorted(folders))}"
        return None


def source_files(folder):
    for base, _, names in os.walk(folder):
        for name in sorted(names):
            if name.endswith((".c", ".h")):
                yield os.path.join(base, name)


def main():
    layers = Layers(os.path.join(ROOT, "tools", "layers.txt"))
    faults = files = 0
    for path in source_files(os.path.join(ROOT, "src")):
        shown = os.path.relpath(path, ROOT)
        folder = shown.split(os.sep)[1]
        files += 1
        if folder not in layers.rank:
            print(f"{shown}: the folder {folder} is not in tools/layers.txt")
            faults += 1
            continue
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                match = INCLUDE.match(line)
                why = layers.fault(folder, match.group(2)) if match else None
                if why:
                    print(f"{shown}:{number}: includes {match.group(2)}: {why}")
                    faults += 1
    print(f"{files} files, {faults} wrong includes")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
