"""Which packages are installed, and what to say where torch and torchvision do not belong together."""

from __future__ import annotations

from plumbline.errors import PlumblineError

# Each is a symptom of compiled code that was built for another torch, in the words of torch, Python or the
# dynamic loader. The second appears when the import is tried again in the same process.
_SYMPTOMS = (
    "operator torchvision::nms does not exist",
    "partially initialized module 'torchvision' has no attribute 'extension'",
    "libtorch_cuda",
    "libcudart",
)


def explain_import_error(error: BaseException) -> PlumblineError | None:
    """Turn the failed import of torchvision (or of lightning, which imports it) into advice.

    Args:
        error: what the import raised; the errors that led to it are looked at as well.

    Returns:
        An error to raise instead, or None where the import failed for another reason.

    >>> print(explain_import_error(ImportError("No module named 'numpy'")))
    None
    >>> "one command" in str(explain_import_error(RuntimeError("operator torchvision::nms does not exist")))
    True

    """
    chain: BaseException | None = error
    seen: set[int] = set()
    while chain is not None and id(chain) not in seen:
        if any(symptom in str(chain) for symptom in _SYMPTOMS):
            return PlumblineError(_advice(str(chain)))
        seen.add(id(chain))
        chain = chain.__cause__ or chain.__context__
    return None


def _advice(symptom: str) -> str:
    return (
        f"torch {installed('torch')} and torchvision {installed('torchvision')} do not fit together "
        f"({symptom}): expected two wheels of one build, got two of different builds, such as the CUDA build "
        "of torchvision beside a torch that is CPU-only. Install both again in one command and from one "
        "package index (pip install --force-reinstall torch torchvision), or use the environment that "
        "`make run` makes."
    )


def installed(package: str) -> str:
    """Give the version of a package, or "not installed": plumbline too may run from its source folder.

    >>> installed("no-such-package")
    'not installed'
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
