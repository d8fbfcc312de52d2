"""Former versions: a record of an older form is read as today's message.

The form 0 below never was. It differs from today's in all ways at once: a field was renamed, one
changed its type, others were added, in the body and in the envelope.
"""

import json

import pytest

from schemas import codec
from schemas.codec import HEADER_BYTES, decode, header_of
from schemas.commands import RunInstance
from schemas.envelope import Context, Envelope
from schemas.registry import VERSIONS
from schemas.upcasters import former_versions

RUN_V0 = {
    "type": "record",
    "name": "RunInstance",
    "namespace": "io.tidemill",
    "fields": [
        {
            "name": "envelope",
            "type": {
                "type": "record",
                "name": "Envelope",
                "fields": [
                    {"name": "id", "type": "string"},
                    {"name": "type", "type": "string"},
                    {"name": "time", "type": "long"},
                    {"name": "instance", "type": "string"},
                ],
            },
        },
        {"name": "definition", "type": "string"},
        {"name": "version", "type": "int"},
    ],
}
RECORD = header_of(RUN_V0) + bytes.fromhex(
    "06727631"  # rv1
    "0652756e"  # Run
    "d00f"  # 1000
    "026f"  # o
    "0a6f72646572"  # order
    "04"  # 2
)


def from_v0(record):
    envelope = record["envelope"]
    instance = envelope.pop("instance")
    return {
        "envelope": {**envelope, "aggregate_type": "instance", "aggregate_id": instance},
        "definition_id": record["definition"],
        "version": f"{record['version']}.0.0",
    }


@pytest.fixture
def known(tmp_path, monkeypatch):
    """Form 0 is known for the length of a test."""
    (tmp_path / "RunInstance.v0.avsc").write_text(json.dumps(RUN_V0))
    monkeypatch.setattr(codec, "_FORMS", dict(codec._FORMS))
    steps = {("RunInstance", 0): from_v0}
    (former,) = former_versions(VERSIONS, tmp_path, steps)
    codec.register_former(former)
    return former


def test_a_record_of_a_form_that_is_not_known_is_refused():
    with pytest.raises(codec.UnknownSchemaError, match="newer release"):
        decode(RECORD)


def test_a_record_of_a_former_version_becomes_todays_message(known):
    message = decode(RECORD)
    assert message.body == RunInstance("order", "2.0.0")
    assert message.envelope == Envelope("rv1", "Run", 1000, "instance", "o", context=Context())


def test_a_record_of_a_former_version_that_is_damaged_names_message_and_version(known):
    with pytest.raises(codec.DecodeError, match="not a readable RunInstance v0"):
        decode(RECORD[:-3])
    with pytest.raises(codec.DecodeError, match="not a readable RunInstance v0"):
        decode(RECORD[:HEADER_BYTES])


def test_steps_follow_each_other_up_to_the_present_version(tmp_path):
    for version in (1, 2, 3):
        (tmp_path / f"Thing.v{version}.avsc").write_text('{"type": "record"}')
    steps = {
        ("Thing", 1): lambda record: {**record, "path": record["path"] + "1"},
        ("Thing", 3): lambda record: {**record, "path": record["path"] + "3"},
    }
    found = {
        f.version: f.upcast({"path": ""}) for f in former_versions({"Thing": 4}, tmp_path, steps)
    }
    assert found == {1: {"path": "13"}, 2: {"path": "3"}, 3: {"path": "3"}}


def test_a_version_that_is_still_written_is_no_former_one(tmp_path):
    (tmp_path / "Thing.v1.avsc").write_text('{"type": "record"}')
    assert list(former_versions({}, tmp_path)) == []
