"""The model card: what a person has to know who gets the file and nothing else."""

from __future__ import annotations

from plumbline.engine import installed
from plumbline.export.about import preprocessing
from plumbline.export.accept import Checks, Request
from plumbline.export.int8 import Int8Report
from plumbline.inference import TrainedModel
from plumbline.inference.standing import standing

_CODE = {
    "onnx": """\
import json, numpy as np, onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession("{file}")
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
picture = Image.open("picture.png").convert("RGB").resize(({side}, {side}))
images = np.asarray(picture, np.uint8).transpose(2, 0, 1)[None]
(probabilities,) = session.run(["probabilities"], {{"images": images}})[0]
print(classes[probabilities.argmax()], probabilities.max())""",
    "torch-export": """\
import json, numpy as np, torch
from PIL import Image

about = {{"plumbline.json": ""}}
model = torch.export.load("{file}", extra_files=about).module()
classes = json.loads(json.loads(about["plumbline.json"])["classes"])
picture = Image.open("picture.png").convert("RGB").resize(({side}, {side}))
(probabilities,) = model(torch.tensor(np.asarray(picture)).permute(2, 0, 1)[None])
print(classes[int(probabilities.argmax())], float(probabilities.max()))""",
    "safetensors": """\
from pathlib import Path
import torch
from plumbline.data.decode import decode_picture
from plumbline.export import load_safetensors

loaded = load_safetensors(Path("{file}"))
picture = torch.from_numpy(decode_picture(Path("picture.png"), size={side}))
(probabilities,) = loaded.classifier(picture.permute(2, 0, 1)[None])
print(loaded.classes[int(probabilities.argmax())], float(probabilities.max()))""",
}


def model_card(trained: TrainedModel, *, request: Request, checks: Checks, checked_on: str) -> str:
    """Give the card as Markdown; `checked_on` says on which pictures the file was compared with its run."""
    code = _CODE[request.format].format(file=request.path.name, side=trained.stored_size)
    return f"""\
# {request.path.name}

{_what(trained)}

## Classes

{", ".join(trained.classes)}

## Data

{_data(trained)}

## Accuracy

{_accuracy(trained)}

## Confidence

{_confidence(trained)}

## Preprocessing

{preprocessing(trained)} A picture of another size or shape has to be brought to {trained.stored_size} x \
{trained.stored_size} before: plumbline takes the largest square in the middle and scales it, antialiased.

## Use

```python
{code}
```

## Checks

{_checked(checks, checked_on=checked_on)}

## Limits

It names one of these classes whatever it is shown, also for a picture that shows none of them. Accuracy and \
probabilities hold for pictures like those of the data; other cameras, sizes, crops or colours may do worse, \
and nothing here measures how much. It was not checked for fairness, nor against attacks.

## Licence

Yours to choose, as far as the data it was trained on allow.
"""


def _what(trained: TrainedModel) -> str:
    record = trained.record
    versions = ", ".join(f"{name} {installed(name)}" for name in ("plumbline", "torch"))
    return (
        f"An image classifier: {trained.name}, {trained.weights} weights of a run of the recipe "
        f"{record.title} (digest {record.digest}, seed {record.seed}) by plumbline. Exported with {versions}."
    )


def _data(trained: TrainedModel) -> str:
    data = trained.record.dataset
    return (
        f"{data.name}: {data.counts.train:,} training, {data.counts.validation:,} validation and "
        f"{data.counts.test:,} test images. Fingerprint of their content: `{data.fingerprint}`."
    )


def _accuracy(trained: TrainedModel) -> str:
    score, looks = standing(trained.record, weights=trained.weights), trained.record.test_looks
    if score is None:
        return "The record has no test score of these weights."
    looked = (
        "" if looks is None else f" The test images of these data had been looked at {looks} times by then."
    )
    return f"{score.words}. The interval speaks of other test images like these, not of other seeds.{looked}"


def _confidence(trained: TrainedModel) -> str:
    text = f"{trained.calibration[0].upper()}{trained.calibration[1:]}."
    if trained.is_calibrated:
        return f"{text} Of pictures like these, about as many are right as the probabilities say."
    return f"{text} The probabilities are the network's own, and may be too sure of themselves."


def _checked(checks: Checks, *, checked_on: str) -> str:
    rows = "\n".join(
        f"| {one.batch} | {one.count:,} | {one.same / one.count:.3%} | {one.largest:.1e} |"
        for one in checks.agreements
    )
    text = f"""\
Compared with the run in torch on {checked_on}:

| pictures at once | pictures | same class | largest difference of a probability |
| ---: | ---: | ---: | ---: |
{rows}"""
    return text if checks.int8 is None else f"{text}\n\n{_eight_bits(checks.int8)}"


def _eight_bits(report: Int8Report) -> str:
    speeds = " and ".join(
        f"{one.factor:.2f} times at a batch of {one.batch} ({one.fp32 * 1e3:.2f} and {one.int8 * 1e3:.2f} ms)"
        for one in report.speeds
    )
    return (
        f"That is the file before it was quantised. With eight bits {report.int8_correct:,} of "
        f"{report.count:,} are right, with 32 {report.fp32_correct:,}; {report.agreement.same:,} get "
        f"the same class as in the run. It was {speeds} as fast as with 32 bits on the machine of the export."
    )
