"""The generator of the notebooks: one source, two languages, one code."""

from __future__ import annotations

from pathlib import Path

import pytest
from tutorial.make import (
    as_notebook,
    build_notebook,
    check_data,
    cleaned,
    codes,
    execute,
    read_notebook,
    with_outputs,
)

from plumbline.errors import PlumblineError

SOURCE = """# %% [markdown] lang="ja"
# # 表題

# %% [markdown] lang="en"
# # Title

# %%
# ja: 数
# en: a number
number = 1
print(number)
"""


def test_each_language_has_its_own_words_and_the_same_code() -> None:
    """Text cells and marked comments are chosen; what runs is equal."""
    japanese, english = (build_notebook(SOURCE, language=language) for language in ("ja", "en"))
    assert [cell.source for cell in japanese.cells] == ["# 表題", "# 数\nnumber = 1\nprint(number)"]
    assert [cell.source for cell in english.cells] == ["# Title", "# a number\nnumber = 1\nprint(number)"]
    assert codes(japanese) == codes(english)


@pytest.mark.parametrize(
    "missing", ['# %% [markdown] lang="ja"\n# # 表題\n', '# %% [markdown] lang="en"\n# # Title\n']
)
def test_text_in_one_language_only_is_refused(missing: str) -> None:
    """Who adds a text cell adds it in both languages."""
    with pytest.raises(PlumblineError, match="in Japanese and then in English"):
        build_notebook(SOURCE.replace(missing, ""), language="en")


def test_outputs_belong_to_their_code() -> None:
    """Outputs are taken over by the other language, and never by other code."""
    japanese, english = (build_notebook(SOURCE, language=language) for language in ("ja", "en"))
    japanese.cells[1].outputs = [as_notebook({"output_type": "stream", "name": "stdout", "text": "1\n"})]
    assert with_outputs(english, executed=japanese).cells[1].outputs[0].text == "1\n"
    other = build_notebook(SOURCE.replace("number = 1", "number = 2"), language="en")
    with pytest.raises(PlumblineError, match="code has changed"):
        with_outputs(other, executed=japanese)


def test_a_cell_is_run_where_it_is_told_and_shows_no_path(tmp_path: Path) -> None:
    """A notebook runs in the folder given; what it prints of that folder is relative."""
    notebook = build_notebook(
        SOURCE.replace("print(number)", "from pathlib import Path\nprint(Path('made').absolute())"),
        language="en",
    )
    done = cleaned(execute(notebook, folder=tmp_path, settings={}), folder=tmp_path)
    assert done.cells[1].outputs[0].text == "made\n"


def test_outputs_of_other_data_than_cifar10_are_refused() -> None:
    """The notebook goes on with digits where CIFAR-10 is missing; such outputs are not the tutorial's."""
    check_data(read_notebook("ja"))
    digits = build_notebook(SOURCE, language="ja")
    said = "digits: 1,437 training images, 360 test images, 10 classes\n"
    digits.cells[1].outputs = [as_notebook({"output_type": "stream", "name": "stdout", "text": said})]
    with pytest.raises(PlumblineError, match=r"CIFAR-10, and it could not be had.*PLUMBLINE_DATA"):
        check_data(digits)
