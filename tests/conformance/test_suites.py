"""Every case of the conformance data, one test each; and that the runner says what is so."""

import json
import os
import subprocess
import sys

import pytest

from tests.conformance.suite import ROOT, VARIABLE, conformance_folder
from tests.conformance.suites import NOT_RUN, SUITES

FOLDER = conformance_folder()


def every_case():
    """Cases of all suites, or one that is skipped where there is no data."""
    absent = pytest.mark.skip(reason=f"no conformance data at {FOLDER}: set {VARIABLE}")
    for suite in SUITES:
        folder = FOLDER / suite.name
        if folder.is_dir():
            for case in suite.cases(folder):
                yield pytest.param(suite, folder, case, id=f"{suite.name}:{case['case']}")
        else:
            yield pytest.param(suite, folder, {}, id=suite.name, marks=absent)


@pytest.mark.parametrize(("suite", "folder", "case"), list(every_case()))
def test_a_case_passes(suite, folder, case):
    assert suite.judge(folder, case) == []


def runner(folder):
    """Run all suites as `make conformance` does."""
    return subprocess.run(
        [sys.executable, "-m", "tests.conformance"],
        cwd=ROOT,
        env=os.environ | {VARIABLE: str(folder), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


NET = """<?xml version="1.0"?>
<pnml xmlns="http://www.pnml.org/version-2009/grammar/pnml">
 <net id="n" type="http://www.pnml.org/version-2009/grammar/ptnet"><page id="p">
  <place id="a"><initialMarking><text>2</text></initialMarking></place>
  <place id="b"/>
  <transition id="t"/>
  <arc id="1" source="a" target="t"/>
  <arc id="2" source="t" target="b"><inscription><text>3</text></inscription></arc>
 </page></net>
</pnml>
"""
FACTS = {
    "case": "small",
    "file": "small.pnml",
    "states": 3,
    "state_space_arcs": 2,
    "max_tokens_in_a_place": 6,
    "max_tokens_in_a_marking": 6,
    "deadlock_reachable": True,
    "one_safe": False,
    "quasi_live": True,
    "live": False,
    "stable_marking": False,
}


@pytest.fixture
def other_data(tmp_path):
    """Another folder of the same form, with one net, and with a suite that nobody knows."""
    folder = tmp_path / "model-checking-contest"
    folder.mkdir()
    (tmp_path / "strange").mkdir()
    (folder / "small.pnml").write_text(NET)
    return tmp_path


def expecting(folder, **other):
    path = folder / "model-checking-contest" / "expected.json"
    path.write_text(json.dumps({"cases": [FACTS | other]}))
    return runner(folder)


def test_other_data_of_the_same_form_is_run(other_data):
    done = expecting(other_data)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"model-checking-contest": {"cases": 1, "passed": 1}}
    assert "strange: not run: nothing here knows how to judge it" in done.stderr
    assert all(f"{name}: not run: " in done.stderr for name in NOT_RUN)


@pytest.mark.parametrize("fact", sorted(FACTS.keys() - {"case", "file"}))
def test_every_wrong_expectation_is_named(fact, other_data):
    wrong = not FACTS[fact] if isinstance(FACTS[fact], bool) else FACTS[fact] + 1
    done = expecting(other_data, **{fact: wrong})
    assert done.returncode == 1
    assert json.loads(done.stdout.splitlines()[-1])["model-checking-contest"]["passed"] == 0
    assert f"small does not pass: {fact}: {wrong!r} expected, {FACTS[fact]!r} found" in done.stderr


def test_a_case_that_cannot_be_read_does_not_pass(other_data):
    (other_data / "model-checking-contest" / "small.pnml").write_text("<!DOCTYPE x []>" + NET)
    done = expecting(other_data)
    assert done.returncode == 1
    assert "small does not pass: NotReadError: a document type is not read" in done.stderr


def test_a_list_that_cannot_be_read_is_named(other_data):
    done = runner(other_data)
    assert done.returncode == 1
    assert "model-checking-contest: its list of cases cannot be read" in done.stderr


def test_a_missing_folder_is_said_to_be_missing(tmp_path):
    done = runner(tmp_path / "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no conformance data at" in done.stderr
    assert VARIABLE in done.stderr


def test_every_suite_is_run_or_has_a_reason():
    if not FOLDER.is_dir():
        pytest.skip(f"no conformance data at {FOLDER}: set {VARIABLE}")
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()}
    known = {suite.name for suite in SUITES} | set(NOT_RUN)
    assert folders <= known, "name these in tests/conformance/suites.py"
