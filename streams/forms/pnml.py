"""The Petri net of a definition in PNML (ISO/IEC 15909-2), as a place/transition net.

PNML has no final marking: it stands in a tool's part of its own, which other tools skip.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree as ET

from streams.domain.net.model import Definition
from streams.domain.net.petri import bits
from streams.domain.net.weighted import WeightedNet, weighted
from streams.forms.net import nets_of

NAMESPACE: Final = "http://www.pnml.org/version-2009/grammar/pnml"
NET_TYPE: Final = "http://www.pnml.org/version-2009/grammar/ptnet"
TOOL_NAMESPACE: Final = "urn:tidemill:net"
_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_pnml(definition: Definition) -> str:
    """Return the nets of a definition whose structure is in order.

    The workflow is the first net, and each scope in it another. Ids are `n1p1`, `n1t1`…, since an
    id of XML is no name of an author's; those stand beside.

    Raises:
        TooManyChoicesError: a node has more combinations of flows than are looked at.
        NotPlainError: a node does what a place/transition net cannot say.
    """
    root = ET.Element("pnml", xmlns=NAMESPACE)
    for number, (scope, drawn) in enumerate(nets_of(definition), 1):
        own = f"n{number}"
        net = ET.SubElement(root, "net", id=own, type=NET_TYPE)
        _text(net, "name", f"{definition.id} {definition.version} {scope}".strip())
        _page(ET.SubElement(net, "page", id=f"{own}page"), weighted(drawn), own)
        tool = ET.SubElement(net, "toolspecific", tool="Tidemill", version="1")
        final = ET.SubElement(tool, "final", xmlns=TOOL_NAMESPACE)
        for place in bits(drawn.ends):
            ET.SubElement(final, "place", idref=f"{own}p{place.bit_length()}")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _page(page: ET.Element, net: WeightedNet, own: str) -> None:
    for number, name in enumerate(net.places):
        place = ET.SubElement(page, "place", id=f"{own}p{number + 1}")
        _text(place, "name", name)
        if net.start[number]:
            _text(place, "initialMarking", str(net.start[number]))
    for number, one in enumerate(net.transitions):
        _text(ET.SubElement(page, "transition", id=f"{own}t{number + 1}"), "name", one.name)
    for number, (source, target, weight) in enumerate(_arcs(net), 1):
        ends = {"source": f"{own}{source}", "target": f"{own}{target}"}
        arc = ET.SubElement(page, "arc", {"id": f"{own}a{number}", **ends})
        if weight != 1:
            _text(arc, "inscription", str(weight))


def _arcs(net: WeightedNet) -> Iterator[tuple[str, str, int]]:
    """Yield source, target and weight."""
    for number, one in enumerate(net.transitions, 1):
        yield from ((f"p{place + 1}", f"t{number}", many) for place, many in one.pre.items())
        yield from ((f"t{number}", f"p{place + 1}", many) for place, many in one.post.items())


def _text(parent: ET.Element, label: str, text: str) -> None:
    ET.SubElement(ET.SubElement(parent, label), "text").text = _NOT_XML.sub("\ufffd", text)
