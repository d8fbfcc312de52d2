"""The Petri net of a definition, as it is written for people, programs and other tools."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from connectors.cli.definition import app
from schemas.codec import encode
from schemas.definitions import DefinitionRecord
from schemas.envelope import Envelope
from streams.domain.net.bounded import reach
from streams.domain.net.explore import explore
from streams.domain.net.translate import petri_net
from streams.domain.net.weighted import underlying, weighted
from streams.forms import read_definition, write_pnml
from streams.testing.blocks import Blocks
from tests.conformance.pnml import net_of, nets_of

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PNML = "{http://www.pnml.org/version-2009/grammar/pnml}"
OWN = "{urn:tidemill:net}"
LABEL = {"name", "toolspecific", "graphics"}
MAY_HOLD = {
    "pnml": {"net"},
    "net": {"name", "page", "toolspecific"},
    "page": {"name", "place", "transition", "arc", "toolspecific"},
    "place": {*LABEL, "initialMarking"},
    "transition": LABEL,
    "arc": {*LABEL, "inscription"},
    "name": {"text"},
    "initialMarking": {"text"},
    "inscription": {"text"},
    "text": set(),
}
"""What the grammar of place/transition nets allows within what."""
ATTRIBUTES = {
    "net": {"id", "type"},
    "page": {"id"},
    "place": {"id"},
    "transition": {"id"},
    "arc": {"id", "source", "target"},
    "toolspecific": {"tool", "version"},
}
NAME = re.compile(r"[A-Za-z_][\w.-]*\Z")


def run(*words):
    return CliRunner().invoke(app, list(map(str, words)))


def check_grammar(element):
    """Fail where an element stands where the grammar has none, or has other attributes."""
    tag = element.tag.removeprefix(PNML)
    assert set(element.attrib) == ATTRIBUTES.get(tag, set()), tag
    if tag == "toolspecific":
        return  # Anything may stand there.
    for child in element:
        assert child.tag.removeprefix(PNML) in MAY_HOLD[tag], f"{child.tag} in {tag}"
        check_grammar(child)


def sources():
    yield from (path.read_text() for path in sorted(EXAMPLES.glob("*.yaml")))
    task = ("task",)
    yield Blocks().source(("parallel", [("loop", task), ("exclusive", [task, task]), task]))


@pytest.mark.parametrize("source", list(sources()))
def test_pnml_keeps_to_the_grammar_of_place_transition_nets(source):
    root = ET.fromstring(write_pnml(read_definition(source)))
    assert root.tag == f"{PNML}pnml"
    check_grammar(root)
    ids = [one.attrib["id"] for one in root.iter() if "id" in one.attrib]
    assert len(set(ids)) == len(ids)
    assert all(NAME.match(one) for one in ids)
    kinds = {one.attrib["id"]: one.tag for one in root.iter() if "id" in one.attrib}
    for arc in root.iter(f"{PNML}arc"):
        ends = {kinds[arc.attrib["source"]], kinds[arc.attrib["target"]]}
        assert ends == {f"{PNML}place", f"{PNML}transition"}


@pytest.mark.parametrize("source", list(sources()))
def test_pnml_reads_back_as_the_same_net_with_the_same_states(source):
    definition = read_definition(source)
    drawn = petri_net(definition)
    read = net_of(write_pnml(definition))
    assert read == weighted(drawn)
    assert reach(read, 100_000).states == explore(drawn, 100_000).states


def test_pnml_names_the_final_places_for_this_tool():
    root = ET.fromstring(write_pnml(read_definition((EXAMPLES / "order.yaml").read_text())))
    (final,) = root.iter("{urn:tidemill:net}final")
    names = {
        p.attrib["id"]: p.findtext(f"{PNML}name/{PNML}text") for p in root.iter(f"{PNML}place")
    }
    assert [names[place.attrib["idref"]] for place in final] == ["end"]


def test_a_name_that_xml_does_not_take_is_written_all_the_same():
    source = """
