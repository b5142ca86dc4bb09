# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] lang="ja"
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/{repository}/blob/main/tutorial/baseline.ja.ipynb) · [English](baseline.en.ipynb)
#
# # 動かして学ぶ画像分類のベースライン
#
# CIFAR-10 を題材に、データの確認から学習、重み平均、テスト、結果の検証、そして自分の画像での利用までを、ひと続きのノートブックで進めます。使うのは PyTorch、Lightning、そして [plumbline](../README.ja.md) です。ここに示す本プロジェクトの結果は、すべてこのノートブックのセルが計算したものか、リポジトリに保存された記録から読み込んだもので、手で書き込んだものはありません。
#
# **進め方**
#
# - 上から順に実行してください。`NameError: name 'needs' is not defined` と出たら、「1. 準備」のセルがまだ実行されていません。
# - GPU がない環境では、自動的に短縮モードになります（CPU 2 コアで 10 分以内が目安です）。GPU があれば、同じセルが 50 + 20 エポックの本来のレシピを学習します。
# - セルを二度実行しても、前の結果は上書きされません。実行のたびに新しいフォルダーが作られます。
# - ⚠ の付いた囲みでは、よく知られたチュートリアルにも見られる間違いを取り上げ、何が起きるのか、どうすれば気付けるのかを説明します。

# %% [markdown] lang="en"
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/{repository}/blob/main/tutorial/baseline.en.ipynb) · [日本語](baseline.ja.ipynb)
#
# # An image-classification baseline, learned by running it
#
# With CIFAR-10 as the example, this notebook goes the whole road: look at the data, train, average the weights, test, ask whether the result is real, and use the model on pictures of your own. It uses PyTorch, Lightning and [plumbline](../README.md). Every result of ours here was computed by a cell of this notebook or read from a record in the repository; none was typed.
#
# **How to use it**
#
# - Run the cells from top to bottom. `NameError: name 'needs' is not defined` means that the cells of "1. Set-up" have not been run.
# - Without a GPU a quick mode is chosen by itself (within 10 minutes on two CPU cores). With a GPU the same cells train the full recipe of 50 + 20 epochs.
# - A cell that is run twice overwrites nothing: each time there is a new folder.
# - A box with ⚠ takes up a mistake that well-known tutorials make too, says what it does, and how one would notice.

# %% [markdown] lang="ja"
# ## 1. 準備
#
# ### インストール
#
# plumbline が入っていなければインストールします。すでに入っている場合や、リポジトリをクローンした中でこのノートブックを開いている場合は、それをそのまま使います。Colab でセッションの再起動を求められたら、再起動してから、もう一度このセルを実行してください。

# %% [markdown] lang="en"
# ## 1. Set-up
#
# ### Install
#
# This installs plumbline where it is missing. Where it is there already, or the notebook lies in a checkout of the repository, that one is used. If Colab asks you to restart the session, do so and run this cell again.

# %%
import importlib.util
import subprocess
import sys
from pathlib import Path

# ja: 公開リポジトリの場所（OWNER/NAME）。フォークを使うときはここを書き換えます。
# en: Where the repository is public (OWNER/NAME). Change it to use a fork.
REPOSITORY = "{repository}"
PARTS = ("plumbline", "onnx", "onnxruntime", "onnxscript", "fastapi", "uvicorn", "python_multipart")

missing = [name for name in PARTS if importlib.util.find_spec(name) is None]
if missing:
    here = Path.cwd()
    checkout = next((p for p in (here, *here.parents) if (p / "src" / "plumbline").is_dir()), None)
    source = f"plumbline[export,serve] @ git+https://github.com/{REPOSITORY}"
    wanted = f"{checkout}[export,serve]" if checkout else source
    if checkout is None and REPOSITORY.startswith("OWNER/"):
        raise SystemExit("REPOSITORY を設定してください / set REPOSITORY above to OWNER/NAME")
    if subprocess.run([sys.executable, "-m", "pip", "install", "-q", wanted]).returncode:
        raise SystemExit(
            f"インストールできません。ネットワークを確認してください: {', '.join(missing)}\n"
            f"cannot be installed; look at the network connection and run this cell again: {', '.join(missing)}"
        )
    importlib.invalidate_caches()

# %% [markdown] lang="ja"
# ### 結果の置き場所とモード
#
# 結果は、Colab では Google ドライブの `plumbline` フォルダーに（ドライブを使わないことを選んだ場合は、セッションと共に消えるローカルのフォルダーに）、それ以外では現在のフォルダーの下の `tutorial-runs` に置きます。`new_folder` は必ず未使用の番号を付けるので、上書きは起こりません。
#
# モードは環境変数で変えられます。`PLUMBLINE_QUICK=1` で短縮モード、`0` で完全なレシピです。GPU なしで完全なレシピを学習すると何時間もかかります。

# %% [markdown] lang="en"
# ### Where results are kept, and the mode
#
# Results go to the folder `plumbline` on your Google Drive on Colab (or, if you decline the drive, to a local folder that goes with the session), and to `tutorial-runs` below the current folder elsewhere. `new_folder` always takes a number that is free, so nothing is overwritten.
#
# The environment variable `PLUMBLINE_QUICK` overrules the mode: 1 is quick, 0 the full recipe, which takes many hours without a GPU.

# %%
import os
import shlex
import warnings

# ja: 警告が二つ出ますが、ここでは当てはまりません。バッチはデータの側で作られ、ワーカーは要りません。
# en: Two warnings that do not apply here: batches come ready-made from the data, and need no workers.
warnings.filterwarnings("ignore", message=".*does not have many workers")
warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.* is deprecated")
os.environ["PYTHONWARNINGS"] = "ignore"
# ja: 下の plumbline() の出力を、色や罫線の制御文字なしの文字列にします。
# en: So that what plumbline() below prints is plain text, without codes for colours.
os.environ.pop("FORCE_COLOR", None)
os.environ |= {"NO_COLOR": "1", "TERM": "dumb"}

import torch

IN_COLAB = "COLAB_RELEASE_TAG" in os.environ
QUICK = os.environ.get("PLUMBLINE_QUICK", "0" if torch.cuda.is_available() else "1") == "1"

FOLDER = Path("tutorial-runs")
if IN_COLAB:
    try:
        from google.colab import drive

        drive.mount("/content/drive")
        FOLDER = Path("/content/drive/MyDrive/plumbline")
        os.environ.setdefault("PLUMBLINE_CACHE", str(FOLDER / "cache"))
    except Exception as error:
        print(f"ドライブなしで続けます / going on without the drive: {error}")


def new_folder(name):
    for number in range(1, 10_000):
        folder = FOLDER / f"{name}-{number:03d}"
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue


def needs(*names):
    unknown = [name for name in names if name not in globals()]
    if unknown:
        raise RuntimeError(
            f"先に上のセルを実行してください / run the cells above first; not there yet: {', '.join(unknown)}"
        )


