#!/bin/sh
# Installs what is missing, builds, and trains cnn on Fashion-MNIST with one class head and
# random-label heads. Further arguments go to `rote train`.
set -eu
cd "$(dirname "$0")/.."

sh tools/packages.sh build

data=/usr/share/datasets/fashion-mnist
check() { # file, MD5 of the unpacked data, which is the published files'
    found=$(gzip -dc "$data/$1" | md5sum | cut -d' ' -f1)
    [ "$found" = "$2" ] || { echo "$data/$1 is not the published file; reinstall dataset-fashion-mnist" >&2; exit 1; }
}
check train-images-idx3-ubyte.gz f4a8712d7a061bf5bd6d2ca38dc4d50a
check train-labels-idx1-ubyte.gz 9018921c3c673c538a1fc5bad174d6f9
check t10k-images-idx3-ubyte.gz 8181f5470baa50b63fa0f6fddb340f0a
check t10k-labels-idx1-ubyte.gz 15d484375f8d13e6eb1aabb0c3f46965

[ -f build/CMakeCache.txt ] || cmake -S . -B build >/dev/null
cmake --build build -j "$(nproc)"
# A later --device in the arguments wins.
exec build/rote train docs/examples/quickstart.yaml --device portable "$@"
