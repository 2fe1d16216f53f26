#!/bin/sh
# Rote beside PyTorch's CPU build, on each CPU implementation of OpenCL in turn. Installs PyTorch
# into ./vendors/torch (ROTE_TORCH names another folder; one that has it already is used), builds,
# measures, writes bench.json. Words go to tools/bench.py: parts, --only REGEX, --rounds N.
#   sh tools/bench.sh [WORDS...]
# Takes an hour or two, on a machine that does nothing else.
set -eu
cd "$(dirname "$0")/.."

version=2.13.0
torch=${ROTE_TORCH:-vendors/torch}
json=${ROTE_BENCH:-bench.json}

sh tools/packages.sh test
sh tools/vendors.sh setup
if ! "$torch/bin/python" -c "import numpy, torch; assert torch.__version__.split('+')[0] == '$version'" 2>/dev/null; then
    python3 -m venv "$torch"
    "$torch/bin/pip" install --quiet --disable-pip-version-check "torch==$version" numpy
fi
[ -f build/CMakeCache.txt ] || cmake -S . -B build >/dev/null
cmake --build build -j "$(nproc)"

for name in pocl intel; do
    sh tools/vendors.sh run "$name" "$torch/bin/python" tools/bench.py --json "$json" --name "$name" "$@"
done
echo "wrote $json; python3 tools/bench/report.py $json puts it into docs/performance.md"
