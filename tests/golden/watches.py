"""How the golden histories of waits for devices are first written."""

from schemas.commands import (
    AcceptMessage,
    CloseSubscription,
    FireTimer,
    RejectMessage,
)
from schemas.watch_commands import MeetWaits, OpenWatch, WaitMet
from schemas.watch_events import DeviceWait
from streams.testing.spec import watch


def watching():
    """Three wait for a device: for a threshold, many times for it, and for silence."""
    hot = DeviceWait("t", test="above", value=b"30")
    held = DeviceWait("t", "", "condition", b"null", "value > x", {"x": b"1.0"}, 5_000)
    return watch("d-1").given(
        OpenWatch("one", "life", 3, "hot", hot),
        OpenWatch("two", "life", 5, "hot", hot, once=False),
        OpenWatch("three", "life", 7, "held", held),
    )


def matched():
    """The first two have something, the second twice."""
    first = MeetWaits([WaitMet(1, b'{"value":31}'), WaitMet(2, b'{"value":31}')])
    return watching().given(first, MeetWaits([WaitMet(2, b'{"value":32}')]))


OF_WATCHES = {
    "watch.opened": watching,
    "watch.matched": matched,
    "watch.asked": lambda: (
        matched()
        .given(RejectMessage("one", "life", 3, "d-1:4", "asleep", final=False))
        .later(1_000)
        .given(FireTimer(0))
    ),
    "watch.taken": lambda: matched().given(AcceptMessage("two", "life", 5, "d-1:4")),
    "watch.rejected": lambda: matched().given(
        RejectMessage("two", "life", 5, "d-1:4", "asleep", final=False)
    ),
    "watch.ended": lambda: matched().given(CloseSubscription("one", "life", 3)),
}
"""By event."""
