"""Which files are published together, and what each of them is said to be sound with."""

import threading

import pytest
import typer

from connectors.cli.failures import NotFoundError
from connectors.cli.groups import at_once, groups_of, named, names_for
from schemas.definitions import DefinitionRecord
from streams.forms import read_definition
from tests.verifier.talk import call, catch, flow, throw

ASKS = flow("asks", throw("question"), catch("answer"))
ANSWERS = flow("answers", catch("question"), throw("answer"))
CALLER = flow("caller", call("asks"))
ALONE = flow("alone", "type: timer, duration: 1")


def files(*sources):
    return [(source, "some.yaml", read_definition(source)) for source in sources]


def ids(groups):
    return [[definition.id for _, _, definition in group] for group in groups]


def record(source, version="1.0.0", status="published"):
    definition = read_definition(source)
    return DefinitionRecord(definition.id, version, status, source)


def test_who_speaks_or_calls_is_published_together_and_nobody_else():
    found = groups_of(files(ASKS, ALONE, ANSWERS, CALLER))
    assert ids(found) == [["alone"], ["asks", "answers", "caller"]]


def test_groups_that_a_later_file_joins_are_one():
    assert ids(groups_of(files(CALLER, ANSWERS, ASKS))) == [["caller", "answers", "asks"]]


def test_two_versions_of_one_definition_are_not_published_together():
    later = ASKS.replace("1.0.0", "1.1.0")
    assert later != ASKS
    with pytest.raises(typer.BadParameter, match="two versions of asks together"):
        groups_of(files(ASKS, later, ANSWERS))


def test_each_names_the_others_and_what_was_named_for_all():
    group = files(ASKS, ANSWERS)
    assert names_for(group[0], group, ["more@2.0.0"]) == ["answers@1.0.0", "more@2.0.0"]
    assert names_for(group[1], group, []) == ["asks@1.0.0"]


def test_of_a_published_one_the_newest_is_meant_or_the_one_that_is_named():
    known = [record(ASKS), record(ASKS, "1.1.0"), record(ASKS, "1.2.0", "refused")]
    (newest,) = named(["asks"], [], known)
    (older,) = named(["asks@1.0.0"], [], known)
    assert (newest[1], older[1], older[2].id) == ("asks@1.1.0", "asks@1.0.0", "asks")


@pytest.mark.parametrize("name", ["nobody", "asks@1.2.0", "asks@9.9.9"])
def test_what_is_not_published_cannot_be_named(name):
    with pytest.raises(NotFoundError, match=f"--with {name}: it is not published"):
        named([name], [], [record(ASKS), record(ASKS, "1.2.0", "refused")])


def test_what_is_among_the_files_is_not_named_again():
    with pytest.raises(typer.BadParameter, match="among the files, which is enough"):
        named(["asks"], files(ASKS), [record(ASKS)])


def test_a_group_is_sent_at_the_same_moment_so_that_nobody_waits_for_ever():
    all_there = threading.Barrier(2)

    def send(one):
        all_there.wait(20)
        return one[2].id

    assert at_once(send, files(ASKS, ANSWERS)) == ["asks", "answers"]


def test_a_failure_of_one_is_told_when_all_have_ended():
    ended = []

    def send(one):
        if one[2].id == "asks":
            raise NotFoundError("asks")
        ended.append(one[2].id)

    with pytest.raises(NotFoundError, match="asks"):
        at_once(send, files(ASKS, ANSWERS))
    assert ended == ["answers"]
