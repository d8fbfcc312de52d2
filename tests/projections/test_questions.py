"""What a user asks the views through the command line, and what the settings take."""

import json

import pytest

from projections.positions import token
from projections.settings import ProjectionSettings

pytestmark = pytest.mark.kafka

HELLO = """
id: hello
version: 1.0.0
variables: {who: {type: string, default: world}}
nodes:
  start: {type: start, next: nap}
  nap: {type: timer, duration: PT1H, next: end}
  end: {type: end}
"""


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_a_command_did_is_read_back_at_its_position(
    engine, client, projector, tidemill, tmp_path
):
    projector.start()
    client.publish("hello", HELLO)
    start = ("instance", "start", "hello", "--id", "mine", "--actor", "ann", "--json")
    code, out, errors = tidemill(*start)
    assert code == 0, errors
    position = json.loads(out)["position"]
    code, out, errors = tidemill("instance", "show", "mine", "--after", position, "--json")
    assert code == 0, errors
    shown = json.loads(out)
    assert shown["position"] == position
    one = shown["instance"]
    assert (one["state"], one["current_nodes"], one["created_by"]) == ("Running", ["nap"], "ann")
    assert one["variables"] == {"who": "world"}
    partition, number = position.split(":")
    later = f"{partition}:{int(number) + 1}"
    code, _, errors = tidemill("instance", "show", "mine", "--after", later, "--timeout", "0.3")
    assert code == 6
    assert f"it reflects {position}" in errors
    code, _, errors = tidemill("instance", "show", "other")
    assert (code, "no instance other at position" in errors) == (5, True)
    code, out, _ = tidemill("instance", "terminate", "mine", "--reason", "now", "--json")
    position = json.loads(out)["position"]
    wait = ("--after", position, "--json")
    code, out, _ = tidemill("instance", "history", "mine", *wait)
    events = json.loads(out)["events"]
    assert [one["type"] for one in events][::2] == ["workflow.started", "workflow.terminated"]
    assert events[0]["data"]["variables"] == {"who": "world"}
    code, out, _ = tidemill("instance", "list", "--state", "terminated", *wait)
    assert [one["id"] for one in json.loads(out)["instances"]] == ["mine"]
    code, out, _ = tidemill("definition", "versions", "hello", *wait)
    (one,) = json.loads(out)["versions"]
    assert (code, one["version"], one["state"]) == (0, "1.0.0", "published")
    assert "published" in tidemill("definition", "versions")[1]
    assert tidemill("definition", "versions", "other")[0] == 5
    for words, told in (
        (("show", "mine"), "now"),
        (("list",), "mine"),
        (("history", "mine"), "nap"),
    ):
        code, out, errors = tidemill("instance", *words)
        assert (code, told in out) == (0, True), out + errors
    assert tidemill("instance", "list", "--state", "odd")[0] == 2
    assert tidemill("instance", "show", "mine", "--after", "x")[0] == 2


def test_without_views_a_question_says_who_makes_them(tidemill, tmp_path):
    missing = {"TIDEMILL_DATABASE_URL": f"sqlite:///{tmp_path}/none.db"}
    code, _, errors = tidemill("instance", "list", **missing)
    assert (code, "run `tidemill project`" in errors) == (3, True)
    assert not (tmp_path / "none.db").exists()
    code, _, errors = tidemill("instance", "list", TIDEMILL_DATABASE_URL="oracle://x")
    assert (code, "postgresql://USER@HOST/DATABASE" in errors) == (2, True)


def test_a_plain_postgresql_address_is_taken_and_others_are_refused(tmp_path):
    url = ProjectionSettings(database_url="postgresql://u:p%40w@h/d").url()
    assert url.drivername == "postgresql+psycopg"
    assert url.password == "p@w"
    default = ProjectionSettings(data_dir=tmp_path, database_url="").url()
    assert (default.drivername, default.database) == ("sqlite", str(tmp_path / "tidemill.db"))
    for bad in ("sqlite://", "sqlite:///:memory:", "mysql://h/d", "nonsense"):
        with pytest.raises(ValueError, match="sqlite:///FILE"):
            ProjectionSettings(database_url=bad)
    assert token({}) == ""
