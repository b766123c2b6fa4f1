#!/usr/bin/env bash
# What inference.md says of a CPU, measured on a GPU: all of it in one go of under ten minutes.
#
#   bash Testing/benchmarks/gpu.sh             on a machine with a GPU, musclefm installed
#   bash Testing/benchmarks/gpu.sh --dry-run   the same commands on the CPU, tiny: do they run?
#
# PYTHON names the interpreter (default: python3). The tables are printed, and kept in $OUT.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
export PYTHONPATH=$PWD/MuscleFMSegment${PYTHONPATH:+:$PYTHONPATH}
out=${OUT:-$(mktemp -d)}
device=cuda limit=150 networks=(--slices 8 --repeats 3) files=(--repeats 2)
growth=() memory=(--slices 60 --members 5 --precision bf16)
if [ "${1:-}" = --dry-run ]; then
    device=cpu limit=1800 networks=(--sizes 64 64 --repeats 1) files=(--repeats 1 --at-most 4)
    growth=(--repeats 1 --at-most 10) memory=(--slices 1 --members 1 --precision bf16)
fi

part() {
    local name=$1 start=$SECONDS
    shift
    echo "## $name"
    # What fails keeps nothing else from being measured.
    timeout $limit "$@" 2>&1 | tee "$out/$name.md" || echo "$name failed"
    echo "($name: $((SECONDS - start)) s)"
}

if [ $device = cuda ]; then
    nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
fi
part networks "$python" Testing/benchmarks/inference.py networks --device $device "${networks[@]}"
part files "$python" Testing/benchmarks/inference.py files --device $device "${files[@]}"
part growth "$python" Testing/benchmarks/inference_growth.py --device $device ${growth[@]+"${growth[@]}"}
part memory "$python" Testing/benchmarks/memory.py --device $device "${memory[@]}"
echo "kept in $out"
