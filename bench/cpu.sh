#!/usr/bin/env bash
# What needs two quiet CPU cores, best with AMX: the training step measured two ways, then resnet18 with 10 + 2
# epochs on CIFAR-10, seed 7 (an hour and a half with AVX512-BF16; with AMX not measured). Stopped and started again
# it goes on where it was.
#   PYTHON  the interpreter of an environment with plumbline  (.venv/bin/python)
#   RUN     the run folder                                    (runs/resnet18-10-2-cifar10-seed7)
#   NAME    what the results are called                       (resnet18-10-2-cpu)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-.venv/bin/python}
run=${RUN:-runs/resnet18-10-2-cifar10-seed7}
name=${NAME:-resnet18-10-2-cpu}
step="results/step-$name.json"
[[ -e $step ]] || "$python" -m plumbline bench step --out "$step"
"$python" -m plumbline fit resnet18 --epochs 10 --average-epochs 2 --data cifar10 --seed 7 --out "$run" --resume
"$python" -m bench.publish "$run" "$name"
