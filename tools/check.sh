#!/bin/sh
# Builds Rote with its tests and runs all of them: what CI runs.
set -eu
cd "$(dirname "$0")/.."

sh tools/packages.sh test
sh tools/vendors.sh setup
sh tools/offline.sh setup || [ $? -eq 77 ] # without apt-get its test is skipped
jobs=$(nproc)

cmake -S . -B build-check -DROTE_TESTS=ON -DROTE_WERROR=ON -DCMAKE_C_COMPILER=gcc
cmake --build build-check -j "$jobs"
cmake -S . -B build-clang -DROTE_WERROR=ON -DCMAKE_C_COMPILER=clang
cmake --build build-clang -j "$jobs"
cmake -S . -B build-sanitize -DROTE_TESTS=ON -DROTE_SANITIZE=ON -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=gcc
cmake --build build-sanitize -j "$jobs"

ctest --test-dir build-check -j "$jobs" --output-on-failure
LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
    ctest --test-dir build-sanitize -j "$jobs" --output-on-failure \
    -R '^(test_.*|operators_pocl|same_bits_pocl|op_arrays_pocl|bad_input_pocl)$'
