#!/usr/bin/env python3
"""Writes files as one C source: embed.py OUTPUT.c FILE...  (see src/master/ui_files.h)"""
import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


def main() -> int:
    output, names = sys.argv[1], sorted(sys.argv[2:])
    lines = ['#include "master/ui_files.h"', ""]
    table = []
    for number, path in enumerate(names):
        with open(path, "rb") as file:
            data = file.read()
        kind = TYPES.get(os.path.splitext(path)[1])
        if kind is None or not data:
            print(f"embed.py: {path}: unknown kind of file, or empty", file=sys.stderr)
            return 1
        lines.append(f"static const unsigned char file_{number}[] = {{")
        for at in range(0, len(data), 16):
            lines.append("    " + ", ".join(str(byte) for byte in data[at:at + 16]) + ",")
        lines.append("};")
        table.append(f'    {{"{os.path.basename(path)}", "{kind}", file_{number}, sizeof file_{number}}},')
    lines += ["", "const struct ei_ui_file ei_ui_files[] = {", *table, "};"]
    lines.append("const size_t ei_ui_file_count = sizeof ei_ui_files / sizeof ei_ui_files[0];")
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
