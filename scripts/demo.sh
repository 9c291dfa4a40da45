#!/bin/sh
# make demo: from a fresh machine to checked answers. Sets up, builds, starts a cluster of one master,
# one gateway and two workers, runs four queries, compares each with one DuckDB, stops the cluster.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh
make --no-print-directory all
exec python3 scripts/demo.py "$@"
