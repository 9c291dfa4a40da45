#!/usr/bin/env python3
"""Runs every check of the project and prints `N passed, N failed` as the last line.

Each step is one function of the table STEPS below and yields checks: (name, passed, log). The log of
a failed check is printed at once (its tail), and kept whole in build-test-logs/.

usage: tests/run.py [--only GROUP[,GROUP...]] [--fuzz-seconds N] [--jobs N] [--all-tidy] [--list]
"""
import argparse
import glob
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tools"))
from project_files import project_files  # noqa: E402

LOGS = os.path.join(ROOT, "build-test-logs")
KILL_ROUNDS = os.path.join(ROOT, "tests", "e2e", "kill_rounds.py")
TAIL_LINES = 40
PURE_LAYERS = ("base", "wire", "exchange", "text", "state")  # of which clang-tidy sees all
THREADED_TESTS = ("rpc", "http", "duck", "executor")  # unit tests that TSan runs too


def run(command, timeout=900, **more):
    """(passed, output) of one command."""
    environment = dict(os.environ, **more.pop("env", {}))
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, timeout=timeout, text=True,
                              errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, **more)
        return done.returncode == 0, done.stdout
    except subprocess.TimeoutExpired as late:
        out = late.stdout or b""
        text = out if isinstance(out, str) else out.decode(errors="replace")
        return False, text + f"\nstopped after {timeout} s"
    except OSError as error:
        return False, f"{command[0]}: {error}"


# ---- lint ------------------------------------------------------------------------------------------

def tool_checks(_):
    for name in ("layers", "banned", "length", "docs"):
        yield (f"lint: {name}", *run(["python3", f"tools/check_{name}.py"]))


def format_check(_):
    yield ("lint: format", *run(["clang-format-14", "--dry-run", "-Werror"] + project_files(".c", ".h")))


def python_check(_):
    yield ("lint: python compiles", *run(["python3", "-m", "compileall", "-q", "-f"] + project_files(".py"),
                                         env={"PYTHONPYCACHEPREFIX": "/tmp/eider-pycache"}))


def shell_check(_):
    for path in project_files(".sh") + [".ci/run"]:
        yield (f"lint: sh -n {path}", *run(["sh", "-n", path]))


def cppcheck(options):
    """Without what it gets wrong here and the sanitizers and clang's analyzer see better."""
    yield ("lint: cppcheck", *run(
        ["cppcheck", "--quiet", "--enable=warning,portability", "--inline-suppr", "--std=c11",
         "--error-exitcode=1", "--suppress=unknownMacro", "--suppress=nullPointerRedundantCheck",
         "--suppress=uninitvar", "--suppress=doubleFree",
         "--suppress=*:*/duckdb.h",
         f"-j{options.jobs}", "-Isrc", "-D__x86_64__", "--max-configs=1", "src"]))


def clang_tidy(options):
    """All of src for `make lint`; with the other checks only what decides and decodes, for time."""
    places = ("src/",) if options.all_tidy else tuple(f"src/{layer}/" for layer in PURE_LAYERS)
    sources = [f for f in project_files(".c") if f.startswith(places)]
    if not os.path.exists(os.path.join(ROOT, "build-fuzz", "compile_commands.json")):
        yield ("lint: clang-tidy", False, "build-fuzz is not there: the group build makes it")
        return

    def one(path):
        return path, *run(["clang-tidy-14", "--quiet", "-p", "build-fuzz", path], timeout=300)
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(one, sources))
    bad = [f"{path}\n{log}" for path, passed, log in results if not passed]
    yield ("lint: clang-tidy", not bad, "\n".join(bad))


# ---- build -----------------------------------------------------------------------------------------

def build(folder, meson_options, environment=None):
    """Configures a build folder if it is new, and builds it."""
    if not os.path.exists(os.path.join(ROOT, folder, "build.ninja")):
        passed, log = run(["meson", "setup", "--buildtype=debugoptimized", folder] + meson_options,
                          env=environment or {})
        if not passed:
            return False, log
    return run(["ninja", "-C", folder], timeout=1800)


def build_release(_):
    yield ("build: release", *build("build", ["-Dtests=false"]))


def build_asan(_):
    yield ("build: asan", *build("build-asan", ["-Db_sanitize=address,undefined", "-Db_lundef=false"],
                                 {"CC": "clang-14"}))


def build_fuzz(_):
    yield ("build: fuzz", *build("build-fuzz", ["-Db_sanitize=address,undefined", "-Db_lundef=false",
                                                "-Dfuzz=true"], {"CC": "clang-14"}))


