#!/bin/sh
# Compiles every kernel that GPUs get, by compilers of three vendors, without a GPU (docs/offline.md):
#   sh tools/offline.sh setup            unpacks the compilers into ./vendors/offline
#   sh tools/offline.sh [run] [ARG...]   tools/offline.py with them; ARGs are its own
# Packages are downloaded and unpacked, not installed: libclc excludes Mesa's OpenCL as an installed
# package, and a second OpenCL driver would change what the tests see.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
folder=${ROTE_OFFLINE:-${ROTE_VENDORS:-$root/vendors}/offline}
llvm=19
debs="clang-$llvm libclang-cpp$llvm libllvm$llvm libclang-common-$llvm-dev libclc-$llvm libclc-$llvm-dev libz3-4
 intel-opencl-icd libigc1 libigdfcl1 libigdgmm12 libopencl-clang14 libllvmspirvlib14 libllvm14 libclang-cpp14"

setup() {
    [ -e "$folder/ready" ] && return
    command -v apt-get >/dev/null 2>&1 || { echo "offline.sh: needs apt-get to download compilers" >&2; exit 77; }
    mkdir -p "$folder/deb" "$folder/root"
    # shellcheck disable=SC2086 # a list of names
    (cd "$folder/deb" && apt-get download -q $debs)
    for deb in "$folder"/deb/*.deb; do
        dpkg-deb -x "$deb" "$folder/root"
    done
    ln -sf libiga64.so.1 "$folder/root/usr/lib/x86_64-linux-gnu/libiga64.so" # ocloc's disassembler asks for this name
    rm -r "$folder/deb"
    python3 -m venv "$folder/python"
    "$folder/python/bin/pip" install --quiet --disable-pip-version-check 'nvidia-cuda-nvcc>=13,<14' \
        'nvidia-cuda-nvdisasm>=13,<14'
    touch "$folder/ready"
}

case "${1:-run}" in
setup) setup ;;
*)
    [ "${1:-run}" = run ] && [ $# -gt 0 ] && shift
    setup >&2 || exit $?
    exec python3 "$root/tools/offline.py" --compilers "$folder" "$@"
    ;;
esac
