#!/usr/bin/env bash
# Pin every package that the two commands install, by hash and without naming where it comes from.
set -eu
cd "$(dirname "$0")/.."
lock() { # name, extra, more options of the compiler
    local name=$1 extra=$2
    shift 2
    pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-header --no-annotate --allow-unsafe \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --extra "$extra" "$@" -o "locks/$name.txt" pyproject.toml
}
lock example example
lock test test --constraint locks/example.txt
