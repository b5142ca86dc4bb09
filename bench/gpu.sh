#!/usr/bin/env bash
# What needs a CUDA device, in one go of under 9 minutes: the full resnet18 recipe, one seed after the other,
# until the time is used up. Records and logs go to OUT, one folder a run, without the checkpoints.
#   OUT    where the records go                  (results/gpu)
#   SEEDS  which seeds, in order                 (1 2 3)
#   LIMIT  seconds after which no run is begun   (400)
#   ARGS   what plumbline fit is asked for       (resnet18 --data cifar10)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${OUT:-results/gpu}
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"
runs=$(mktemp -d "${TMPDIR:-/tmp}/plumbline-gpu.XXXXXX")
trap 'rm -rf "$runs"' EXIT
for seed in ${SEEDS:-1 2 3}; do
  if ((SECONDS > ${LIMIT:-400})); then
    echo "no time left for seed $seed" >&2
    break
  fi
  # shellcheck disable=SC2086  # several words are meant
  "${PYTHON:-python3}" -m plumbline fit ${ARGS:-resnet18 --data cifar10} --seed "$seed" --out "$runs/seed$seed"
  mkdir -p "$out/seed$seed"
  cp "$runs/seed$seed"/{record.json,log.txt,metrics.csv} "$out/seed$seed/"
done
