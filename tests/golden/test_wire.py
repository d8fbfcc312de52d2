"""Golden bytes: every message as each version wrote it, for ever.

`wire/<Message>.v<version>.json` holds a message and its record. Records like these lie in
logs in use and are written by clients in other languages.
"""

import base64
import io
import json
import os
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import fastavro
import msgspec
import pytest

from schemas.__main__ import schema_files
from schemas.avro_schema import schema_of
from schemas.codec import HEADER_BYTES, HEADERS, DecodeError, decode, encode, header_of
from schemas.envelope import Envelope
from schemas.registry import MESSAGES, VERSIONS
from schemas.upcasters import FOLDER, STEPS, former_versions

HERE = Path(__file__).parent / "wire"
WRITE = "TIDEMILL_WRITE_GOLDEN"
BY_NAME = {body.__name__: body for body in MESSAGES}
ADVICE = """
Logs in use and clients in other languages hold records of this form. What to do:
- Take the change back, or add a new version: raise the message's number in VERSIONS
  (schemas/registry.py), run `python -m schemas write`, leave the file of the former version in
  schemas/avro/. New fields stand at the end and have defaults; for anything else write a step
  in STEPS (schemas/upcasters.py). Then run `{write}=1 pytest tests/golden` and commit the
  new golden file.
- Nothing with this version was ever released: delete {name} and run the same."""


def sample(hint, name="body"):
    """A value that tells every field from every other."""
    plain = {
        str: f"{name}-é",
        int: -(1 << 40) - len(name) * 1009 - sum(map(ord, name)),
        bool: True,
        bytes: b'{"%s":1}' % name.encode(),
        float: len(name) + 0.25,
    }
    if hint in plain:
        return plain[hint]
    if get_origin(hint) is list:
        return [sample(get_args(hint)[0], f"{name}{n}") for n in (1, 2)]
    if get_origin(hint) is dict:
        return {f"{name}-key": sample(get_args(hint)[1], f"{name}-value")}
    hints = get_type_hints(hint)
    return hint(**{field: sample(hints[field], field) for field in hint.__struct_fields__})


def plain(value):
    return msgspec.to_builtins(value)


def file_of(body):
    return HERE / f"{body.__name__}.v{VERSIONS.get(body.__name__, 1)}.json"


def golden_of(body):
    path = file_of(body)
    if not path.exists():
        if not os.environ.get(WRITE):
            pytest.fail(
                f"There is no {path.name}: every version of a message has its golden bytes.\n"
                f"Run `{WRITE}=1 pytest tests/golden`, look at the file, and commit it.",
                pytrace=False,
            )
        envelope, message = sample(Envelope, "envelope"), sample(body)
        record = base64.b64encode(encode(envelope, message)).decode()
        golden = {"envelope": plain(envelope), "body": plain(message), "record": record}
        path.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")
    return read(path)


def read(path):
    golden = json.loads(path.read_text())
    return golden["envelope"], golden["body"], base64.b64decode(golden["record"])


def fail(path, what):
    pytest.fail(f"{path.name}: {what}\n{ADVICE.format(write=WRITE, name=path.name)}", pytrace=False)


def kept(now, before):
    """Return `now` without the fields that `before` did not have."""
    if isinstance(now, dict) and isinstance(before, dict):
        return {key: kept(value, before[key]) for key, value in now.items() if key in before}
    if isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        return [kept(*pair) for pair in zip(now, before, strict=True)]
    return now


def former():
    return list(former_versions(VERSIONS))


@pytest.mark.parametrize("body", MESSAGES, ids=lambda body: body.__name__)
def test_a_message_is_written_as_its_version_always_was(body):
    envelope, fields, record = golden_of(body)
    message = msgspec.convert(envelope, Envelope), msgspec.convert(fields, body)
    if encode(*message) != record:
        fail(file_of(body), "the message is no longer written as it was.")
    if record[:HEADER_BYTES] != HEADERS[body]:
        fail(file_of(body), "the schema has another fingerprint.")


@pytest.mark.parametrize("path", sorted(HERE.glob("*.json")), ids=lambda path: path.stem)
def test_every_record_ever_written_is_read_today(path):
    envelope, fields, record = read(path)
    try:
        found = decode(record)
    except DecodeError as error:
        fail(path, f"the record cannot be read any more: {error}")
    name, _, version = path.stem.rpartition(".v")
    assert type(found.body).__name__ == name
    if (name, int(version)) not in STEPS:
        assert kept(plain(found.envelope), envelope) == envelope
        assert kept(plain(found.body), fields) == fields


def test_the_schema_files_are_what_the_classes_say():
    for name, text in schema_files().items():
        path = FOLDER / name
        assert path.is_file(), f"schemas/avro/{name} is missing: run `python -m schemas write`"
        if path.read_text(encoding="utf-8") == text:
            continue
        before = json.loads(path.read_text(encoding="utf-8"))
        if header_of(before) != header_of(json.loads(text)):
            fail(path, "the class no longer gives the schema of this version.")
        pytest.fail(f"schemas/avro/{name}: its texts changed: run `python -m schemas write`")


def test_every_schema_file_is_a_version_that_is_or_was_and_has_golden_bytes():
    now = set(schema_files())
    before = {f"{one.name}.v{one.version}.avsc" for one in former()}
    files = {path.name for path in FOLDER.iterdir()}
    assert files == now | before, "a file of a version that is still to come, or of no message"
    assert {one.name for one in former()} <= set(BY_NAME), "a message that is gone is in the logs"
    for name in files:
        assert (HERE / name.replace(".avsc", ".json")).is_file(), f"{name}: no golden bytes"


@pytest.mark.parametrize("one", former(), ids=lambda one: f"{one.name}.v{one.version}")
def test_a_former_version_resolves_to_the_present_one_and_back(one):
    """By Avro's own rules, so that readers in other languages can do it too."""
    assert one.version < VERSIONS[one.name]
    if any(name == one.name and version >= one.version for name, version in STEPS):
        return  # What is renamed or split needs its step; the golden bytes hold it.
    present, before = schema_of(BY_NAME[one.name]), one.schema
    _, _, old = read(HERE / f"{one.name}.v{one.version}.json")
    _, _, new = read(file_of(BY_NAME[one.name]))
    for data, writer, reader in ((old, before, present), (new, present, before)):
        body = io.BytesIO(data[HEADER_BYTES:])
        both = [fastavro.parse_schema(schema, _force=True) for schema in (writer, reader)]
        assert fastavro.schemaless_reader(body, *both)
