#!/usr/bin/env bash
# Compile a real export of ResNet-50 for this CPU, look at what the compiler made of it, run it, and compare the result
# with ONNX's own reference implementation.
#
#     examples/demo.sh [FOLDER]        # results go to FOLDER, by default build/demo
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-build/demo}
python=${PYTHON:-.venv/bin/python}
export PYTHONPATH=$PWD/dev${PYTHONPATH:+:$PYTHONPATH}
mkdir -p "$out"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
kernelwright() {
    printf '$ kernelwright %s\n' "$*"
    "$python" -m kernelwright "$@"
}

say 'A model: the ResNet-50 export of the test suite, its weights filled in, and one random image'
"$python" tests/models/materialize.py tests/models/resnet50.dynamo.onnx "$out/resnet50.onnx"
"$python" -c 'import sys, numpy as np
image = np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)
np.save(sys.argv[1], image)' "$out/input.npy"
ls -l "$out/resnet50.onnx"

say 'ONNX in, one plan file out; the IR after every pass goes to a folder of text files'
rm -rf "$out/ir"
kernelwright compile "$out/resnet50.onnx" -o "$out/resnet50.plan" --target cpu --print-ir-tree-dir="$out/ir"
find "$out/ir" -name '*.mlir' | sort | tail -n 5

say 'What is in the plan'
kernelwright inspect "$out/resnet50.plan"

say 'Run it'
kernelwright run "$out/resnet50.plan" --input "input=$out/input.npy" --output-dir "$out/outputs"

say 'Compare with the ONNX reference evaluator'
"$python" examples/compare_with_reference.py "$out/resnet50.onnx" "$out/outputs" "input=$out/input.npy"
