"""Every setting is read by the code that it is for: one that nobody reads promises nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.mqtt.settings import BridgeSettings, MqttSettings
from connectors.workers.settings import WorkerSettings
from projections.settings import ProjectionSettings
from streams.settings import EngineSettings
from streams.verifier.settings import VerifierSettings
from topics.settings import KafkaSettings

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("connectors", "projections", "streams", "topics")
KINDS = (
    KafkaSettings,
    EngineSettings,
    VerifierSettings,
    WorkerSettings,
    BridgeSettings,
    MqttSettings,
    ProjectionSettings,
)
HOLDERS = ("settings", "_settings", "mqtt", "limits", "made", "self")
"""What an object of settings is called where one of its fields is read."""


def read_in(text: str) -> Iterator[str]:
    """Yield the names of fields that are read off something that is called like settings."""
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)):
            continue
        value = node.value
        name = value.id if isinstance(value, ast.Name) else getattr(value, "attr", "")
        if isinstance(value, ast.Call):
            name = "settings" if str(getattr(value.func, "id", "")).endswith("Settings") else ""
        if name in HOLDERS:
            yield node.attr


@pytest.fixture(scope="module")
def read() -> set[str]:
    files = (path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return {name for path in files for name in read_in(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_setting_is_read_somewhere(kind, read):
    unread = sorted(set(kind.model_fields) - read)
    assert unread == [], f"{kind.__name__}: nobody reads {unread}: use it, or remove it"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_setting_says_what_it_is(kind):
    assert [name for name, field in kind.model_fields.items() if not field.description] == []


def test_a_field_that_is_only_written_counts_as_unread():
    assert list(read_in("settings.a = 1\nx = settings.b\ny = other.c")) == ["b"]
