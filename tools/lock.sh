#!/usr/bin/env bash
# Pin every package that the two commands install, by hash and without naming where it comes from.
set -eu
cd "$(dirname "$0")/.."
compile() { # lock file, more options of the compiler and what to compile
    local file=$1
    shift
    pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-header --no-annotate --allow-unsafe \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links -o "$file" "$@"
}
lock() { # name, extra, more options of the compiler
    local name=$1 extra=$2
    shift 2
    compile "locks/$name.txt" --extra "$extra" "$@" pyproject.toml
}
lock example example
lock test test --constraint locks/example.txt
lock examples examples --constraint locks/test.txt
lock service server --extra postgres --extra mariadb --extra webhooks --constraint locks/test.txt # the image, as is the next
echo 'hatchling>=1.25' | compile locks/build.txt --constraint locks/test.txt -
for wanted in tests/sdk/packages/*.in; do # the published SDKs for Python, each with the frameworks of its time
    compile "${wanted%.in}.txt" --no-emit-options --pip-args '--only-binary :all:' "$wanted"
done
