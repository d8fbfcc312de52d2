"""Scopes and work that hold a lock: it is asked for first, kept while they run, then returned.

The lock answers by internal commands (`streams/domain/lock/aggregate.py` has the contract; what
the section does with the answers is in `locked.py`). That a lock is returned is `Work`'s: whatever
takes a section away, its lock is told in the same decision.
"""

from __future__ import annotations

from schemas.commands import RequestLock
from schemas.ids import is_client_id
from schemas.json_text import canonical
from schemas.section_events import SectionAwaited, SectionExtended
from streams.domain.expressions.moments import duration_ms
from streams.domain.instance.state import OpenSection
from streams.domain.instance.variables import seen_from
from streams.domain.instance.work import Work
from streams.domain.net.locking import Locking
from streams.domain.net.model import Host
from streams.domain.protocol import SendCommand

EXTENSIONS = 3
"""How often a lock is extended within its time to live."""


def fence(work: Work, node: str, token: int, around: int) -> dict[str, bytes] | None:
    """Return what a node knows of its lock; None where it has to wait for it first."""
    kind = work.graph.nodes[node].kind
    if not isinstance(kind, Host) or kind.lock is None:
        return {}
    known = _fence_of(work, kind.lock, token)
    if known is None:
        _ask(work, node, token, around)
    return known


def _fence_of(work: Work, locking: Locking, token: int) -> dict[str, bytes] | None:
    """Return the fencing token by its name; None where there is no lock yet."""
    for one in work.state.sections.values():
        if one.token == token and one.fence:
            return {locking.fence: canonical(one.fence)}
    return None


def seen_at(work: Work, node: str, token: int, scope: int) -> dict[str, bytes]:
    """Return the variables that the input of work sees: with the fencing token of its lock."""
    seen = seen_from(work.state, scope)
    kind = work.graph.nodes[node].kind
    if not isinstance(kind, Host) or kind.lock is None:
        return seen
    return seen | (_fence_of(work, kind.lock, token) or {})


def _ask(work: Work, node: str, token: int, around: int) -> None:
    """Ask for the lock of a section that is to begin; `ValueError` where it cannot be asked for."""
    if any(one.token == token for one in work.state.sections.values()):
        return
    seen = seen_from(work.state, around)
    values = {key: value.evaluate(seen) for key, value in work.graph.locks[node].items()}
    name = values["name"]
    if not isinstance(name, str) or not is_client_id(name):
        raise ValueError(f"{name!r} is no name of a lock: 1 to 128 of A-Z a-z 0-9 . _ : -")
    ttl = duration_ms(values["ttl"]) if "ttl" in values else 0
    wait = duration_ms(values["wait"]) if "wait" in values else -1
    section = work.emit(SectionAwaited(node, token, name, ttl, wait))
    work.effects.append(request(work, section, OpenSection(node, token, name, ttl), wait))


def request(work: Work, section: int, opened: OpenSection, wait_ms: int) -> SendCommand:
    """Return the request for a section's lock; from its holder it is an extension."""
    owner = ("instance", work.ctx.aggregate_id, work.state.incarnation)
    return SendCommand(
        "lock", opened.lock, "", RequestLock(*owner, section, opened.ttl_ms, wait_ms)
    )


def extend_at(work: Work, opened: OpenSection) -> int:
    """Return when a lock that is held now is to be extended."""
    share = max(1, opened.ttl_ms // EXTENSIONS)
    return work.ctx.now + share if opened.ttl_ms else 0


def extend(work: Work, section: int) -> None:
    """Ask for more time; the lock says so itself where it is lost."""
    opened = work.state.sections[section]
    work.emit(SectionExtended(section, extend_at(work, opened)))
    work.effects.append(request(work, section, opened, 0))
