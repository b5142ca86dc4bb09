#!/usr/bin/env bash
# What needs a CUDA device, in one go of under 9 minutes: whole trainings of declared seeds, in turns with another
# program if one is named. What fits into the time counts: the same command goes on where RUNS is kept. At the end
# records, logs and the summary lie in one file, OUT/RECIPE-gpu.tar.gz; unpacked, `python -m bench.publish FOLDER
# NAME` puts what has finished under results/.
#   RECIPE     what is trained                                   (resnet18; then speed94, speed96)
#   SEEDS      declared seeds                                    (1-3; for speed94 1-20, for speed96 1-5)
#   OUT        where that file goes                              (runs)
#   RUNS       where the runs themselves are                     (a new folder, removed at the end)
#   LIMIT      seconds after which the training under way is stopped and saved  (500)
#   REFERENCE  a training program of others, run as it is in between, such as airbench94_muon.py
#   RESULTS    how many of its trainings each time               (3)
#   COMPILE    anything: train through torch.compile             (nothing)
#   DATA       as --data of plumbline fit                        (cifar10)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
recipe=${RECIPE:-resnet18}
name=$recipe-gpu${COMPILE:+-compiled}
out=${OUT:-runs}
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"
base=$(mktemp -d "${TMPDIR:-/tmp}/plumbline-gpu.XXXXXX")
trap 'rm -rf "$base"' EXIT
runs=${RUNS:-$base/runs}
reference=()
[[ -z ${REFERENCE:-} ]] || reference=(--reference "$REFERENCE" --reference-results "${RESULTS:-3}")
flags=()
[[ -z ${COMPILE:-} ]] || flags=(--compile)
code=0
timeout -k 30 "${LIMIT:-500}" "${PYTHON:-python3}" -m plumbline bench fit "$recipe" --seeds "${SEEDS:-1-3}" \
  --data "${DATA:-cifar10}" --device "${DEVICE:-cuda}" --out "$runs" \
  "${reference[@]}" "${flags[@]}" || code=$?
[[ -d $runs ]] || exit "$code"
mkdir -p "$out"
(cd "$runs" && find . -maxdepth 2 \( -name '*.json' -o -name '*.txt' -o -name metrics.csv \) -print0) |
  tar -czf "$out/$name.tar.gz" -C "$runs" --transform "s,^\.,$name," --null -T -
echo "$out/$name.tar.gz"
exit "$code"
