#!/usr/bin/env bash
# Pin every package that the two commands install, by hash and without naming where it comes from.
set -eu
cd "$(dirname "$0")/.."
compile() { # name, more options of the compiler and what to compile
    local name=$1
    shift
    pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-header --no-annotate --allow-unsafe \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links -o "locks/$name.txt" "$@"
}
lock() { # name, extra, more options of the compiler
    local name=$1 extra=$2
    shift 2
    compile "$name" --extra "$extra" "$@" pyproject.toml
}
lock example example
lock test test --constraint locks/example.txt
lock service server --extra postgres --constraint locks/test.txt # the image, as is the next
echo 'hatchling>=1.25' | compile build --constraint locks/test.txt -