id: flow
version: 1.0.0
nodes: {start: {type: start}, end: {type: end}}
flows: [{id: "a <b> & \\"c\\" \\x07", source: start, target: end}]
"""
    names = net_of(write_pnml(read_definition(source))).places
    assert names == ("start", "end", 'a <b> & "c" \ufffd')


def test_a_net_is_shown_in_the_authors_names():
    done = run("validate", "--net", EXAMPLES / "order.yaml")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "order 1.0.0: 12 places, 11 transitions"
    assert "  join: charge->join, pack->join → join->how" in lines
    assert "  how (how->cool_down): join->how → how->cool_down" in lines
    assert lines[-2:] == [
        "initial marking: start",
        "final marking: at most a token each on end, none elsewhere",
    ]


def test_a_program_gets_the_net_as_data():
    (net,) = json.loads(run("validate", "--net", "--json", EXAMPLES / "hello.yaml").stdout)
    assert all(one.pop("absent") == [] for one in net["transitions"])
    assert [one.pop("urgent") or one.pop("clears") for one in net["transitions"]] == [False] * 3
    assert net == {
        "id": "hello",
        "version": "1.0.0",
        "scope": "",
        "places": ["start", "end", "start->greet", "greet->end"],
        "transitions": [
            {"node": "start", "taken": [], "before": ["start"], "after": ["start->greet"]},
            {"node": "greet", "taken": [], "before": ["start->greet"], "after": ["greet->end"]},
            {"node": "end", "taken": [], "before": ["greet->end"], "after": ["end"]},
        ],
        "initial": ["start"],
        "final": ["end"],
    }


def test_pnml_alone_stands_on_the_output_and_what_is_wrong_beside_it(tmp_path):
    path = tmp_path / "unsound.yaml"
    text = (EXAMPLES / "order.yaml").read_text()
    path.write_text(text.replace("join: {type: parallel", "join: {type: exclusive"))
    done = run("validate", "--pnml", path)
    assert done.exit_code == 1
    assert len(net_of(done.stdout).places) == 12
    assert "can carry two tokens at once" in done.stderr


def test_pnml_is_of_one_definition():
    done = run("validate", "--pnml", EXAMPLES / "order.yaml", EXAMPLES / "hello.yaml")
    assert done.exit_code == 2
    assert "give one file" in done.stderr


def test_a_net_that_is_too_wide_is_not_written(tmp_path):
    flows = ", ".join(f'{{to: end, when: "${{n > {k}}}", id: f{k}}}' for k in range(13))
    path = tmp_path / "wide.yaml"
    path.write_text(
        "id: flow\nversion: 1.0.0\nnodes:\n  start: {type: start, next: work}\n"
        f"  work: {{type: activity, activity_type: job, next: [{flows}]}}\n  end: {{type: end}}\n"
    )
    done = run("validate", "--net", path)
    assert done.exit_code == 1
    assert "work has too many conditional flows" in done.stderr


SCOPED = """id: flow
version: 1.0.0
nodes:
  start: {type: start, next: within}
  within: {type: scope, next: fork, nodes: {begin: {type: start, next: work},
    work: {type: activity, activity_type: job, next: done}, done: {type: end}}}
  fork: {type: inclusive, next: [{to: a, when: "${n > 1}"}, {to: b, default: true}]}
  a: {type: activity, activity_type: job, next: meet}
  b: {type: activity, activity_type: job, next: meet}
  meet: {type: MEET, next: end}
  end: {type: end}
