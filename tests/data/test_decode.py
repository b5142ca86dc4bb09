"""Pictures of every make come out square, upright and RGB, and bad ones are told by name."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageFile

from plumbline.data import decode
from plumbline.data.decode import FORMATS, BadImage, decode_picture, picture_size, read_picture_file
from plumbline.errors import PlumblineError, StopRequested
from plumbline.inference.decoding import decode_in_order
from plumbline.serve.limits import Limits
from plumbline.serve.refusals import Refusal
from plumbline.serve.squares import read_square

if TYPE_CHECKING:
    from numpy.typing import NDArray

RED, BLUE = (255, 0, 0), (0, 0, 255)
NOISE = np.random.default_rng(5).integers(0, 256, (40, 24, 3), dtype=np.uint8)


def saved(image: Image.Image, format: str = "PNG", **options: object) -> bytes:  # noqa: A002
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def halves(width: int = 40, height: int = 40) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


def close(pixel: NDArray[np.uint8], color: tuple[int, ...], *, by: int = 12) -> bool:
    return bool((np.abs(pixel.astype(int) - np.array(color)) <= by).all())


VALID = {name: saved(Image.fromarray(NOISE), name) for name in FORMATS}


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_format(format_name: str) -> None:
    """A picture of each format shows the same, in whatever way it is packed."""
    pixels = decode_picture(saved(halves(), format_name), size=8)
    assert pixels.shape == (8, 8, 3)
    assert pixels.dtype == np.uint8
    assert close(pixels[4, 1], RED, by=40)
    assert close(pixels[4, 6], BLUE, by=40)


@pytest.mark.parametrize("format_name", ["PNG", "BMP", "TIFF"])
def test_the_right_size_keeps_its_pixels(format_name: str) -> None:
    """A lossless picture of the wanted size comes out to the bit."""
    square = NOISE[:24]
    assert np.array_equal(decode_picture(saved(Image.fromarray(square), format_name), size=24), square)


def test_the_middle_is_cut_out() -> None:
    """Of a wide picture the middle is kept, without scaling where the height fits."""
    wide = np.concatenate(
        [np.zeros((10, 7, 3), np.uint8), NOISE[:10, :10], np.zeros((10, 8, 3), np.uint8)], 1
    )
    assert np.array_equal(decode_picture(saved(Image.fromarray(wide)), size=10), NOISE[:10, :10])


@pytest.mark.parametrize("size", [(9000, 1), (1, 9000), (1, 1), (3, 7)])
def test_extreme_shapes(size: tuple[int, int]) -> None:
    """One pixel high, or one pixel at all: no memory for what is cut away, and the colour stays."""
    assert close(decode_picture(saved(Image.new("RGB", size, RED)), size=16)[8, 8], RED)


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 90, (90, 90, 90)),
        ("LA", (90, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 255), RED),
        ("RGBA", (0, 0, 0, 128), (127, 127, 127)),
        ("P", 0, (0, 0, 0)),
    ],
)
def test_modes_of_png(mode: str, color: int | tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Grey, one bit, palette and alpha all become RGB, alpha on white."""
    image = Image.new(mode, (20, 20), color)
    assert close(decode_picture(saved(image), size=8)[4, 4], expected, by=1)


def test_see_through_palettes_and_colours() -> None:
    """A palette entry or an RGB colour that is marked as transparent is white."""
    palette = halves().quantize(4)
    marked = saved(palette, transparency=palette.getpixel((1, 1)))
    assert close(decode_picture(marked, size=8)[4, 1], (255, 255, 255))
    assert close(decode_picture(saved(halves(), transparency=RED), size=8)[4, 1], (255, 255, 255))
    gif = saved(palette, "GIF", transparency=palette.getpixel((1, 1)))
    assert close(decode_picture(gif, size=8)[4, 1], (255, 255, 255))


