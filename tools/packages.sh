#!/bin/sh
# Installs the Debian or Ubuntu packages that Rote is built and tested with.
#   sh tools/packages.sh build|test
set -eu

build="cmake gcc libc6-dev make pkg-config ocl-icd-opencl-dev opencl-headers libclblast-dev libcyaml-dev
 libyaml-dev libjansson-dev libsqlite3-dev libjs-chart.js zlib1g-dev pocl-opencl-icd dataset-fashion-mnist"
test="check g++ libsubunit-dev clang valgrind mesa-opencl-icd oclgrind python3 python3-venv chromium"

case "${1:-build}" in
build) wanted=$build ;;
test) wanted="$build $test" ;;
*) echo "usage: sh tools/packages.sh build|test" >&2; exit 2 ;;
esac

missing=
for package in $wanted; do
    if ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "Rote needs these packages (Debian's names); install them and run this again:$missing" >&2
    exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "as root, run: apt-get install$missing" >&2; exit 1; }
    as_root=sudo
fi
echo "installing:$missing"
$as_root apt-get update
# shellcheck disable=SC2086 # a list of names
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
