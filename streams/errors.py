"""Why an engine cannot run; whoever tells a user needs nothing of the engine for it."""

from __future__ import annotations


class ClusterError(Exception):
    """The cluster cannot be used as it is; the message says what to do."""


class EngineCrashedError(Exception):
    """Faust has given up: the process must end, so that whoever watches it starts it again."""


class EngineLockedError(Exception):
    """Another engine process uses the same stores."""