"""


def test_every_scope_has_a_net_of_its_own(tmp_path):
    path = tmp_path / "scoped.yaml"
    path.write_text(SCOPED.replace("MEET", "exclusive"))
    shown = run("validate", "--net", path)
    assert "flow 1.0.0, scope within: 4 places, 3 transitions" in shown.stdout, shown.output
    definition = read_definition(path.read_text())
    nets = [petri_net(definition), petri_net(definition, "within")]
    text = run("validate", "--pnml", path).stdout
    assert nets_of(text) == [weighted(net) for net in nets]
    check_grammar(ET.fromstring(text))


def special(text):
    """The transitions with a part of this tool's: places that must be empty, and what else."""
    found = {}
    for one in ET.fromstring(text).iter(f"{PNML}transition"):
        for part in one.iter(f"{OWN}firing"):
            absent = [place.attrib["idref"] for place in part.iter(f"{OWN}absent")]
            others = [p.tag.removeprefix(OWN) for p in part if p.tag != f"{OWN}absent"]
            found[one.attrib["id"]] = (absent, others)
    return found


FORK = '{type: inclusive, next: [{to: a, when: "${n > 1}"}, {to: b, default: true}]}'
SPECIAL = {
    "inhibitors": SCOPED.replace("MEET", "inclusive"),
    "urgent": SCOPED.replace("MEET", "join, count: 1").replace(
        FORK, "{type: parallel, next: [a, b]}"
    ),
    "clears": SCOPED.replace("MEET", "exclusive").replace(
        "  end: {type: end}", "  end: {type: end, terminate: true}"
    ),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_place_transition_nets_do_not_know_stands_in_a_part_of_its_own(tmp_path, kind):
    path = tmp_path / "special.yaml"
    path.write_text(SPECIAL[kind])
    done = run("validate", "--pnml", path)
    assert done.exit_code == 0, done.output
    assert "a tool that skips these reads another net" in " ".join(done.stderr.split())
    assert done.stdout.count("<!--") == 1
    check_grammar(ET.fromstring(done.stdout))
    definition = read_definition(path.read_text())
    net = petri_net(definition)
    assert nets_of(done.stdout)[0] == underlying(net)
    assert special(done.stdout) == {
        f"n1t{number}": (
            [f"n1p{place + 1}" for place in range(len(net.places)) if firing.absent >> place & 1],
            ["urgent"] * firing.urgent + ["clears"] * firing.clears,
        )
        for number, firing in enumerate(net.firings, 1)
        if firing.absent or firing.urgent or firing.clears
    }
    assert any(absent if kind == "inhibitors" else kind in others
               for absent, others in special(done.stdout).values())  # fmt: skip


def test_what_is_special_of_a_transition_is_shown_in_brackets(tmp_path):
    path = tmp_path / "inclusive.yaml"
    path.write_text(SCOPED.replace("MEET", "inclusive"))
    done = run("validate", "--net", path)
    assert done.exit_code == 0
    assert "[while there is none on " in done.stdout


def test_an_id_between_colons_is_no_emoji(tmp_path):
    path = tmp_path / "colons.yaml"
    path.write_text(
        "id: flow\nversion: 1.0.0\nnodes:\n  a:key:b: {type: start, next: end}\n"
        "  end: {type: end}\n"
    )
    assert "initial marking: a:key:b" in run("validate", "--net", path).stdout


@pytest.mark.kafka
def test_the_net_of_a_published_version_is_shown(kafka, names, environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    source = (EXAMPLES / "order.yaml").read_text()
    producer = Producer({"bootstrap.servers": kafka})
    for version, text in (("1.0.0", source), ("1.1.0", source.replace("1.0.0", "1.1.0"))):
        record = DefinitionRecord("order", version, "published", text)
        envelope = Envelope(f"order@{version}", "DefinitionRecord", 1, "definition", "order")
        key = f"order@{version}".encode()
        producer.produce(names.definitions, encode(envelope, record), key, 0)
    assert producer.flush(20) == 0
    shown = run("show", "order", "--net")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[0] == "order 1.1.0: 12 places, 11 transitions"
    former = run("show", "order", "--version", "1.0.0", "--net", "--json")
    assert json.loads(former.stdout)[0]["version"] == "1.0.0"
    pnml = run("show", "order", "--pnml")
    assert net_of(pnml.stdout) == weighted(petri_net(read_definition(source)))
    assert run("show", "order").stdout == f"{source.replace('1.0.0', '1.1.0')}\n"
