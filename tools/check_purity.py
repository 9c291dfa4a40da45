#!/usr/bin/env python3
"""Checks that the pure libraries of a build folder import only what tools/purity_allowed.txt names,
or what the project's own pure layers (and base, model) define.

usage: check_purity.py BUILD-FOLDER
"""
import glob
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def words_of(path, first):
    found = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            words = line.split("#")[0].split()
            if words and (first is None or words[0] == first):
                found += words if first is None else words[1:]
    return found


def libraries(build, layer):
    return glob.glob(os.path.join(build, "src", layer, "*.a"))


def symbols(library, option):
    out = subprocess.run(["nm", option, "--format=posix", library], capture_output=True, text=True,
                         check=True).stdout
    return {line.split()[0] for line in out.splitlines() if len(line.split()) >= 2}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = sys.argv[1]
    layers_file = os.path.join(ROOT, "tools", "layers.txt")
    pure = words_of(layers_file, "pure")
    allowed = words_of(os.path.join(ROOT, "tools", "purity_allowed.txt"), None)
    exact = {w for w in allowed if not w.endswith("*")}
    prefixes = tuple(w[:-1] for w in allowed if w.endswith("*"))
    own = set()
    for layer in ["base", "model"] + pure:
        for library in libraries(build, layer):
            own |= symbols(library, "--defined-only")
    checked = faults = 0
    for layer in pure:
        found = libraries(build, layer)
        if not found and glob.glob(os.path.join(ROOT, "src", layer, "*.c")):
            print(f"{layer}: no library in {build}")
            faults += 1
        for library in found:
            checked += 1
            for name in sorted(symbols(library, "--undefined-only")):
                if name not in own and name not in exact and not name.startswith(prefixes):
                    print(f"{os.path.basename(library)}: imports {name}")
                    faults += 1
    print(f"{checked} pure libraries, {faults} impure imports")
    return 1 if faults or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
