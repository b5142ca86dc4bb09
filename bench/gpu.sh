#!/usr/bin/env bash
# What needs a CUDA device, in one go of under 9 minutes: whole trainings of declared seeds, in turns with another
# program if one is named. What fits into the time counts: the same command goes on where RUNS is kept.
#   RECIPE     what is trained                                   (resnet18; then speed94, speed96)
#   SEEDS      declared seeds                                    (1-3; for speed94 1-20, for speed96 1-5)
#   OUT        where records, logs and the summary go            (results/RECIPE-gpu, or -gpu-compiled)
#   RUNS       where the runs themselves are                     (a new folder, removed at the end)
#   LIMIT      seconds after which the training under way is stopped and saved  (500)
#   REFERENCE  a training program of others, run as it is in between, such as airbench94_muon.py
#   RESULTS    how many of its trainings each time               (3)
#   COMPILE    anything: train through torch.compile             (nothing)
#   DATA       as --data of plumbline fit                        (cifar10)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
recipe=${RECIPE:-resnet18}
out=${OUT:-results/$recipe-gpu${COMPILE:+-compiled}}
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"
if [[ -n ${RUNS:-} ]]; then
  runs=$RUNS
else
  base=$(mktemp -d "${TMPDIR:-/tmp}/plumbline-gpu.XXXXXX")
  trap 'rm -rf "$base"' EXIT
  runs=$base/runs
fi
reference=()
[[ -z ${REFERENCE:-} ]] || reference=(--reference "$REFERENCE" --reference-results "${RESULTS:-3}")
flags=()
[[ -z ${COMPILE:-} ]] || flags=(--compile)
code=0
timeout "${LIMIT:-500}" "${PYTHON:-python3}" -m plumbline bench fit "$recipe" --seeds "${SEEDS:-1-3}" \
  --data "${DATA:-cifar10}" --device "${DEVICE:-cuda}" --out "$runs" \
  "${reference[@]}" "${flags[@]}" || code=$?
for folder in "$runs"/seed*/; do
  [[ -e $folder/record.json ]] || continue
  target=$out/$(basename "$folder")
  mkdir -p "$target"
  cp "$folder"/{record.json,log.txt,metrics.csv} "$target/"
done
mkdir -p "$out"
find "$runs" -maxdepth 1 -name '*.json' -exec cp {} "$out/" \;
exit "$code"
