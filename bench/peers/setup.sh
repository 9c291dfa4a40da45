#!/bin/sh
# Installs what bench/tasks.py compares Eider with, as far as Debian has it and this machine may
# install it, and builds the client and worker for gearmand. What is missing is left out of the
# comparison.
set -u
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
build=${1:-$here/build}
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo -n"

for package in gearman-job-server libgearman-dev parallel python3-distributed; do
    dpkg -s "$package" >/dev/null 2>&1 && continue
    # Services of the packages must not start: the benchmark starts its own.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y --no-install-recommends \
        "$package" >/dev/null 2>&1 || echo "peers: $package cannot be installed, it is left out" >&2
done
mkdir -p "$build"
if [ -e /usr/include/libgearman/gearman.h ]; then
    cc -O2 -Wall -Wextra -o "$build/gearman-noop" "$here/gearman_noop.c" -lgearman || exit 1
else
    echo "peers: without libgearman-dev there is no client for gearmand" >&2
fi
