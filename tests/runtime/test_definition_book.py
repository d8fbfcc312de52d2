"""What every process keeps of definitions that are deleted."""

import pytest

from schemas.codec import encode
from schemas.definitions import DefinitionRecord
from schemas.envelope import Envelope
from streams.forms import read_definition
from streams.runtime.definition_tail import DefinitionBook

SOURCE = """
id: flow
version: {version}
nodes: {{heard: {{type: start, message: order, next: end}}, end: {{type: end}}}}
"""


def record(version, status, *, was_published=True):
    text = SOURCE.format(version=version)
    body = DefinitionRecord("flow", version, status, text, was_published=was_published)
    return encode(Envelope("r", "DefinitionRecord", 1, "definition", "flow", position=1), body)


@pytest.fixture
def book():
    return DefinitionBook(read_definition, lambda _queue: True)


def version_of(book, asked):
    found = book.find("default", "flow", asked)
    return None if found is None else str(found.version)


@pytest.mark.parametrize("before", [True, False], ids=["live", "after compaction"])
def test_a_deleted_version_is_found_by_its_number_alone(book, before):
    book.add(0, record("1.0.0", "published"))
    if before:
        book.add(0, record("2.0.0", "published"))
        assert version_of(book, "") == "2.0.0"
    book.add(0, record("2.0.0", "deleted"))
    assert [version_of(book, one) for one in ("", "^2", ">=1")] == ["1.0.0", None, "1.0.0"]
    assert version_of(book, "2.0.0") == "2.0.0"
    assert book.is_deleted("default", "flow", "2.0.0")
    assert "2.0.0" in book.source("default", "flow", "2.0.0")
    assert book.started_by("default", "message", "order") == ["flow"]
    book.add(0, record("1.0.0", "deleted"))
    assert (version_of(book, ""), version_of(book, "1.0.0")) == (None, "1.0.0")
    assert list(book.started_by("default", "message", "order")) == []
    book.add(0, record("3.0.0", "published"))
    assert version_of(book, "") == "3.0.0"
    assert book.started_by("default", "message", "order") == ["flow"]


def test_what_was_never_published_is_not_known_when_it_is_deleted(book):
    book.add(0, record("1.0.0", "deleted", was_published=False))
    assert version_of(book, "1.0.0") is None


BY_DEVICE = """
id: {name}
version: {version}
nodes: {{hot: {{type: start, device: "{device}", silent: 9, next: end}}, end: {{type: end}}}}
"""


def by_device(version, device, position, status="published", name="flow"):
    text = BY_DEVICE.format(version=version, device=device, name=name)
    body = DefinitionRecord(name, version, status, text, was_published=True)
    return encode(Envelope("r", "DefinitionRecord", 1, "definition", name, position=position), body)


def started(book, device):
    return {name: len(found) for name, found in book.device_starts("default").of(device).items()}


def test_devices_start_the_newest_version_of_each_definition_that_means_them(book):
    before = book.device_starts("default")
    book.add(0, record("1.0.0", "published"))
    assert book.device_starts("default") is before  # Nothing in it is about devices.
    book.add(0, by_device("2.0.0", "d-*", 2))
    book.add(0, by_device("1.0.0", "d-1", 3, name="other"))
    assert started(book, "d-1") == {"flow": 1, "other": 1}
    assert (started(book, "d-2"), started(book, "e")) == ({"flow": 1}, {})
    book.add(0, by_device("3.0.0", "e", 4))
    assert (started(book, "d-2"), started(book, "e")) == ({}, {"flow": 1})


def test_a_mark_tells_whether_anything_has_changed_even_where_it_is_as_before(book):
    book.add(0, by_device("1.0.0", "d", 1))
    marks = {book.device_starts("default").mark}
    book.add(0, by_device("2.0.0", "d", 2))
    marks.add(book.device_starts("default").mark)
    book.add(0, by_device("2.0.0", "d", 3, "deleted"))
    marks.add(book.device_starts("default").mark)
    assert (len(marks), started(book, "d")) == (3, {"flow": 1})
    book.add(0, by_device("1.0.0", "d", 4, "deleted"))
    assert started(book, "d") == {}
    assert book.device_starts("default").mark not in {b"", *marks}
