#!/bin/sh
# Builds Rote with its tests and runs all of them: what CI runs.
set -eu
cd "$(dirname "$0")/.."

sh tools/packages.sh test
sh tools/vendors.sh setup
jobs=$(nproc)

cmake -S . -B build-check -DROTE_TESTS=ON -DROTE_WERROR=ON -DCMAKE_C_COMPILER=gcc
cmake --build build-check -j "$jobs"
cmake -S . -B build-clang -DROTE_WERROR=ON -DCMAKE_C_COMPILER=clang
cmake --build build-clang -j "$jobs"
ctest --test-dir build-check --output-on-failure
