"""Runs the conformance data: `python -m tests.conformance [SUITE ...]`.

The last line of the output is JSON, `{suite: {"cases": n, "passed": m}}`, of the suites that were
run; the error stream names each case that did not pass with the reason, and each suite that was
not run. Ends with 0 where all cases passed, 1 where some did not, 2 where there was nothing to run.
"""

import json
import sys
import time
from pathlib import Path

from tests.conformance.suite import VARIABLE, Case, Suite, conformance_folder
from tests.conformance.suites import NOT_RUN, SUITES

PASSED, FAILED, NOTHING = 0, 1, 2


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def reasons(suite: Suite, folder: Path, case: Case) -> list[str]:
    """Judge a case; one that cannot be judged does not pass, and says so."""
    try:
        return suite.judge(folder, case)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other cases are run
        return [f"{type(error).__name__}: {error}"]


def run(suite: Suite, folder: Path) -> dict[str, int]:
    """Judge every case of a suite."""
    begun, passed = time.monotonic(), 0
    try:
        cases = suite.cases(folder)
    except (OSError, ValueError, LookupError) as error:
        say(f"{suite.name}: its list of cases cannot be read: {error}")
        return {"cases": 0, "passed": 0}
    for case in cases:
        if found := reasons(suite, folder, case):
            say(f"{suite.name}: {case['case']} does not pass: {'; '.join(found)}")
        else:
            passed += 1
    say(f"{suite.name}: {passed} of {len(cases)} passed, {time.monotonic() - begun:.1f} s")
    return {"cases": len(cases), "passed": passed}


def main(wanted: list[str]) -> int:
    folder = conformance_folder()
    if not folder.is_dir():
        say(f"there is no conformance data at {folder}: set {VARIABLE} to its folder")
        return NOTHING
    known = {suite.name: suite for suite in SUITES}
    results = {}
    for name in sorted({*known, *NOT_RUN, *(one.name for one in folder.iterdir() if one.is_dir())}):
        if wanted and name not in wanted:
            continue
        if not (folder / name).is_dir():
            say(f"{name}: not run: {folder} has no such folder")
        elif name not in known:
            say(f"{name}: not run: {NOT_RUN.get(name, 'nothing here knows how to judge it')}")
        else:
            results[name] = run(known[name], folder / name)
    print(json.dumps(results))
    if not results:
        say("nothing was run")
        return NOTHING
    passed = all(one["passed"] == one["cases"] > 0 for one in results.values())
    return PASSED if passed else FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