def purity(_):
    yield ("lint: purity", *run(["python3", "tools/check_purity.py", "build"]))


# ---- unit, simulation, threads, fuzz ------------------------------------------------------------------

def meson_tests(folder, names, label, environment):
    """One check for each meson test that ran."""
    log_file = os.path.join(ROOT, folder, "meson-logs", "testlog.json")
    if os.path.exists(log_file):
        os.unlink(log_file)
    passed, out = run(["meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs"] + names,
                      env=environment)
    count = 0
    if os.path.exists(log_file):
        with open(log_file, encoding="utf-8") as lines:
            for line in lines:
                test = json.loads(line)
                count += 1
                log = test.get("stdout", "") + test.get("stderr", "")
                yield (f"{label}: {test['name']}", test["result"] in ("OK", "EXPECTEDFAIL"), log)
    if count == 0:
        yield (f"{label}: meson test", False, out)
    elif not passed:
        yield (f"{label}: meson test ends well", False, out)


SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=0",
              "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
              "TSAN_OPTIONS": "halt_on_error=1"}


def unit_and_simulation(_):
    yield from meson_tests("build-asan", [], "asan", SANITIZERS)


def threads(_):
    names = [n for n in THREADED_TESTS
             if os.path.exists(os.path.join(ROOT, "tests", "unit", f"test_{n}.c"))]
    if not names:
        return
    if not os.path.exists(os.path.join(ROOT, "build-tsan", "build.ninja")):
        passed, log = run(["meson", "setup", "--buildtype=debugoptimized", "-Db_sanitize=thread",
                           "-Db_lundef=false", "build-tsan"], env={"CC": "clang-14"})
        if not passed:
            yield ("build: tsan", False, log)
            return
    passed, log = run(["ninja", "-C", "build-tsan"] + [f"tests/unit/test_{n}" for n in names],
                      timeout=1800)
    yield ("build: tsan", passed, log)
    if passed:
        suppressions = os.path.join(ROOT, "tests", "tsan.supp")
        extra = f":suppressions={suppressions}" if os.path.exists(suppressions) else ""
        yield from meson_tests("build-tsan", names, "tsan",
                               dict(SANITIZERS, TSAN_OPTIONS="halt_on_error=1" + extra))


def fuzzers(options):
    found = sorted(f for f in glob.glob(os.path.join(ROOT, "build-fuzz", "tests", "fuzz", "fuzz_*"))
                   if os.access(f, os.X_OK) and os.path.isfile(f))
    if not found:
        yield ("fuzz: targets are built", False, "no executable build-fuzz/tests/fuzz/fuzz_*")

    def one(path):
        name = os.path.basename(path)
        corpus = os.path.join(LOGS, "corpus", name)
        seeds = os.path.join(ROOT, "tests", "fuzz", "corpus", name)
        os.makedirs(corpus, exist_ok=True)
        return name, *run([path, f"-max_total_time={options.fuzz_seconds}", "-timeout=10",
                           "-rss_limit_mb=2048", f"-artifact_prefix={corpus}/", "-print_final_stats=1",
                           corpus] + ([seeds] if os.path.isdir(seeds) else []),
                          timeout=options.fuzz_seconds + 120)
    with ThreadPoolExecutor(options.jobs) as pool:
        for name, passed, log in pool.map(one, found):
            yield (f"fuzz: {name}", passed, log)


# ---- end to end ---------------------------------------------------------------------------------------

def end_to_end(paths, label, environment, arguments=()):
    """One check for each line `ok NAME` or `FAIL NAME` that a test file prints."""
    for path in paths:
        name = os.path.basename(path)[:-3]
        passed, log = run([sys.executable, path, *arguments], timeout=600, env=environment)
        checks = [line.split(None, 1) for line in log.splitlines()
                  if line.startswith(("ok ", "FAIL "))]
        for mark, check in checks:
            yield (f"{label}: {name}: {check}", mark == "ok", "" if mark == "ok" else log)
        if not checks or (not passed and all(mark == "ok" for mark, _ in checks)):
            yield (f"{label}: {name} ends well", False, log)


def e2e_release(_):
    tests = sorted(glob.glob(os.path.join(ROOT, "tests", "e2e", "test_*.py")))
    yield from end_to_end(tests, "e2e", {"EIDER_BUILD": os.path.join(ROOT, "build")})


