"""Try the readers with input grown out of valid files, and the texts with drawn ones, for as long as wanted.

Readers run under atheris (libFuzzer; Linux on x86-64 only), which follows which of our lines input reaches,
texts under hypothesis. A crash is any error but our own, more than 10 seconds of processor time for an input,
or 1 GB of memory above what imports take; its input is kept under FOLDER/crashes, and the target goes on.

Run: python tests/fuzz/run.py FOLDER [--seconds 600] [--targets parquet,settings] [--workers 2]
Prints one JSON object: executions, seconds and crashes of each target. Exits with 1 where there was a crash.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

GIGABYTE_IN_MEGABYTES = 1000
SECONDS_FOR_ONE = 10


def fuzz_reader(name: str, *, corpus: Path, seconds: int) -> None:
    """Run libFuzzer on one reader in this process; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["plumbline", "zipfile", "tarfile", "pickletools", "PIL"]):
        from fuzz.readers import READERS
        from plumbline.errors import PlumblineError
    reader = READERS[name]
    for number, seed in enumerate(reader.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
        reader.read(seed)  # so that imports inside of functions are behind us

    def one(data: bytes) -> None:
        with contextlib.suppress(PlumblineError):
            reader.read(data)

    limit = memory_in_megabytes() + GIGABYTE_IN_MEGABYTES
    options = (f"-max_total_time={seconds}", f"-timeout={SECONDS_FOR_ONE}", f"-rss_limit_mb={limit}")
    kept = f"-artifact_prefix={corpus.parent / 'crashes'}/{name}-"
    atheris.Setup([sys.argv[0], str(corpus), *options, kept, "-print_final_stats=1", "-max_len=65536"], one)
    atheris.Fuzz()


def memory_in_megabytes(kind: str = "VmRSS") -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(rf"{kind}:\s+(\d+) kB", status)
    return int(found[1]) // 1024 if found else 500


def follow_reader(name: str, *, folder: Path, seconds: int) -> dict[str, Any]:
    """Run the reader's process again after each crash until the time is over; give its figures."""
    corpus = folder / name
    corpus.mkdir(exist_ok=True)
    crashes: list[str] = []
    executions, begin = 0, time.monotonic()
    while (left := seconds - int(time.monotonic() - begin)) > 0:
        command = [sys.executable, __file__, str(folder), "--child", name, "--seconds", str(left)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        stats = re.findall(r"stat::number_of_executed_units:\s+(\d+)", done.stderr)
        executions += int(stats[-1]) if stats else 0
        with (folder / f"{name}.log").open("a", encoding="utf-8") as log:
            log.write(done.stderr[-20_000:])
        if done.returncode == 0:
            break
        of_the_process = re.search("libFuzzer: timeout|libFuzzer: out-of-memory", done.stderr)
        if not of_the_process or is_so_alone(done.stderr, name=name, folder=folder):
            crashes.append(what_happened(done.stderr))
        if len(crashes) >= 20:
            break
    took = round(time.monotonic() - begin)
    return {
        "executions": executions,
        "seconds": took,
        "crashes": crashes,
        "inputs": len(list(corpus.iterdir())),
    }


def is_so_alone(log: str, *, name: str, folder: Path) -> bool:
    """Read the input again alone.

    The clock that ended it also ran while other processes did, and the memory that ended it was that of a
    process which had read thousands before.
    """
    kept = re.findall(r"Test unit written to (.*)", log)[-1]
    command = [sys.executable, __file__, str(folder), "--child", name, "--replay", kept]
    try:
        again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    except subprocess.TimeoutExpired:
        return True
    if again.returncode:
        return True
    seconds, megabytes = map(float, again.stdout.split())
    return seconds > SECONDS_FOR_ONE or megabytes > GIGABYTE_IN_MEGABYTES


def replay(name: str, *, kept: Path) -> str:
    """Give the processor time in seconds and the memory in megabytes that one input takes at most."""
    from fuzz.readers import READERS
    from plumbline.errors import PlumblineError

    begin, before = time.process_time(), memory_in_megabytes()
    with contextlib.suppress(PlumblineError):
        READERS[name].read(kept.read_bytes())
    return f"{time.process_time() - begin} {memory_in_megabytes('VmHWM') - before}"


def what_happened(log: str) -> str:
    found = re.findall(
        r"^(?:Exception: .*|\w*(?:Error|Exception|Interrupt)\b.*|==\d+== ?ERROR.*)$", log, re.MULTILINE
    )
    return found[0][:300] if found else log[-300:]


def draw_texts(name: str, *, seconds: int) -> dict[str, Any]:
    """Check a property with new examples until the time is over."""
    import hypothesis

    from fuzz.texts import PROPERTIES

    wanted, count = PROPERTIES[name], 0

    def check(value: object) -> None:
        nonlocal count
        count += 1
        wanted.check(value)

    quiet = list(hypothesis.HealthCheck)
    settings = hypothesis.settings(
        max_examples=1000, deadline=None, database=None, suppress_health_check=quiet
    )
    begin, crashes, number = time.monotonic(), list[str](), 0
    while time.monotonic() - begin < seconds and len(crashes) < 20:
        number += 1
        try:
            hypothesis.seed(number)(settings(hypothesis.given(wanted.strategy)(check)))()
        except Exception as error:  # that is what we look for
            crashes.append(f"{type(error).__name__}: {error}"[:300])
    return {"executions": count, "seconds": round(time.monotonic() - begin), "crashes": crashes}


def follow_texts(name: str, *, folder: Path, seconds: int) -> dict[str, Any]:
    command = [sys.executable, __file__, str(folder), "--child", name, "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"executions": 0, "seconds": 0, "crashes": [done.stderr[-300:]]}
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> int:
    from fuzz.texts import PROPERTIES

    readers = ("pictures", "parquet", "tables", "archives", "checkpoints", "predictions", "zips")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--targets", default=",".join((*readers, *PROPERTIES)))
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--replay", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    folder: Path = asked.folder.resolve()
    (folder / "crashes").mkdir(parents=True, exist_ok=True)
    if asked.replay is not None:
        sys.stdout.write(replay(asked.child, kept=asked.replay))
        return 0
    if asked.child in readers:
        fuzz_reader(asked.child, corpus=folder / asked.child, seconds=asked.seconds)
    elif asked.child is not None:
        sys.stdout.write(json.dumps(draw_texts(asked.child, seconds=asked.seconds)))
        return 0

    def follow(name: str) -> dict[str, Any]:
        one = follow_reader if name in readers else follow_texts
        found = one(name, folder=folder, seconds=asked.seconds)
        sys.stderr.write(f"{name}: {found}\n")
        return found

    names = asked.targets.split(",")
    with ThreadPoolExecutor(asked.workers) as pool:
        results = dict(zip(names, pool.map(follow, names), strict=True))
    sys.stdout.write(json.dumps(results, indent=1) + "\n")
    return int(any(result["crashes"] for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
