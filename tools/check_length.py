#!/usr/bin/env python3
"""Checks that files have at most 800 lines and functions of src/ at most 70.

Relies on the formatter: a function's body opens with a line that ends in `{` and starts in column 0
(or continues a head that does), and closes with `}` in column 0."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILE_MAX, FUNCTION_MAX = 800, 70
NOT_A_FUNCTION = re.compile(r"^(struct|union|enum|typedef|extern)\b[^()]*\{$|=\s*\{$|^#")


def functions(lines):
    """Yields (line number of the head, name, length)."""
    start, inside = 0, None
    for number, line in enumerate(lines, 1):
        if line.startswith("}"):
            if inside:
                yield inside[0], inside[1], number - inside[0] + 1
            inside = None
        elif inside is None and line:
            if line[0] not in " \t#/*{":
                start = number
            head = " ".join(x.strip() for x in lines[start - 1:number])
            if start and head.endswith("{") and "(" in head and not NOT_A_FUNCTION.search(head):
                inside = (start, re.search(r"(\w+)\s*\(", head).group(1))


def main():
    faults = files = count = 0
    for top in ("src", "tests", "tools", "bench", "scripts", "web"):
        for base, _, names in os.walk(os.path.join(ROOT, top)):
            for name in sorted(names):
                if not name.endswith((".c", ".h", ".py", ".sh", ".js")):
                    continue
                path = os.path.join(base, name)
                shown = os.path.relpath(path, ROOT)
                with open(path, encoding="utf-8") as source:
                    lines = source.read().splitlines()
                files += 1
                if len(lines) > FILE_MAX:
                    print(f"{shown}: {len(lines)} lines, at most {FILE_MAX}")
                    faults += 1
                if not (top == "src" and name.endswith(".c")):
                    continue
                for number, function, length in functions(lines):
                    count += 1
                    if length > FUNCTION_MAX:
                        print(f"{shown}:{number}: {function} has {length} lines, at most {FUNCTION_MAX}")
                        faults += 1
    print(f"{files} files, {count} functions, {faults} too long")
    return 1 if faults or not count else 0


if __name__ == "__main__":
    sys.exit(main())
