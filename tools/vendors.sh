#!/bin/sh
# OpenCL implementations that install from packages, each reachable alone:
#   sh tools/vendors.sh [setup]          makes ./vendors (ROTE_VENDORS names another folder)
#   sh tools/vendors.sh run NAME CMD...  runs a command on one of pocl, intel, rusticl, oclgrind
#   sh tools/vendors.sh each CMD...      runs a command on each in turn
set -eu

folder=${ROTE_VENDORS:-$(cd "$(dirname "$0")/.." && pwd)/vendors}
names="pocl intel rusticl oclgrind"
# All but the first two are what Rote's own files and figures are held against.
python="intel-opencl-rt intel-cmplr-lib-rt tensorboard safetensors numpy scipy scikit-learn cleanlab"

# One .icd file naming one library, in a folder of its own and in icd/all.
icd() {
    mkdir -p "$folder/icd/$1" "$folder/icd/all"
    printf '%s\n' "$2" >"$folder/icd/$1/$1.icd"
    printf '%s\n' "$2" >"$folder/icd/all/$1.icd"
}

system_icd() {
    for file in /etc/OpenCL/vendors/*"$1"*.icd; do
        [ -e "$file" ] && { head -n 1 "$file"; return; }
    done
    echo "vendors.sh: no system ICD file for $1; sh tools/packages.sh test installs it" >&2
    return 1
}

setup() {
    icd pocl "$(system_icd pocl)"
    icd rusticl "$(system_icd rusticl)"
    oclgrind=$(dpkg -L oclgrind 2>/dev/null | grep 'rt-icd\.so$') || true
    [ -n "$oclgrind" ] || { echo "vendors.sh: no Oclgrind; sh tools/packages.sh test installs it" >&2; exit 1; }
    icd oclgrind "$oclgrind"
    if [ "$(cat "$folder/python/ready" 2>/dev/null)" != "$python" ]; then
        python3 -m venv "$folder/python"
        # shellcheck disable=SC2086 # a list of names
        "$folder/python/bin/pip" install --quiet --disable-pip-version-check $python
        echo "$python" >"$folder/python/ready"
    fi
    [ -e "$folder/python/lib/libintelocl.so" ] || { echo "vendors.sh: libintelocl.so is not in the package" >&2; exit 1; }
    icd intel "$folder/python/lib/libintelocl.so"
}

run() {
    name=$1
    shift
    [ -d "$folder/icd/$name" ] || { echo "vendors.sh: no $name in $folder; there are: $names" >&2; exit 1; }
    OCL_ICD_VENDORS="$folder/icd/$name" RUSTICL_ENABLE=llvmpipe "$@"
}

case "${1:-setup}" in
setup) setup ;;
run) shift; run "$@" ;;
each)
    shift
    for name in $names; do
        echo "== $name"
        run "$name" "$@"
    done
    ;;
*) sed -n '2,5s/^# //p' "$0" >&2; exit 2 ;;
esac
