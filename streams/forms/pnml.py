"""The Petri net of a definition in PNML (ISO/IEC 15909-2), as a place/transition net.

PNML has no final marking: it stands in a tool's part of its own, which other tools skip. So does
what a transition does that place/transition nets do not know: it waits for places to be empty
(inhibitor arcs), goes before all others, or takes every token. A comment says so in such a net,
for whoever skips that reads a net that can do more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree as ET

from streams.domain.net.model import Definition
from streams.domain.net.petri import Firing, Net, bits
from streams.domain.net.weighted import WeightedNet, underlying
from streams.forms.net import nets_of

NAMESPACE: Final = "http://www.pnml.org/version-2009/grammar/pnml"
NET_TYPE: Final = "http://www.pnml.org/version-2009/grammar/ptnet"
TOOL_NAMESPACE: Final = "urn:tidemill:net"
PNML_PARTIAL: Final = (
    "some transitions wait for places to be empty, go before all others, or take every token: "
    "PNML says so in toolspecific parts only, and a tool that skips these reads another net"
)
"""The comment in a net of which this holds."""
_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_pnml(definition: Definition) -> str:
    """Return the nets of a definition whose structure is in order.

    The workflow is the first net, and each scope in it another. Ids are `n1p1`, `n1t1`…, since an
    id of XML is no name of an author's; those stand beside.

    Raises:
        TooManyChoicesError: a node has more combinations of flows than are looked at.
    """
    root = ET.Element("pnml", xmlns=NAMESPACE)
    for number, (scope, drawn) in enumerate(nets_of(definition), 1):
        own = f"n{number}"
        net = ET.SubElement(root, "net", id=own, type=NET_TYPE)
        if not all(firing.is_plain for firing in drawn.firings):
            net.append(ET.Comment(f" {PNML_PARTIAL} "))
        _text(net, "name", f"{definition.id} {definition.version} {scope}".strip())
        _page(ET.SubElement(net, "page", id=f"{own}page"), drawn, own)
        _places(_own_part(net, "final"), "place", drawn.ends, own)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _page(page: ET.Element, drawn: Net, own: str) -> None:
    net = underlying(drawn)
    for number, name in enumerate(net.places):
        place = ET.SubElement(page, "place", id=f"{own}p{number + 1}")
        _text(place, "name", name)
        if net.start[number]:
            _text(place, "initialMarking", str(net.start[number]))
    for number, (one, firing) in enumerate(zip(net.transitions, drawn.firings, strict=True), 1):
        transition = ET.SubElement(page, "transition", id=f"{own}t{number}")
        _text(transition, "name", one.name)
        if not firing.is_plain:
            _special(transition, firing, own)
    for number, (source, target, weight) in enumerate(_arcs(net), 1):
        ends = {"source": f"{own}{source}", "target": f"{own}{target}"}
        arc = ET.SubElement(page, "arc", {"id": f"{own}a{number}", **ends})
        if weight != 1:
            _text(arc, "inscription", str(weight))


def _special(transition: ET.Element, firing: Firing, own: str) -> None:
    """Write what else a transition needs and does, in this tool's part."""
    part = _own_part(transition, "firing")
    _places(part, "absent", firing.absent, own)
    for name, holds in (("urgent", firing.urgent), ("clears", firing.clears)):
        if holds:
            ET.SubElement(part, name)


def _own_part(parent: ET.Element, name: str) -> ET.Element:
    tool = ET.SubElement(parent, "toolspecific", tool="Tidemill", version="1")
    return ET.SubElement(tool, name, xmlns=TOOL_NAMESPACE)


def _places(parent: ET.Element, name: str, marking: int, own: str) -> None:
    for place in bits(marking):
        ET.SubElement(parent, name, idref=f"{own}p{place.bit_length()}")


def _arcs(net: WeightedNet) -> Iterator[tuple[str, str, int]]:
    """Yield source, target and weight."""
    for number, one in enumerate(net.transitions, 1):
        yield from ((f"p{place + 1}", f"t{number}", many) for place, many in one.pre.items())
        yield from ((f"t{number}", f"p{place + 1}", many) for place, many in one.post.items())


def _text(parent: ET.Element, label: str, text: str) -> None:
    ET.SubElement(ET.SubElement(parent, label), "text").text = _NOT_XML.sub("\ufffd", text)