def plumbline(command):
    # ja: 端末で `plumbline …` と打つのと同じです。
    # en: The same as typing `plumbline …` in a terminal.
    print(f"$ plumbline {command}")
    words = [sys.executable, "-m", "plumbline", *shlex.split(command)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout:
            print(line, end="")
    if process.returncode:
        raise RuntimeError(f"上の説明をご覧ください / see what it says above (exit code {process.returncode})")


print("quick mode" if QUICK else "full recipe", "| torch", torch.__version__)

# %% [markdown] lang="ja"
# ### 図と写真を描く小さな道具
#
# 描画の都合だけのセルです。読み飛ばして構いません。

# %% [markdown] lang="en"
# ### Small tools that draw
#
# This cell only draws. You can skip reading it.

# %% jupyter={"source_hidden": true} cellView="form"
import io

from IPython.display import HTML, SVG, display
from IPython.display import Image as Shown
from PIL import Image, ImageDraw
from plumbline.report.charts import HEIGHT, WIDTH, Line, line_chart

STYLE = """text {fill: #59626a; font: 12px sans-serif} .grid {stroke: #dcd8cd}
.line {fill: none; stroke-width: 2} .line.first {stroke: #1c5d8c} .dot.first {fill: #1c5d8c}
.line.second {stroke: #a8481a; stroke-dasharray: 6 3} .dot.second {fill: #a8481a}
.line.rule {stroke: #59626a; stroke-width: 1.2; stroke-dasharray: 2 4} .line.faint {stroke: #59626a; stroke-width: 1.2}"""


def chart(lines, **settings):
    drawn = line_chart(lines, **settings)
    ground = f"<style>{STYLE}</style><rect width='100%' height='100%' fill='#fbfaf7'/>"
    head, title, rest = drawn.partition("</title>")
    size = f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH:g}" height="{2 * HEIGHT:g}" '
    display(SVG(head.replace("<svg ", size, 1) + title + ground + rest))


