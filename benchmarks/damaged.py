"""Ten thousand damaged inputs, each read in a watched process: a named longspan error or a correct result.

python benchmarks/damaged.py --kinds files --out benchmarks/results/damaged.json
python benchmarks/damaged.py --kinds settings --inputs 400 --programs 0 --out benchmarks/results/damaged_settings.json
python benchmarks/damaged.py --case model:17        # one case again, with its error in full
python benchmarks/damaged.py --inputs 400 --programs 0

Sound files of twenty kinds are damaged blindly (bits, runs of bytes, ends, numbers in headers, halves of two files) and
with knowledge of the format (checksums made right, fields of JSON, XML, CSV and SQL, hostile archives and pickles). A
worker reads each as a user would; it may take 10 seconds and 2 GB, and write into its target only. What was read is
compared with Pillow, the csv module, pyarrow, ElementTree. Some dozens go through `longspan predict`, `evaluate` and
`train` as programs: exit code 0 or 2 and no traceback. In the kinds of "settings" not bytes are odd but
what a user has or chooses: names of classes, the console, nested columns, batch sizes. Linux only, for its ways to
measure and to limit memory.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from damage.corpus import make_corpus
from damage.kinds import FRACTIONS, Cases
from damage.programs import run_programs
from damage.settings import SETTINGS
from damage.worker import HANG_S, MEMORY_BYTES, Outcome, Reader, read_case

from longspan.report import describe_environment

_GOOD = ("refused", "read")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--programs", type=int, default=36, help="inputs that go through the command line")
    parser.add_argument("--kinds", default="files,settings", help="only these, or groups, separated by commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", metavar="KIND:NUMBER", help="read one case in this process and show what happens")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="with --case: also write its files there")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    cases = Cases(make_corpus(), options.seed)
    if options.case:
        _one(cases, options)
        return
    with tempfile.TemporaryDirectory(prefix="damaged-") as scratch:
        result = measure(cases, options, Path(scratch))
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(1 if result["faults"] else 0)


def measure(cases: Cases, options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Read all cases; the result names every fault by kind and number."""
    started = time.monotonic()
    kinds = _kinds(options.kinds)
    planned = _plan(kinds, options.inputs)
    reader = Reader(cases, scratch)
    sound = [reader.read(kind, -1 - i) for kind in kinds for i in range(len(cases.corpus[kind]))]
    refused = [each for each in sound if each.ended != "read"]
    if refused:
        sys.exit(f"Sound files are not read, so damaged ones say nothing: {refused}")
    outcomes: list[Outcome] = []
    for number, (kind, case) in enumerate(planned):
        outcomes.append(reader.read(kind, case))
        if outcomes[-1].ended not in _GOOD:
            print(f"{kind}:{case} {outcomes[-1].ended}: {outcomes[-1].what}", file=sys.stderr, flush=True)
        if number % 1000 == 999:
            print(
                f"{number + 1} of {len(planned)} after {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True
            )
    reader.close()
    seconds = time.monotonic() - started
    programs = run_programs(cases, options.programs, scratch)
    faults = [each for each in (*outcomes, *programs) if each.ended not in _GOOD]
    return {
        "inputs": len(outcomes),
        "command_lines": len(programs),
        "faults": len(faults),
        "fault_list": [f"{each.kind}:{each.number} {each.ended}: {each.what}" for each in faults[:100]],
        "by_kind": {
            kind: dict(Counter(each.ended for each in outcomes if each.kind == kind))
            for kind in kinds
        },
        "slowest_seconds": max((each.seconds for each in outcomes), default=0.0),
        "most_memory_mb": max((each.megabytes for each in outcomes), default=0.0),
        "slowest": [_brief(each) for each in sorted(outcomes, key=lambda each: -each.seconds)[:5]],
        "hungriest": [_brief(each) for each in sorted(outcomes, key=lambda each: -each.megabytes)[:5]],
        "limits": {"seconds": HANG_S, "megabytes": MEMORY_BYTES >> 20},
        "seconds": round(seconds, 1),
        "seed": options.seed,
        "command": f"python benchmarks/{Path(sys.argv[0]).name} {' '.join(sys.argv[1:])}",
        "environment": describe_environment(),
    }  # fmt: skip


def _kinds(named: str) -> list[str]:
    """Kinds by their names or those of their groups."""
    groups = {"files": [kind for kind in FRACTIONS if kind not in SETTINGS], "settings": list(SETTINGS)}
    return [kind for name in named.split(",") for kind in groups.get(name, [name])]


def _plan(kinds: list[str], inputs: int) -> list[tuple[str, int]]:
    """So many cases of each kind as its fraction says, one kind after the other."""
    total = sum(FRACTIONS[kind] for kind in kinds)
    ends = [round(inputs * sum(FRACTIONS[each] for each in kinds[: i + 1]) / total) for i in range(len(kinds))]
    return [(kind, case) for i, kind in enumerate(kinds) for case in range(ends[i] - (ends[i - 1] if i else 0))]


def _brief(outcome: Outcome) -> str:
    return f"{outcome.kind}:{outcome.number} {outcome.seconds:.2f} s, {outcome.megabytes:.0f} MB, {outcome.ended}"


def _one(cases: Cases, options: argparse.Namespace) -> None:
    kind, _, number = options.case.partition(":")
    if options.keep:
        files, _ = cases.files(kind, int(number))
        for name, content in files.items():
            (options.keep / name).parent.mkdir(parents=True, exist_ok=True)
            (options.keep / name).write_bytes(content)
    os.environ["DAMAGED_TRACE"] = "1"
    with tempfile.TemporaryDirectory(prefix="damaged-") as scratch:
        print(read_case(cases, kind, int(number), Path(scratch)))


if __name__ == "__main__":
    main()
