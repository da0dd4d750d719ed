#!/bin/sh
# Locks what pyproject.toml asks for, with hashes. Run it after changing a dependency; commit what it writes.
set -eu
cd "$(dirname "$0")/../.."
lock() { .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate "$@"; }
[ "${1:-}" = "--upgrade" ] && upgrade=--upgrade || upgrade=
lock $upgrade pyproject.toml -o deploy/requirements/portal.txt
lock $upgrade pyproject.toml --extra test -c deploy/requirements/portal.txt -o deploy/requirements/test.txt
lock $upgrade --group notebook -o deploy/requirements/notebook.txt
echo "uv==$(.venv/bin/uv --version | cut -d' ' -f2)" | lock - -o deploy/requirements/uv.txt