def test_cmyk() -> None:
    """A CMYK JPEG, as printers want it, has the colours of the RGB one."""
    pixels = decode_picture(saved(halves().convert("CMYK"), "JPEG"), size=8)
    assert close(pixels[4, 1], RED, by=25)
    assert close(pixels[4, 6], BLUE, by=25)


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_grey_of_16_bits_is_scaled(format_name: str) -> None:
    """16-bit grey is divided by 257 and rounded, where Pillow's own conversion would clip it."""
    grey = np.array([[0, 257], [32768, 65535]], np.uint16)
    pixels = decode_picture(saved(Image.fromarray(grey), format_name), size=2)
    assert pixels[..., 0].tolist() == [[0, 1], [128, 255]]


def test_grey_without_a_known_white() -> None:
    """Floating-point and 32-bit grey are refused: what would be white is anybody's guess."""
    for values in (np.ones((4, 4), np.float32), np.full((4, 4), 70_000, np.int32)):
        with pytest.raises(BadImage, match="8 or 16 bits"):
            decode_picture(saved(Image.fromarray(values), "TIFF"), size=4)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(format_name: str, orientation: int) -> None:
    """A picture that a camera wrote sideways or mirrored comes out as it was seen."""
    seen = np.zeros((30, 20, 3), np.uint8)
    seen[:15, :10] = 255  # the upper left quarter
    turns = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE"}
    turns |= {6: "ROTATE_90", 7: "TRANSVERSE", 8: "ROTATE_270"}
    written = Image.fromarray(seen)
    if orientation > 1:
        written = written.transpose(Image.Transpose[turns[orientation]])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = saved(written, format_name, exif=exif)
    assert picture_size(data) == (20, 30)
    pixels = decode_picture(data, size=20)
    assert [int(pixels[y, x, 0]) > 128 for y, x in ((3, 3), (3, 16), (16, 3), (16, 16))] == [True] + [
        False
    ] * 3