def e2e_asan(_):
    subset = ("test_sql_basic", "test_faults", "test_strangers")
    tests = [os.path.join(ROOT, "tests", "e2e", f"{name}.py") for name in subset]
    yield from end_to_end(tests, "e2e asan", dict(SANITIZERS, EIDER_BUILD=os.path.join(ROOT, "build-asan"),
                                                  EIDER_SANITIZED="1"))


def oracle_corpus(_):
    yield ("oracle: corpus", *run([sys.executable, "tests/oracle/run.py", "--workers", "2"],
                                  env={"EIDER_BUILD": os.path.join(ROOT, "build")}))


def oracle_random(_):
    yield ("oracle: 2000 random queries", *run([sys.executable, "tests/oracle/fuzz.py", "--count", "2000"],
                                               env={"EIDER_BUILD": os.path.join(ROOT, "build")}))


def kill_rounds(_):
    """Processes are killed at random; the seed is in the check's name."""
    rounds = ((os.path.join(ROOT, "build"), "e2e", "30", {}),
              (os.path.join(ROOT, "build-asan"), "e2e asan", "5", dict(SANITIZERS, EIDER_SANITIZED="1")))
    for folder, label, count, environment in rounds:
        yield from end_to_end([KILL_ROUNDS], label, dict(environment, EIDER_BUILD=folder), [count])


def e2e_tsan(_):
    """The daemons' own threads; DuckDB's are left alone."""
    passed, log = run(["ninja", "-C", "build-tsan", "src/cli/eider", "tools/duckdb-oracle"], timeout=1800)
    yield ("build: tsan eider", passed, log)
    if passed:
        environment = {"EIDER_BUILD": os.path.join(ROOT, "build-tsan"), "EIDER_SANITIZED": "1",
                       "TSAN_OPTIONS": "suppressions=" + os.path.join(ROOT, "tests", "tsan.supp")}
        yield from end_to_end([KILL_ROUNDS], "e2e tsan", environment, ["3"])


STEPS = [  # group, function; in this order
    ("lint", tool_checks), ("lint", format_check), ("lint", python_check), ("lint", shell_check),
    ("lint", cppcheck),
    ("build", build_release), ("lint", purity), ("build", build_asan), ("build", build_fuzz),
    ("lint", clang_tidy),
    ("unit", unit_and_simulation), ("tsan", threads), ("fuzz", fuzzers),
    ("e2e", e2e_release), ("e2e-asan", e2e_asan),
    ("oracle", oracle_corpus), ("oracle", oracle_random),
    ("kill", kill_rounds), ("tsan", e2e_tsan),
]
NEEDS_BUILD = {"lint", "unit", "tsan", "fuzz", "e2e", "e2e-asan", "oracle", "kill"}


def report(number, name, passed, log, started):
    mark = "ok  " if passed else "FAIL"
    print(f"[{time.monotonic() - started:6.1f}s] {mark} {name}", flush=True)
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
    if log:
        with open(os.path.join(LOGS, f"{number:03d}-{safe}.log"), "w", encoding="utf-8") as out:
            out.write(log)
    if not passed:
        for line in log.splitlines()[-TAIL_LINES:]:
            print("        " + line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--fuzz-seconds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--all-tidy", action="store_true", help="clang-tidy over all of src")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    groups = sorted({group for group, _ in STEPS})
    if options.list:
        print("\n".join(f"{group}: {step.__name__}" for group, step in STEPS))
        return 0
    wanted = set(filter(None, options.only.split(","))) or set(groups)
    if wanted - set(groups):
        parser.error(f"no group {' '.join(sorted(wanted - set(groups)))}; there are {' '.join(groups)}")
    if wanted & NEEDS_BUILD:
        wanted.add("build")
    os.makedirs(LOGS, exist_ok=True)
    for old in glob.glob(os.path.join(LOGS, "*.log")):
        os.unlink(old)
    started, counts = time.monotonic(), {True: 0, False: 0}
    spent = []
    for group, step in STEPS:
        if group in wanted:
            begin = time.monotonic()
            for name, passed, log in step(options):
                counts[bool(passed)] += 1
                report(sum(counts.values()), name, passed, log, started)
            spent.append(f"{step.__name__} {time.monotonic() - begin:.0f} s")
    print("time: " + ", ".join(spent))
    print(f"{counts[True]} passed, {counts[False]} failed")
    return 1 if counts[False] or not counts[True] else 0


if __name__ == "__main__":
    sys.exit(main())
