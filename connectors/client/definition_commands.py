"""The client's call that deletes definitions."""

from __future__ import annotations

from connectors.client.options import PLAIN, Options
from connectors.client.sender import Answer, Sender
from schemas.definition_commands import DeleteDefinition


class DefinitionCommands(Sender):
    """A part of `Client`."""

    definitions_seen: str

    def delete_definition(
        self, definition_id: str, version: str = "", reason: str = "", options: Options = PLAIN
    ) -> Answer:
        """Let nothing new start from a version, or from any; what runs goes on with it.

        The answer's result names what was deleted; later commands of this client know of it.

        Raises:
            CommandRejectedError: there is no such definition or version.
        """
        body = DeleteDefinition(version, reason)
        answer = self.call("definition", definition_id, body, options)
        self.definitions_seen = answer.reply.position
        return answer