def sheet(rows, *, words=None, zoom=2):
    """Show rows of pictures, uint8 (N, 3, H, W) each, with words before each row."""
    side, count = rows[0].shape[-1] * zoom, max(len(row) for row in rows)
    left = 8 * max(map(len, words)) if words else 0
    page = Image.new("RGB", (left + count * (side + 4), len(rows) * (side + 4)), "white")
    for y, row in enumerate(rows):
        if words:
            ImageDraw.Draw(page).text((2, y * (side + 4) + side // 2 - 6), words[y], fill="black")
        for x, picture in enumerate(row):
            small = Image.fromarray(picture.permute(1, 2, 0).contiguous().cpu().numpy())
            page.paste(small.resize((side, side), Image.Resampling.NEAREST), (left + x * (side + 4), y * (side + 4)))
    content = io.BytesIO()
    page.save(content, "PNG")
    display(Shown(content.getvalue()))


# %% [markdown] lang="ja"
# ## 2. 乱数の種：固定できることと、できないこと
#
# 種を固定すると、検証データの分け方、重みの初期値、バッチの順序、データ拡張の乱数がすべて決まります。同じ機械・同じライブラリーのバージョンなら、同じ数値がもう一度得られます。これが**再現性**です。
#
# plumbline では、乱数は（種、用途、位置）だけの関数です。たとえば「3 エポック目の順序」は、それまでにいくつ乱数を使ったかに左右されません。そのため、途中で評価を一回増やしても学習は変わらず、中断した学習の続きも、中断しなかった場合と一致します。

# %% [markdown] lang="en"
# ## 2. The seed: what it fixes, and what it cannot
#
# A seed decides how validation images are split off, the first weights, the order of the batches, and every random number of augmentation. On the same machine with the same versions the same figures come out again. This is **repeatability**.
#
# In plumbline a random number is a function of (seed, purpose, position) and of nothing else. The order of the third epoch, say, does not depend on how many random numbers were drawn before. So one more evaluation in between changes nothing, and a training that was stopped goes on as if it had not been.

# %%
needs("plumbline")
from plumbline.streams import stream_generator

SEED = 7
first = torch.randperm(10, generator=stream_generator(SEED, "order", 3))
again = torch.randperm(10, generator=stream_generator(SEED, "order", 3))
other = torch.randperm(10, generator=stream_generator(SEED + 1, "order", 3))
print("seed 7, epoch 3:", first.tolist())
print("once more      :", again.tolist())
print("seed 8, epoch 3:", other.tolist())

# %% [markdown] lang="ja"
# > **⚠ 種を固定しても、結果が正しくなるわけではありません**
# >
# > 種の固定で得られるのは「同じ結果」であって、「確かな結果」ではありません。別の種なら、テスト精度は 0.5 ポイント前後動くこともあります。一つの種だけで「0.3 ポイント良くなった」と言っても、その差は偶然かもしれません。**気付き方**：種を変えて数回学習し、ばらつきを見ます（12 章）。また、GPU の種類、スレッド数、ライブラリーのバージョンが違えば、種が同じでも最後の桁から結果はずれていきます。

# %% [markdown] lang="en"
# > **⚠ A fixed seed does not make a result right**
# >
# > It gives the same result, not a sure one. With another seed the test accuracy may move by half a point; "0.3 points better" on one seed may be chance. **How to notice:** train with several seeds and look at the spread (section 12). And on another GPU, with another number of threads or other versions, results drift apart from the last digits on, the same seed or not.

# %% [markdown] lang="ja"
# ## 3. データを見る
#
# 学習の前に、まず画像を見ます。`load_dataset` は、手元のフォルダー（環境変数 `PLUMBLINE_DATA`）、キャッシュ、配布元の順に探し、中身をハッシュ値で確かめます。ネットワークがなく CIFAR-10 が手に入らない場合は、理由を示したうえで、scikit-learn に付属する手書き数字（digits）で続けます。その場合、この先の数値はすべて digits のものです。

# %% [markdown] lang="en"
# ## 3. Look at the data
#
# Before training, look at the pictures. `load_dataset` searches your own folder (the environment variable `PLUMBLINE_DATA`), its cache, then the mirrors, and checks the content by its hash. Where there is no network and no CIFAR-10, it says what was tried, and the notebook goes on with the handwritten digits of scikit-learn; all figures below are then those of the digits.

# %%
from plumbline.data import DataUnavailable, load_dataset

DATA = os.environ.get("PLUMBLINE_TUTORIAL_DATA", "cifar10")
try:
    dataset = load_dataset(DATA)
except DataUnavailable as error:
    print(error)
    print(f"{DATA} の代わりに digits で続けます / going on with digits in the place of {DATA}")
    DATA, dataset = "digits", load_dataset("digits")

CLASSES = dataset.classes
print(f"{dataset.name}: {len(dataset.train):,} training images, {len(dataset.test):,} test images, {len(CLASSES)} classes")
print("mean", [round(value, 4) for value in dataset.mean], "std", [round(value, 4) for value in dataset.std])

# %%
needs("dataset")
of_class = [torch.nonzero(dataset.train.labels == label).flatten()[:10] for label in range(len(CLASSES))]
sheet([dataset.train.take(rows) for rows in of_class], words=CLASSES)

# %% [markdown] lang="ja"
# 学習データの一割を**検証データ**として、クラスの比率を保って取り分けます。設定を選ぶときは検証データを見て、テストデータは最後に一度だけ使います。
#
# > **⚠ CIFAR-10 の標準偏差は 0.2023 ではありません**
# >
# > 広く写されている `std = (0.2023, 0.1994, 0.2010)` は、画像ごとの標準偏差を平均した値です。全画素の標準偏差は約 0.2470 で、上の出力の通りです。学習は壊れませんが、入力の分散は 1 になりません。学習時と推論時で違う値を使うと精度が落ちます。**気付き方**：次のセルのように、正規化した後の標準偏差を計算します。

# %% [markdown] lang="en"
# A tenth of the training images is held out as **validation data**, with the classes in proportion. Settings are chosen by validation data; test data are used once, at the end.
#
# > **⚠ The standard deviation of CIFAR-10 is not 0.2023**
# >
# > The much-copied `std = (0.2023, 0.1994, 0.2010)` is the mean of each image's own deviation. That of all pixels is about 0.2470, as printed above. Nothing breaks, but the input's variance is not 1, and where training and use take different values, accuracy falls. **How to notice:** compute the deviation after normalising, as the next cell does.

# %%
from plumbline.data import normalize

sample = dataset.train.take(slice(0, 2000))
for name, std in (("ours", dataset.std), ("0.2023 …", (0.2023, 0.1994, 0.2010))):
    pixels = normalize(sample, mean=dataset.mean, std=std)
    print(f"{name:9s} std after normalising: {[round(value, 3) for value in pixels.std(dim=(0, 2, 3)).tolist()]}")

# %% [markdown] lang="ja"
# > **⚠ テストデータで選んではいけません**
# >
# > エポックや学習率を「テスト精度が一番高かったもの」で選ぶと、その精度は実力より高く出ます。何度も見るほど、テストデータに合わせ込むことになります。**気付き方**：コードの中でテスト精度の最大値を取っていないか、早期終了や `ModelCheckpoint(monitor=…)` がテストの値を見ていないかを確かめます。plumbline はテスト精度を何度見たかを台帳に数えています。

# %% [markdown] lang="en"
# > **⚠ Never choose by the test data**
# >
# > If the epoch or the learning rate is the one "with the best test accuracy", that accuracy is too high: each further look fits the test data a little more. **How to notice:** look for a maximum over test accuracies, and for early stopping or a `ModelCheckpoint(monitor=…)` that watches a test figure. plumbline counts in a ledger how often a test score was looked at.

# %% [markdown] lang="ja"
# ## 4. データ拡張
#
# 画像を少しずつ変えて見せると、**過学習**を抑えられます。ここでは、周囲を埋めて（0 で、`resnet18` のレシピでは画像を折り返して）からランダムに切り出す操作と、左右反転を使います。plumbline はバッチ全体をまとめて処理しますが、切り出す位置と反転の有無は一枚ごとに変わります。レシピ（`RECIPE`）が設定の値を持っています。

# %% [markdown] lang="en"
# ## 4. Augmentation
#
# Showing each picture a little changed holds **overfitting** back. Here it is a random crop after padding (with zeros; with the picture's own reflection in the recipe `resnet18`), and a mirror image. plumbline treats a whole batch at once, with a crop and a flip of its own for every picture. The recipe (`RECIPE`) holds the settings.

# %%
needs("dataset")
from plumbline.data.modules import ImageDataModule
from plumbline.recipes.load import load_recipe
from plumbline.training.device import choose_compute

RECIPE = load_recipe("swa-quick" if QUICK else "resnet18")
EPOCHS, AVERAGE_EPOCHS = (2, 3) if QUICK else (RECIPE.epochs, RECIPE.averaging.epochs)
# ja: メモリーが足りないときは、ここを小さくします。
# en: Make this smaller if memory runs out.
BATCH_SIZE = RECIPE.batch_size
FILL = RECIPE.augmentation.padding or "zeros"
COMPUTE = choose_compute()


def new_data(first_epoch=0):
    return ImageDataModule(
        dataset,
        batch_size=BATCH_SIZE,
        validation_count=round(RECIPE.validation_fraction * len(dataset.train)),
        seed=SEED,
        crop_padding=RECIPE.augmentation.crop_padding,
        crop_fill=FILL,
        flip=RECIPE.augmentation.flip,
        train_sizes=RECIPE.resolution.train,
        test_size=RECIPE.resolution.test,
        epochs=EPOCHS,
        channels_last=COMPUTE.channels_last,
        first_epoch=first_epoch,
    )


data = new_data()
print(f"{len(data.splits.train):,} training, {len(data.splits.validation):,} validation, {len(dataset.test):,} test")
print(f"batch of {BATCH_SIZE}: {data.steps_per_epoch} steps an epoch; images of {RECIPE.resolution.test} pixels")

# %%
from plumbline.data import random_crop, random_flip

before = dataset.train.take(slice(0, 12))
draw = stream_generator(SEED, "augment", 0)
crop = {"padding": RECIPE.augmentation.crop_padding, "fill": FILL}
shown = [random_flip(random_crop(before, generator=draw, **crop), generator=draw) for _ in range(3)]
sheet([before, *shown], words=("before", "after", "after", "after"))

# %% [markdown] lang="ja"
# 検証データとテストデータには、データ拡張をかけません（正規化と大きさの変更だけです）。数字のように左右反転で意味が変わる画像では、反転を切ります（`--set augmentation.flip=false`）。

# %% [markdown] lang="en"
# Validation and test pictures are not augmented, only resized and normalised. Where a mirror image means something else, as with digits, turn flipping off (`--set augmentation.flip=false`).

# %% [markdown] lang="ja"
# ## 5. 既製のモデルを読み、32×32 に合わせる
#
# torchvision のモデルは、224 ピクセルの画像と 1000 クラスを前提に作られています。まず ResNet-18 の構造を表示し、32 ピクセルの画像のために何を変えるのかを見ます。

# %% [markdown] lang="en"
# ## 5. Read a ready-made model, and adapt it to 32×32
#
# torchvision's networks are made for pictures of 224 pixels and 1000 classes. Print ResNet-18, and see what changes for pictures of 32 pixels.

# %%
from plumbline import create_model, describe_model, list_models

print(len(list_models()), "models, such as", ", ".join(list_models()[:6]))
described = describe_model("resnet18", num_classes=len(CLASSES))
print(described.text[:1100], "…")
print(f"{described.parameters:,} parameters, {described.multiply_accumulates / 1e6:,.0f} million multiply-accumulates an image")

# %%
for change in described.changes:
    print(f"{change.where}\n  before {change.before}\n  after  {change.after}\n  why    {change.why}\n")

# %% [markdown] lang="ja"
# > **⚠ `model.fc.out_features = 10` では、層は変わりません**
# >
# > 属性の数字が書き換わるだけで、重みは 1000 行のままです。出力は 1000 クラスのままで、学習もエラーなく進みます（使われない 990 クラスの確率は、次第に小さくなるだけです）。**気付き方**：出力の形を確かめます。

# %% [markdown] lang="en"
# > **⚠ `model.fc.out_features = 10` changes no layer**
# >
# > It changes a number in an attribute; the weights keep their 1000 rows. The output still has 1000 classes, and training goes on without an error (the 990 unused ones only become improbable). **How to notice:** look at the shape of the output.

# %%
import torchvision

wrong = torchvision.models.resnet18()
wrong.fc.out_features = 10
picture = torch.zeros(1, 3, 32, 32)
print("fc.out_features = 10:", tuple(wrong.eval()(picture).shape), "| create_model:", tuple(create_model("resnet18").eval()(picture).shape))

# %% [markdown] lang="ja"
# **事前学習済みの重みを使うには** `create_model("resnet18", pretrained=True)` とします。ImageNet の重みを一度だけダウンロードするので、ネットワークが必要です。形の変わらない層は重みを引き継ぎ、作り直した層（最初の畳み込みと最後の全結合層）は乱数から始まります。入力の正規化は、学習と推論で同じ値であることが大切です。事前学習済みの重みを使った結果は、ゼロから学習した結果とは別物として扱ってください。
#
# このノートブックの短縮モードでは、CPU でも数分で学習できる小さな `speednet_xs` を使います。完全なレシピは `resnet18` です。

# %% [markdown] lang="en"
# **Pretrained weights** come with `create_model("resnet18", pretrained=True)`. ImageNet's weights are downloaded once, so it needs a network. Layers that keep their shape keep their weights; replaced ones (the first convolution, the head) start from random numbers. Use the same normalisation in training and in use, and do not compare such a result with one trained from nothing.
#
# The quick mode of this notebook takes the small `speednet_xs`, which trains within minutes on a CPU; the full recipe is `resnet18`.

# %% [markdown] lang="ja"
# ## 6. LightningModule を全部書く
#
# 学習の部品を一つのクラスにまとめます。隠れた処理はありません。Lightning の `Trainer` は、次のメソッド（フック）を決まった順に呼びます。
#
# | フック | いつ呼ばれるか | ここでの役割 |
# |---|---|---|
# | `__init__` | 最初に一度 | ネットワークを作り、引数をチェックポイントに残す（`save_hyperparameters`） |
# | `forward` | `self(images)` のたび | 画像からロジットを計算する |
# | `training_step` | 学習バッチごと | 損失を返す。逆伝播と更新は Trainer が行う |
# | `validation_step`, `test_step` | 評価バッチごと | ロジットとラベルを溜める |
# | `on_validation_epoch_end`, `on_test_epoch_end` | 評価の終わり | 溜めた全画像から精度と損失を計算する |
# | `configure_optimizers` | 学習の始め | 最適化手法と学習率のスケジュールを渡す |

# %% [markdown] lang="en"
# ## 6. The Lightning module, in full
#
# All parts of training go into one class, and nothing is hidden. Lightning's `Trainer` calls these methods (hooks) in a fixed order.
#
# | hook | when | what it does here |
# |---|---|---|
# | `__init__` | once, first | builds the network, keeps its arguments in every checkpoint (`save_hyperparameters`) |
# | `forward` | at each `self(images)` | gives logits of images |
# | `training_step` | each training batch | gives the loss; the Trainer goes backward and takes the step |
# | `validation_step`, `test_step` | each evaluation batch | keeps logits and labels |
# | `on_validation_epoch_end`, `on_test_epoch_end` | end of an evaluation | computes accuracy and loss over all images kept |
# | `configure_optimizers` | at the start of training | gives the optimizer and the schedule of its rate |

# %%
from lightning.pytorch import LightningModule, Trainer
from plumbline.optim import SgdConstant, SgdOneCycle
from torch.nn.functional import cross_entropy


class Baseline(LightningModule):
    def __init__(self, model, num_classes, image_size, seed, label_smoothing=0.0, cycle=None, constant_rate=None):
        super().__init__()
        self.save_hyperparameters()
        self.network = create_model(model, num_classes=num_classes, image_size=image_size, seed=seed)
        self.kept = []

    def forward(self, images):
        return self.network(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = cross_entropy(self(images), labels, label_smoothing=self.hparams.label_smoothing)
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.log_dict({"train/loss": loss, "train/rate": rate}, prog_bar=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.keep(batch)

    def test_step(self, batch, batch_idx):
        self.keep(batch)

    def on_validation_epoch_end(self):
        self.log_all("val")

    def on_test_epoch_end(self):
        self.log_all("test")

    def configure_optimizers(self):
        if self.hparams.constant_rate is not None:
            return SgdConstant(rate=self.hparams.constant_rate)(self.network, total_steps=0).optimizer
        # ja: ステップ数はデータから計算します。手で書きません。
        # en: The number of steps is computed from the data, never typed.
        steps = self.trainer.max_epochs * self.trainer.datamodule.steps_per_epoch
        built = SgdOneCycle(**self.hparams.cycle)(self.network, total_steps=steps)
        return {
            "optimizer": built.optimizer,
            "lr_scheduler": {"scheduler": built.scheduler, "interval": "step"},
        }

    def keep(self, batch):
        images, labels = batch
        self.kept.append((self(images).float(), labels))

    def log_all(self, stage):
        logits, labels = (torch.cat(parts) for parts in zip(*self.kept, strict=True))
        self.kept.clear()
        right = (logits.argmax(1) == labels).float().mean()
        loss = cross_entropy(logits, labels)
        self.log_dict({f"{stage}/loss": loss, f"{stage}/accuracy": right}, prog_bar=True)


# %% [markdown] lang="ja"
# `label_smoothing` は、正解の確率として 1 より少し低い値を目指させる設定です（完全なレシピでは 0.1、短縮モードでは 0）。`interval: "step"` がないと、スケジュールはエポックごとにしか進みません。精度は「バッチごとの精度の平均」ではなく、全画像を数えて計算しています。最後のバッチが小さいと、二つは一致しません。
#
# > **⚠ `MulticlassAccuracy` は、何も指定しないとクラス平均です**
# >
# > torchmetrics の `MulticlassAccuracy` の既定値は `average="macro"` です。クラスの枚数が揃っていれば正解率と一致しますが、偏っていると別の数値になります。**気付き方**：枚数が偏った小さな例で比べます。

# %% [markdown] lang="en"
# `label_smoothing` asks for a little less than certainty (0.1 in the full recipe, 0 in quick mode). Without `interval: "step"` the schedule would move once an epoch. Accuracy is counted over all images; it is no mean of the batches' accuracies, which differs when the last batch is smaller.
#
# > **⚠ `MulticlassAccuracy` is a mean over classes unless told otherwise**
# >
# > In torchmetrics its default is `average="macro"`. With equally many images of each class that is the accuracy; with unequal classes it is another figure. **How to notice:** compare the two on a small unequal example.

# %%
from torchmetrics.classification import MulticlassAccuracy

truth, said = torch.tensor([0, 0, 0, 0, 0, 0, 0, 0, 1, 1]), torch.tensor([0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
for average in ("macro", "micro"):
    print(average, round(MulticlassAccuracy(num_classes=2, average=average)(said, truth).item(), 3))

# %% [markdown] lang="ja"
# ## 7. 1cycle を描く
#
# 1cycle では、**学習率**を小さな値から最大値まで上げ、そこから最後のステップでほぼ 0 になるまで下げます。モメンタムは逆に動きます。どちらも余弦の半周期に沿って動きますが、レシピ `resnet18` では、学習率は直線に沿い、モメンタムは一定です。

# %% [markdown] lang="en"
# ## 7. One-cycle, drawn
#
# One-cycle raises the **learning rate** from a small value to its peak, then lowers it to all but zero at the last step. Momentum moves the other way. Both go along halves of a cosine; in the recipe `resnet18` the rate goes along lines, and momentum stays where it is.

# %%
needs("data")
from plumbline.optim import one_cycle

STEPS = EPOCHS * data.steps_per_epoch
CYCLE = RECIPE.schedule.model_dump(exclude={"kind", "anneal"}) | {"anneal": RECIPE.schedule.anneal or "cosine"}
cycle = [one_cycle(step, total_steps=STEPS, **CYCLE) for step in range(STEPS)]
every = max(1, STEPS // 200)
chart([Line("learning rate", [(step, cycle[step].rate) for step in range(0, STEPS, every)], "first")], title="learning rate", x_name="step", x_range=(0, STEPS))
chart([Line("momentum", [(step, cycle[step].momentum) for step in range(0, STEPS, every)], "second")], title="momentum", x_name="step", x_range=(0, STEPS))

# %% [markdown] lang="ja"
# > **⚠ ステップ数の数え間違い**
# >
# > `steps_per_epoch = 45000 // 256 = 175` と書いたのに、データの分け方の既定値のせいで実際には 40,000 枚、157 ステップしかない、ということが起こります。学習率は下がり切らず、途中で終わります。逆に少なく数えると、学習の途中でエラーになります。**気付き方**：学習の最後の学習率を見ます。次のセルの通り、157 ステップでは 1cycle の 89.7 % で止まります。
#
# > **⚠ `SGD(lr=0.05)` は効いていません**
# >
# > 1cycle は学習率とモメンタムの両方を自分で設定します。オプティマイザーに渡した値は、記録には残っても使われません。`lr` を変えて比べる実験をしても、何も変わりません。**気付き方**：スケジューラーを作った直後の `param_groups[0]["lr"]` を見ます。

# %% [markdown] lang="en"
# > **⚠ Steps counted wrong**
# >
# > Somebody writes `steps_per_epoch = 45000 // 256 = 175`, but the data module's default split leaves 40,000 images, which is 157 steps: the rate never comes down all the way. Counted too low, training stops with an error. **How to notice:** look at the rate of the last step. As the next cell shows, 157 steps end at 89.7 % of the cycle.
#
# > **⚠ `SGD(lr=0.05)` has no effect**
# >
# > One-cycle sets both the rate and the momentum. What the optimizer was given stands in the log and is not used; an experiment that varies `lr` varies nothing. **How to notice:** print `param_groups[0]["lr"]` right after the scheduler is made.

# %%
planned, real = 50 * 175, 50 * 157
end = one_cycle(real - 1, total_steps=planned, max_rate=0.1)
print(f"stops at {real / planned:.1%} of the cycle, at {end.rate / 0.1:.1%} of the peak rate")

weight = torch.nn.Parameter(torch.zeros(1))
optimizer = torch.optim.SGD([weight], lr=0.05, momentum=0.9)
torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=100)
print("asked for lr 0.05, momentum 0.9; used:", optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"])

# %% [markdown] lang="ja"
# ## 8. 学習する
#
# `speednet_xs` の最初の層は、学習画像から計算した白色化フィルターです。学習の前に一度だけ設定します（`resnet18` では何もしません）。メモリーが足りるかどうかは学習の前に確かめ、足りなければ収まるバッチサイズを示します。そのときは 4 章の `BATCH_SIZE` を小さくして、そこから実行し直してください。
#
# チェックポイントはエポックごとに書かれます。

# %% [markdown] lang="en"
# ## 8. Train
#
# The first layer of `speednet_xs` is a whitening filter computed from training images, set once before training (for `resnet18` there is nothing to do). Memory is checked before training; where it is short, you are told which batch size fits: set `BATCH_SIZE` in section 4 accordingly and run from there.
#
# A checkpoint is written after each epoch.

# %%
needs("data", "Baseline", "COMPUTE", "CYCLE")
import logging

from lightning.pytorch.callbacks import ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from plumbline import PlumblineError
from plumbline.models import SpeedNet
from plumbline.training.memory import check_memory, free_memory, memory_need

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


def new_baseline(**rates):
    sizes = {"num_classes": len(CLASSES), "image_size": RECIPE.resolution.test}
    baseline = Baseline(RECIPE.model.name, **sizes, seed=SEED, label_smoothing=RECIPE.label_smoothing, **rates)
    if isinstance(baseline.network, SpeedNet):
        baseline.network.whiten(data.normalized_images("train", count=5000))
    return baseline.to(memory_format=torch.channels_last) if COMPUTE.channels_last else baseline


def new_trainer(folder, *, epochs, name, callbacks=()):
    return Trainer(
        max_epochs=epochs,
        accelerator=COMPUTE.device.type,
        devices=1,
        precision=COMPUTE.lightning_precision,
        logger=TensorBoardLogger(folder, name="tensorboard", version=0, default_hp_metric=False),
        callbacks=[
            TQDMProgressBar(refresh_rate=20),
            ModelCheckpoint(folder / "checkpoints", filename=name),
            *callbacks,
        ],
        log_every_n_steps=10,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


baseline = new_baseline(cycle=CYCLE)
try:
    need = memory_need(baseline.network, image_size=RECIPE.resolution.test, compute=COMPUTE)
    check_memory(need, batch_size=BATCH_SIZE, free=free_memory(COMPUTE))
except PlumblineError as error:
    raise RuntimeError(f"4 章の BATCH_SIZE を小さくしてください / make BATCH_SIZE in section 4 smaller: {error}") from None

fit_folder = new_folder("fit")
trainer = new_trainer(fit_folder, epochs=EPOCHS, name="fit")
trainer.fit(baseline, datamodule=data)
print("results in", fit_folder)

# %% [markdown] lang="ja"
# ## 9. TensorBoard で見る
#
# ノートブックの画面がある環境では、TensorBoard をこの場で開きます。その下には、同じイベントファイルから読んだ曲線を描いておきます。

# %% [markdown] lang="en"
# ## 9. Look at it in TensorBoard
#
# Where there is a front end, TensorBoard opens right here. Below it stand the curves, read from the same event files.

# %%
needs("fit_folder")
if os.environ.get("PLUMBLINE_TENSORBOARD", "1") == "1":
    get_ipython().run_line_magic("load_ext", "tensorboard")
    get_ipython().run_line_magic("tensorboard", f"--logdir {fit_folder / 'tensorboard'}")

# %%
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def curve(folder, name):
    events = EventAccumulator(str(folder / "tensorboard" / "version_0"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


chart([Line("train/loss", curve(fit_folder, "train/loss"), "faint"), Line("val/loss", curve(fit_folder, "val/loss"), "first", dots=True)], title="loss", x_name="step")
chart([Line("val/accuracy", curve(fit_folder, "val/accuracy"), "first", dots=True)], title="accuracy", x_name="step", percent=True)
chart([Line("train/rate", curve(fit_folder, "train/rate"), "second")], title="learning rate", x_name="step")

# %% [markdown] lang="ja"
# 学習の損失が下がり続けるのに検証の損失が上がり始めたら、過学習の印です。

# %% [markdown] lang="en"
# A training loss that keeps falling while the validation loss begins to rise is the sign of overfitting.

# %% [markdown] lang="ja"
# ## 10. チェックポイントを読み、テストする
#
# メモリーに残っているモデルではなく、ファイルから読み直したモデルをテストします。保存できていたことも同時に確かめられるからです。精度には 95 % の**信頼区間**（Wilson）を添えます。これは「同じ重みを、別のテスト画像で測ったら」という幅であり、「別の種で学習したら」という幅ではありません。

# %% [markdown] lang="en"
# ## 10. Read the checkpoint, and test
#
# What is tested is read back from the file, not what lies in memory: so we also know that it was saved. Each accuracy has its 95 % **confidence interval** (Wilson's). It speaks of other test images for the same weights, not of other seeds.

# %%
needs("trainer", "fit_folder")
from plumbline.analysis.intervals import wilson_interval

SCORES = {}


def test(model, title):
    quiet = Trainer(accelerator=COMPUTE.device.type, devices=1, precision=COMPUTE.lightning_precision, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
    (figures,) = quiet.test(model, datamodule=data, verbose=False)
    count = len(dataset.test)
    interval = wilson_interval(round(figures["test/accuracy"] * count), count=count)
    SCORES[title] = f"{figures['test/accuracy']:.2%} ({interval.low:.2%} to {interval.high:.2%}), loss {figures['test/loss']:.4f}"
    print(f"{title}: {SCORES[title]}")


fitted = Baseline.load_from_checkpoint(fit_folder / "checkpoints" / "fit.ckpt", map_location=COMPUTE.device)
test(fitted, "after phase one")

# %% [markdown] lang="ja"
# > **⚠ 学習を再開したつもりで、最初からやり直していることがあります**
# >
# > `ckpt_path="last"` は、ファイルがなくてもエラーにせず、最初から学習します。普通の DataLoader はエポックの途中から再開できず、画像を繰り返したり飛ばしたりします。**気付き方**：再開直後のステップ番号と学習率を見ます。`plumbline fit --out DIR --resume` は、CPU では中断しなかった場合とビット単位で一致するところまで続きます。

# %% [markdown] lang="en"
# > **⚠ Resumed, or begun anew?**
# >
# > `ckpt_path="last"` trains from the start where there is no such file, without an error. An ordinary DataLoader cannot go on in the middle of an epoch: it repeats and leaves out images. **How to notice:** look at the step and the rate right after resuming. `plumbline fit --out DIR --resume` ends, on a CPU, on the very bits of a run that was never stopped.

# %% [markdown] lang="ja"
# ## 11. 重み平均
#
# 第二段階では、一定の小さな学習率で学習を続け、各エポック後の重みを平均します（SWA）。平均した重みは、多くの場合、損失の谷のより平らな場所に来ます。
#
# BatchNorm には注意が必要です。BatchNorm は層の入力の平均と分散を持っていますが、それは**平均する前**の重みで測った値です。平均した重みでは入力の分布が変わるので、学習データをもう一度流して測り直します。

# %% [markdown] lang="en"
# ## 11. Averaging the weights
#
# In the second phase training goes on at a small constant rate, and the weights after each epoch are averaged (SWA). The average often lies in a flatter part of the valley.
#
# BatchNorm needs care. It holds the mean and variance of each layer's input, measured with the weights **before** averaging. With averaged weights that input is another one, so the statistics are measured again in a pass over the training images.

# %%
needs("fitted", "SCORES")
import copy

from plumbline import WeightAverager

average_folder = new_folder("average")
model_2 = new_baseline(constant_rate=RECIPE.averaging.rate)
model_2.network.load_state_dict(fitted.network.state_dict())
data = new_data(first_epoch=EPOCHS)
averager = WeightAverager()
trainer_2 = new_trainer(average_folder, epochs=AVERAGE_EPOCHS, name="raw", callbacks=[averager])
trainer_2.fit(model_2, datamodule=data)

# %%
needs("averager")


def validate(model):
    quiet = Trainer(accelerator=COMPUTE.device.type, devices=1, precision=COMPUTE.lightning_precision, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
    return quiet.validate(model, datamodule=data, verbose=False)[0]


# ja: 平均した重みに、最後の重みで測った統計を組み合わせます（測り直しを忘れた場合）。
# en: Averaged weights with the statistics of the last weights: what one has who forgets to refresh.
statistics = {name: value for name, value in model_2.state_dict().items() if "running_" in name}
unrefreshed = copy.deepcopy(model_2)
unrefreshed.load_state_dict(averager.average | statistics)
averaged = averager.averaged(model_2.to(COMPUTE.device), batches=data.train_batches(device=COMPUTE.device))
for title, model in (("of the last weights", unrefreshed), ("refreshed", averaged)):
    figures = validate(model)
    print(f"BatchNorm {title}: validation accuracy {figures['val/accuracy']:.2%}, loss {figures['val/loss']:.4f}")

# %% [markdown] lang="ja"
# ここでテストします。三つの行を並べるのが要点です。「学習後」と「平均後」だけを比べると、追加で学習したエポックの効果と、平均の効果が混ざってしまいます。真ん中の行が、**同じエポック数で平均しない場合**の対照です。

# %% [markdown] lang="en"
# Now test. What matters is that there are three rows: "after phase one" against "averaged" alone would mix the effect of the additional epochs with that of averaging. The row in the middle is the control: **equally many epochs, not averaged**.

# %%
needs("averaged", "SCORES")
test(model_2, "raw, equal epochs")
test(averaged, "averaged")
torch.save({"state_dict": averaged.state_dict(), "hyper_parameters": dict(averaged.hparams), "pytorch-lightning_version": "2.6.6"}, average_folder / "checkpoints" / "averaged.ckpt")

rows = "".join(f"<tr><td>{title}</td><td>{said}</td></tr>" for title, said in SCORES.items())
display(HTML(f"<table><tr><th></th><th>{dataset.name}, test</th></tr>{rows}</table>"))

# %% [markdown] lang="ja"
# > **⚠ 平均したモデルではなく、元のモデルをテストしている**
# >
# > `trainer.test(model)` に渡すのは `model` か `swa_model` か。Lightning の `WeightAveraging` は、学習後に同じ Trainer で `test(ckpt_path=…)` とすると、平均前の重みをテストします。よく知られたチュートリアルの「95.06 %」も、平均ではなく、20 エポック余分に学習した最後の重みの精度でした。**気付き方**：二つのモデルの重みを一つ比べます。まったく同じなら、平均は使われていません。
#
# > **⚠ BatchNorm を測り直す前に保存している**
# >
# > 最後のチェックポイントを書いた**後で** BatchNorm を測り直すと、保存されたファイルの統計は古いままです。**気付き方**：ファイルから読み直して、もう一度評価します。次のセルがその確認です。

# %% [markdown] lang="en"
# > **⚠ Testing the model that was not averaged**
# >
# > Is it `model` or `swa_model` that goes into `trainer.test`? With Lightning's `WeightAveraging`, `test(ckpt_path=…)` in the same Trainer after training tests the weights as they were before averaging. And the "95.06 %" of a well-known tutorial is no average: it is the last iterate after 20 more epochs. **How to notice:** compare one weight of both models; if they are equal, nothing was averaged.
#
# > **⚠ Saved before BatchNorm was refreshed**
# >
# > Where BatchNorm is refreshed **after** the last checkpoint was written, the file keeps the old statistics. **How to notice:** read the file back and evaluate once more, as the next cell does.

# %%
needs("averaged", "average_folder")
read_back = Baseline.load_from_checkpoint(average_folder / "checkpoints" / "averaged.ckpt", map_location=COMPUTE.device)
first_of = lambda model: next(p for p in model.network.parameters() if p.requires_grad)
print("averaged weights differ from the raw ones:", not torch.equal(first_of(averaged).cpu(), first_of(model_2).cpu()))
print("read back, validation accuracy is the same:", validate(read_back)["val/accuracy"] == validate(averaged)["val/accuracy"])

# %% [markdown] lang="ja"
# ## 12. その差は本物か
#
# 一つの種で見えた差は、偶然かもしれません。`plumbline compare` は、同じ種どうしを組にして比べ、差の信頼区間と判定を出します。まず短く、三つの種で試します。

# %% [markdown] lang="en"
# ## 12. Is the gain real?
#
# A difference seen on one seed may be chance. `plumbline compare` pairs runs of equal seeds, and gives the difference with its interval and a verdict. First a short one, on three seeds.

# %%
needs("new_folder", "DATA")
SEEDS = int(os.environ.get("PLUMBLINE_TUTORIAL_SEEDS", "3"))
shorter = "--set epochs=1 --set averaging.epochs=2 --workers 2" if QUICK else ""
compare_folder = new_folder("compare") / "runs"
plumbline(f"compare swa-quick:raw swa-quick:averaged --seeds {SEEDS} --data {DATA} --out {shlex.quote(str(compare_folder))} {shorter}")

# %% [markdown] lang="ja"
# 種が三つでは、差の信頼区間は広くなりがちです。「not shown（示されていない）」は「差がない」という意味では**ありません**。出力の最後の方に、この種の数で見つけられる差の大きさが書かれています。
#
# 次は、リポジトリに保存されている十個の種での結果です（6 + 6 エポック）。数値は記録ファイルから読み込みます。

# %% [markdown] lang="en"
# With three seeds the interval tends to be wide. "Not shown" does **not** mean that there is no difference; the output also says what so many seeds could have found.
#
# Next, the result of ten seeds that is kept in the repository (6 + 6 epochs), read from its records.

# %%
needs("REPOSITORY")
import urllib.request

import plumbline as package
from plumbline.analysis.comparison import read_comparison
from plumbline.analysis.sentences import power_of, verdict_of
from plumbline.analysis.tables import markdown

NAME = "results/swa-quick-raw-averaged/comparison.json"
roots = (Path.cwd(), *Path.cwd().parents, Path(package.__file__).resolve().parents[2])
record = next((root / NAME for root in roots if (root / NAME).is_file()), None)
if record is None:
    record = new_folder("committed") / "comparison.json"
    address = f"https://raw.githubusercontent.com/{REPOSITORY}/main/{NAME}"
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            record.write_bytes(answer.read())
    except OSError as error:
        record = None
        print(f"記録を取得できません（ネットワーク）/ the record cannot be fetched: {error}")
if record is not None:
    committed = read_comparison(record.parent)
    print(markdown(committed))
    for pair in committed.pairs:
        print(verdict_of(pair, comparison=committed))
        print(power_of(pair))

# %% [markdown] lang="ja"
# 同じ比較は `plumbline compare swa-quick:raw swa-quick:averaged --seeds 10 --data cifar10` で繰り返せます。この結果が語るのは、この小さなネットワークについてだけです。別のネットワークについては、もう一度測る必要があります。

# %% [markdown] lang="en"
# `plumbline compare swa-quick:raw swa-quick:averaged --seeds 10 --data cifar10` repeats it. It speaks of this small network alone; for another one, measure again.

# %% [markdown] lang="ja"
# ## 13. どこで間違えるか
#
# 平均したモデルがテスト画像をどう分類したかを**混同行列**にします（行が正解、列が予測）。次に、自信を持って間違えた画像を見ます。ラベルの誤りや、人にも難しい画像が見つかることがあります。

# %% [markdown] lang="en"
# ## 13. Where is it wrong?
#
# The **confusion matrix** of the averaged model on the test pictures (row: truth, column: answer), then the pictures that it got wrong with the most confidence. Among these one finds wrong labels, and pictures that are hard for people too.

# %%
needs("averaged", "data")
from plumbline.analysis.classes import class_report

with torch.inference_mode():
    network = averaged.network.to(COMPUTE.device).eval()
    logits = torch.cat([network(images).float().cpu() for images, _ in data.evaluation_batches("test", device=COMPUTE.device)])
truth = dataset.test.labels
answers = logits.argmax(1)
report = class_report(truth.numpy(), predictions=answers.numpy(), classes=len(CLASSES))

head = "".join(f"<th>{name}</th>" for name in CLASSES)
lines = ""
for name, row in zip(CLASSES, report.confusion, strict=True):
    shares = [count / max(1, row.sum()) for count in row]
    lines += f"<tr><th>{name}</th>" + "".join(f'<td style="background: rgb(205 92 40 / {0.6 * share:.2f})">{count}</td>' for count, share in zip(row, shares, strict=True)) + "</tr>"
display(HTML(f"<table><tr><th></th>{head}</tr>{lines}</table>"))
for name, figures in zip(CLASSES, report.classes, strict=True):
    print(f"{name:12s} recall {figures.recall.value:.1%} ({figures.recall.low:.1%} to {figures.recall.high:.1%})")

# %%
sure = logits.softmax(1).amax(1) * (answers != truth)
worst = sure.argsort(descending=True)[:12]
sheet([dataset.test.take(worst)], zoom=2)
for place in worst.tolist():
    if answers[place] != truth[place]:
        print(f"{CLASSES[truth[place]]} → {CLASSES[answers[place]]} ({sure[place]:.1%})")

# %% [markdown] lang="ja"
# ## 14. 自分の画像で
#
# クラスごとにフォルダーを分けて画像を置けば、それだけで学習できます。ここでは練習として、データセットから数十枚を PNG に書き出します。自分の画像に置き換えるときは、`pictures` をそのフォルダーにしてください。
#
# レシピは画像の枚数に合わせて選ばれます。ここでは `--epochs 16` を付けて短くしていますが、付けなければ、画像が少ないほど多くのエポックを学習します。

# %% [markdown] lang="en"
# ## 14. Your own pictures
#
# A folder with a subfolder for each class is all it takes. For practice some dozens of pictures are written as PNG files here; set `pictures` to a folder of your own to use that.
#
# The recipe is chosen to suit so many pictures. `--epochs 16` keeps it short here; without it, the fewer the pictures, the more epochs they are trained on.

# %%
needs("dataset", "of_class")
pictures = new_folder("pictures") / "mine"
for label, name in enumerate(CLASSES[:3]):
    (pictures / name).mkdir(parents=True)
    rows = torch.nonzero(dataset.train.labels == label).flatten()[:80]
    for number, picture in enumerate(dataset.train.take(rows)):
        Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy()).save(pictures / name / f"{number:03d}.png")
print(*(f"{folder.name}: {len(list(folder.iterdir()))}" for folder in sorted(pictures.iterdir())), sep="\n")

# %%
needs("pictures")
own_run = new_folder("mine") / "run"
plumbline(f"fit --data {shlex.quote(str(pictures))} --epochs 16 --out {shlex.quote(str(own_run))}")

# %% [markdown] lang="ja"
# 検証データとテストデータは自動的に取り分けられ、よく似た画像どうしは同じ側に置かれます。画像が少ないので、信頼区間が広いことに注目してください。学習したモデルに、まだ見せていない画像を見せてみます。

# %% [markdown] lang="en"
# Validation and test pictures are split off by themselves, and pictures that are alike stay on one side. There are few of them: see how wide the interval is. Show the model pictures that it has not seen.

# %%
needs("own_run")
unseen = new_folder("unseen")
for label in range(3):
    row = torch.nonzero(dataset.test.labels == label).flatten()[:1]
    Image.fromarray(dataset.test.take(row)[0].permute(1, 2, 0).contiguous().numpy()).save(unseen / f"{CLASSES[label]}.png")
plumbline(f"predict {shlex.quote(str(own_run))} {shlex.quote(str(unseen))} --top 2")

# %% [markdown] lang="ja"
# ## 15. 持ち帰る：エクスポートとサーバー
#
# `plumbline export` は、ONNX ファイルに前処理まで含めて書き出します。書き出したファイルが元のモデルと同じ答えを出すことを検証画像で確かめ、合わなければファイルを残しません。ここでは 12 章の比較で学習したモデルを使います。

# %% [markdown] lang="en"
# ## 15. Take it with you: export and serve
#
# `plumbline export` writes an ONNX file with the preprocessing inside it. It is checked on the validation pictures: where it does not agree with the original, no file is kept. Here it is a model from the comparison in section 12.

# %%
needs("compare_folder")
run = sorted(compare_folder.glob("*/seed1"))[0]
plumbline(f"export {shlex.quote(str(run))} --out {shlex.quote(str(new_folder('export') / 'model.onnx'))}")

# %% [markdown] lang="ja"
# `plumbline serve` は、画像をドロップして試せるページと JSON の API を、この機械の中だけで開きます。端末では `plumbline serve RUN` と打ち、止めるときは Ctrl-C を押します。ここでは起動して、HTTP で一度だけ尋ね、止めます。

# %% [markdown] lang="en"
# `plumbline serve` opens a page to drop pictures on, and a JSON API, on this machine only. In a terminal type `plumbline serve RUN`, and press Ctrl-C to end it. Here it is started, asked once by HTTP, and stopped.

# %%
needs("own_run", "unseen", "urllib")
import json

asked = sorted(unseen.iterdir())[0]
server = subprocess.Popen([sys.executable, "-m", "plumbline", "serve", str(own_run), "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
try:
    address = next((line.split()[-1] for line in server.stdout if "http://" in line), None)
    if address is None:
        raise RuntimeError("サーバーを起動できません。端末で次を試してください / the server did not start; try in a terminal: plumbline serve " + str(own_run))
    mark = "a-mark-between-parts"
    head = f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{asked.name}"\r\n\r\n'
    body = head.encode() + asked.read_bytes() + f"\r\n--{mark}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={mark}"}
    request = urllib.request.Request(f"{address}api/predict?top=2", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=120) as reply:
        (result,) = json.load(reply)["results"]
    print(json.dumps({"name": result["name"], "classes": result["classes"]}, indent=1, ensure_ascii=False))
finally:
    server.terminate()
    server.wait()
    server.stdout.close()

# %% [markdown] lang="ja"
# ## おわりに
#
# ここまでの手順は、`plumbline fit resnet18 --data cifar10` という一つのコマンドでも実行できます。その場合は、一枚につき二通りの見方（元の画像と左右反転）で測った精度も加わり、記録 `record.json`、レポート `report.html`、チェックポイントが一つのフォルダーにまとまります。次に読むなら、[README](../README.ja.md)、[設計](../docs/design.md)、[手法のカード](../docs/methods/README.md)（設計と手法のカードは英語）をどうぞ。
#
# このノートブックの日本語版と英語版は同じ一つの元ファイルから作られ、コードは同じで、保存されている出力は一回の実行のものです。

# %% [markdown] lang="en"
# ## In the end
#
# One command, `plumbline fit resnet18 --data cifar10`, goes the same road, with a second score from two views of each picture, and leaves its record `record.json`, its page `report.html` and its checkpoints in one folder. To read on: the [README](../README.md), the [design](../docs/design.md), the [cards of methods](../docs/methods/README.md).
#
# This notebook and its Japanese twin are made from one source: the code is the same, and the outputs that are kept are those of one run.
