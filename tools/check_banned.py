#!/usr/bin/env python3
"""Checks C files for functions and words that are not wanted (each with its reason), and every
source for unfinished-work marks and trailing blanks."""
import os
import re
import sys

from project_files import ROOT, project_files

BANNED = {
    "sprintf": "no bound: use snprintf", "vsprintf": "no bound: use vsnprintf",
    "strcpy": "no bound: use ei_buf or memcpy", "strcat": "no bound: use ei_buf",
    "stpcpy": "no bound: use memcpy", "strncpy": "may leave no end mark: use memcpy",
    "strncat": "bound of the wrong thing: use ei_buf", "gets": "no bound: use getline",
    "strtok": "hidden state: use strsep or a scanner", "atoi": "no error: use strtol",
    "atol": "no error: use strtol", "atoll": "no error: use strtoll", "atof": "no error: use strtod",
    "alloca": "the stack has no error: use an arena", "tmpnam": "race: use mkstemp",
    "mktemp": "race: use mkstemp", "tempnam": "race: use mkstemp", "system": "a shell: use ei_spawn",
    "popen": "a shell: use ei_spawn", "fork": "copies this process's memory: use ei_spawn",
    "setjmp": "hidden control flow", "longjmp": "hidden control flow",
    "rand": "not random: use ei_random_u64", "srand": "not random: use ei_random_u64",
    "localtime": "hidden state: use localtime_r", "gmtime": "hidden state: use gmtime_r",
    "ctime": "hidden state: use strftime", "asctime": "hidden state: use strftime",
    "inet_ntoa": "hidden state: use inet_ntop", "gethostbyname": "hidden state: use getaddrinfo",
}
CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


def strip_strings_and_comments(text):
    """Blanks strings, characters and comments, keeping line numbers."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    pattern = r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*'
    return re.sub(pattern, blank, text, flags=re.S)


def check_lines(path, text):
    faults = []
    for number, line in enumerate(text.splitlines(), 1):
        if UNFINISHED.search(line):
            faults.append(f"{path}:{number}: a mark of unfinished work")
        if line != line.rstrip() and not path.endswith(".md"):
            faults.append(f"{path}:{number}: blanks at the end of the line")
    if path.endswith((".c", ".h")):
        for number, line in enumerate(strip_strings_and_comments(text).splitlines(), 1):
            for match in CALL.finditer(line):
                if match.group(1) == "fork" and not path.startswith("src/"):
                    continue  # a test process is small
                faults.append(f"{path}:{number}: {match.group(1)}(): {BANNED[match.group(1)]}")
    return faults


def main():
    kinds = (".c", ".h", ".py", ".sh", ".proto", ".build", ".js", ".css", ".html", ".md", ".txt")
    faults, files = [], 0
    for path in project_files(*kinds, "Makefile", ".ci/run"):
        with open(os.path.join(ROOT, path), encoding="utf-8") as source:
            faults += check_lines(path, source.read())
        files += 1
    print("\n".join(faults + [f"{files} files, {len(faults)} faults"]))
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