def test_broken_exif_is_no_broken_picture() -> None:
    """EXIF that cannot be read beside whole pixels is passed over."""
    data = saved(halves(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff rubbish")
    assert close(decode_picture(data, size=8)[4, 1], RED, by=40)
    assert picture_size(data) == (40, 40)


@pytest.mark.parametrize("format_name", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation(format_name: str) -> None:
    """Of an animation or a file of several pages the first is taken."""
    frames = [Image.new("RGB", (16, 16), color) for color in (RED, BLUE)]
    data = saved(frames[0], format_name, save_all=True, append_images=frames[1:])
    assert close(decode_picture(data, size=8)[4, 4], RED)


def test_large_jpegs_lose_nothing_that_is_seen() -> None:
    """Decoding a JPEG at a fraction of its size, for speed, changes the outcome by about a grey level."""
    y, x = np.mgrid[0:600, 0:800] / 100
    photo = (127 + 60 * np.sin(x * y) + 60 * np.cos(7 * x)).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(np.stack([photo, photo[::-1], photo[:, ::-1]], -1))
    data = saved(image, "JPEG", quality=92)
    with Image.open(io.BytesIO(data)) as whole:
        exact = decode_picture(saved(whole.convert("RGB")), size=64)
    difference = np.abs(decode_picture(data, size=64).astype(int) - exact.astype(int))
    assert difference.mean() < 1.0
    assert difference.max() < 12


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_files_cut_short(format_name: str, share: float) -> None:
    """Half a file is no picture, and its name is told."""
    data = VALID[format_name]
    with pytest.raises(BadImage, match=r"photo\.jpg: .*(damaged or cut short|none of these)"):
        decode_picture(data[: int(len(data) * share)], size=8, name="photo.jpg")


def test_no_picture_at_all(tmp_path: Path) -> None:
    """Text, nothing, a folder, a missing file, and a format that was not asked for are told apart."""
    bad: list[tuple[Path | bytes, str]] = [
        (b"<html>not found</html>", "none of these"),
        (b"", "empty"),
        (saved(halves(), "PPM"), "none of these"),
        (tmp_path, "no file"),
        (tmp_path / "gone.jpg", r"gone\.jpg: .*cannot be read"),
    ]
    for source, said in bad:
        for read in (lambda source: decode_picture(source, size=8), picture_size):
            with pytest.raises(BadImage, match=said):
                read(source)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """A named pipe in a folder of pictures is refused at once."""
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(BadImage, match="no file"):
        read_picture_file(tmp_path / "a.png")


def bomb(width: int, height: int) -> bytes:
    """Make a PNG that says it is large; there is little behind its header."""
    data = bytearray(saved(Image.new("1", (8, 8))))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize("side", [10_001, 20_000, 2_000_000_000])
def test_too_many_pixels(side: int) -> None:
    """A picture beyond the cap is refused from its header, where Pillow would warn or decode it."""
    for read in (lambda data: decode_picture(data, size=8, name="big.png"), picture_size):
        with pytest.raises(BadImage, match=r"make it smaller|damaged"):
            read(bomb(side, side))


def test_below_the_cap_nothing_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Pillow would warn of is silent within the cap; threads leave the filters alone."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40_000_000)
    before = list(warnings.filters)
    sizes: list[tuple[int, int]] = []
    threads = [
        threading.Thread(target=lambda: sizes.append(picture_size(bomb(8_000, 8_000)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [(8_000, 8_000)] * 8
    assert warnings.filters == before


def test_callers_that_overlap() -> None:
    """The first caller to come is the first to go: the second is still silent, and nothing is left."""
    before = list(warnings.filters)
    silence = decode._Silence()
    silence.__enter__()
    silent = list(warnings.filters)
    silence.__enter__()
    silence.__exit__()
    assert warnings.filters == silent != before
    silence.__exit__()
    assert warnings.filters == before


def test_too_large_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file beyond the cap is not even read."""
    path = tmp_path / "a.png"
    path.write_bytes(VALID["PNG"])
    monkeypatch.setattr(decode, "MAX_FILE_BYTES", 100)
    for source in (path, VALID["PNG"]):
        with pytest.raises(BadImage, match="at most 100 bytes"):
            decode_picture(source, size=8)


def test_a_wish_to_stop_is_no_bad_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while a picture is decoded stops, and blames no picture."""

    def interrupted(*_: object, **__: object) -> None:
        raise StopRequested(2)

    monkeypatch.setattr(Image, "open", interrupted)
    with pytest.raises(StopRequested):
        decode_picture(VALID["PNG"], size=8)


def short_of_memory(*_: object, **__: object) -> None:
    raise MemoryError


@pytest.mark.parametrize("step", ["load", "getexif", "resize"])
def test_a_shortage_of_memory_is_no_bad_picture(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever memory runs out while a picture is read, no picture is called damaged."""
    monkeypatch.setattr(Image.Image, step, short_of_memory)
    monkeypatch.setattr(ImageFile.ImageFile, step, short_of_memory, raising=False)
    with pytest.raises(MemoryError):
        decode_picture(VALID["BMP"], size=8)


def test_predictions_tell_a_shortage_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prediction names the picture and goes on; the local page asks to try again, and blames no picture."""
    (tmp_path / "a.png").write_bytes(VALID["PNG"])
    monkeypatch.setattr(Image, "open", short_of_memory)
    (told,) = decode_in_order([tmp_path / "a.png"], size=8, workers=1)
    assert told.fault == f"{tmp_path}/a.png: there is not enough memory to decode the picture"
    with pytest.raises(Refusal, match="Try again") as refusal:
        read_square(VALID["PNG"], name="a.png", size=8, limits=Limits())
    assert refusal.value.kind == "busy"


@settings(max_examples=150, deadline=None)
@given(
    format_name=st.sampled_from(FORMATS),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6
    ),
    end=st.floats(0.05, 1),
)
def test_any_bytes(format_name: str, changes: list[tuple[float, int]], end: float) -> None:
    """A file with some bytes changed, in its header above all, is decoded or refused, and nothing else."""
    data = bytearray(VALID[format_name])
    for place, value in changes:
        data[int(place**3 * len(data))] = value
    for read in (lambda data: decode_picture(data, size=8), picture_size):
        with contextlib.suppress(PlumblineError):
            read(bytes(data[: int(end * len(data))]))
