"""What an operator does by hand: the client's calls about incidents and variables."""

from __future__ import annotations

from connectors.client.options import PLAIN, Options
from connectors.client.sender import Answer, Sender
from schemas import commands as c
from schemas.json_text import canonical
from schemas.restart_commands import RestartFailed


class ByHand(Sender):
    """A part of `Client`."""

    def skip(
        self,
        instance_id: str,
        incident: int,
        flow: str = "",
        reason: str = "",
        options: Options = PLAIN,
    ) -> Answer:
        """Leave the node of an incident without a result; by `flow` where it cannot tell itself."""
        return self.call("instance", instance_id, c.SkipNode(incident, flow, reason), options)

    def restart(
        self,
        instance_id: str,
        reason: str = "",
        options: Options = PLAIN,
        *,
        from_start: bool = False,
    ) -> Answer:
        """Let an instance that has failed begin again where it failed, or at its start."""
        return self.call("instance", instance_id, RestartFailed(from_start, reason), options)

    def complete(
        self,
        instance_id: str,
        result: object = None,
        *,
        incident: int = 0,
        activity: int = 0,
        call: int = 0,
        approval: int = 0,
        reason: str = "",
        options: Options = PLAIN,
    ) -> Answer:
        """Give an incident's node, or an open activity, call or approval, its result by hand."""
        numbers = (incident, activity, call)
        body = c.CompleteNode(canonical(result), *numbers, reason, approval)
        return self.call("instance", instance_id, body, options)

    def set_variables(
        self,
        instance_id: str,
        variables: object,
        scope: int = 0,
        reason: str = "",
        options: Options = PLAIN,
    ) -> Answer:
        """Set variables of the workflow, or local ones of a running scope."""
        body = c.SetVariables(canonical(variables), scope, reason)
        return self.call("instance", instance_id, body, options)
