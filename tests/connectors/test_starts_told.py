"""What `definition show` says of starts."""

from connectors.cli.starts import starts_told

SOURCE = """
id: flow
version: 1.0.0
nodes:
  plain: {type: start, next: end}
  heard: {type: start, message: order, next: end}
  opened: {type: start, signal: opened, next: end}
  warm: {type: start, device: "f-*", metric: t, above: -15, for: PT5M, next: end}
  daily: {type: start, cron: "0 9 * * *", zone: Europe/Berlin, next: end}
  again: {type: start, cycle: R/PT10S, next: end}
  once: {type: start, date: 2023-01-01T00:00:00Z, next: end}
  end: {type: end}
"""


def test_each_start_that_something_triggers_is_told_and_when_where_that_is_known():
    assert list(starts_told(SOURCE, 1_700_000_000_000)) == [
        "heard is started by the message order",
        "opened is started by the signal opened",
        "warm is started by the device f-*, metric t, above -15, for PT5M",
        (
            "daily is started by the timer cron 0 9 * * *, zone Europe/Berlin, "
            "next at 2023-11-15T08:00:00+00:00"
        ),
        "again is started by the timer cycle R/PT10S",
        "once is started by the timer date 2023-01-01T00:00:00Z",
    ]


def test_a_source_that_cannot_be_read_tells_nothing():
    assert list(starts_told("nonsense", 0)) == []
