"""Reads place/transition nets from PNML.

With the standard library's parser: a document type is refused before anything is parsed, since
only that can declare entities, and with them texts that grow without end.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from streams.domain.net.weighted import Transition, WeightedNet

_NET = "{http://www.pnml.org/version-2009/grammar/pnml}"
_TYPES = {
    "http://www.pnml.org/version-2009/grammar/ptnet",
    "http://www.pnml.org/version-2009/grammar/pnmlcoremodel",
}


class NotReadError(Exception):
    """A file that is no net of this kind."""


def read_pnml(path: Path) -> WeightedNet:
    """Return the one net of a file; pages are one after the other."""
    return net_of(path.read_text(encoding="utf-8"))


def net_of(text: str) -> WeightedNet:
    """Return the one net of a document."""
    nets = nets_of(text)
    if len(nets) != 1:
        raise NotReadError(f"one net is expected, these are {len(nets)}")
    return nets[0]


def nets_of(text: str) -> list[WeightedNet]:
    """Return the nets of a document; places and transitions have their names, else their ids."""
    if "<!DOCTYPE" in text:
        raise NotReadError("a document type is not read")
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise NotReadError(f"not XML: {error}") from None
    nets = root.findall(f"{_NET}net")
    if any(net.get("type") not in _TYPES for net in nets):
        raise NotReadError("only nets of type ptnet are read")
    return [_net(net) for net in nets]


def _net(net: ET.Element) -> WeightedNet:
    parts = list(_parts(net))
    if odd := {one.tag for one in parts} & {"referencePlace", "referenceTransition"}:
        raise NotReadError(f"{', '.join(sorted(odd))} are not read")
    place_parts = [one.element for one in parts if one.tag == "place"]
    transition_parts = [one.element for one in parts if one.tag == "transition"]
    ids = [one.attrib["id"] for one in transition_parts]
    places = {one.attrib["id"]: number for number, one in enumerate(place_parts)}
    pre: dict[str, dict[int, int]] = {name: defaultdict(int) for name in ids}
    post: dict[str, dict[int, int]] = {name: defaultdict(int) for name in ids}
    for arc in (one.element for one in parts if one.tag == "arc"):
        source, target = arc.attrib["source"], arc.attrib["target"]
        weight = _number(arc, "inscription", 1)
        if source in places and target in pre:
            pre[target][places[source]] += weight
        elif source in post and target in places:
            post[source][places[target]] += weight
        else:
            raise NotReadError(f"an arc leads from {source} to {target}")
    transitions = tuple(
        Transition(_name(one), pre[one.attrib["id"]], post[one.attrib["id"]])
        for one in transition_parts
    )
    start = tuple(_number(one, "initialMarking", 0) for one in place_parts)
    return WeightedNet(tuple(map(_name, place_parts)), transitions, start)


class _Part(NamedTuple):
    tag: str
    element: ET.Element


def _parts(parent: ET.Element) -> Iterator[_Part]:
    """Yield what stands on the net and its pages; what other tools wrote is left out."""
    for one in parent:
        part = _Part(one.tag.removeprefix(_NET), one)
        if part.tag == "page":
            yield from _parts(one)
        else:
            yield part


def _name(element: ET.Element) -> str:
    return element.findtext(f"{_NET}name/{_NET}text") or element.attrib["id"]


def _number(element: ET.Element, name: str, absent: int) -> int:
    found = element.find(f"{_NET}{name}/{_NET}text")
    text = "" if found is None else (found.text or "").strip()
    if not text:
        return absent
    if not text.isdecimal():
        raise NotReadError(f"{name} {text!r} is no number")
    return int(text)
