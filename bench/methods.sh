#!/usr/bin/env bash
# What each technique of speed94 adds, for the cards in docs/methods: its sibling with the smallest network and
# smaller images against the same without one technique (or with one more), five seeds, on validation images.
# Some 20 minutes on two cores with bf16. Stopped and started again it goes on where it was.
#   PYTHON  the interpreter of an environment with plumbline  (.venv/bin/python)
#   RUNS    the folder of all runs                            (runs/methods)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-.venv/bin/python}
runs=${RUNS:-runs/methods}
sgd='optimizer={"kind":"sgd"},schedule={"kind":"one_cycle","max_rate":1.0}'
"$python" -m plumbline compare speed94 speed94:averaged \
  'speed94@model.whitening=trained,optimizer.whitening_bias_fraction=1.0' "speed94@$sgd" \
  speed94@augmentation.flip=true speed94@augmentation.padding=none speed94@augmentation.jitter=none \
  speed94@label_smoothing=0.0 'speed94@resolution.train=[20]' speed94@augmentation.cutout=0.25 \
  --set model.name=speednet_xs --set 'resolution={"train":[12,16,20],"test":20}' \
  --set epochs=6 --set 'averaging={"kind":"ema"}' --weights raw \
  --set validation_fraction=0.1 --split validation --data cifar10 --seeds 1-5 --workers 2 --out "$runs"
"$python" -m bench.publish "$runs" methods/speednet_xs
