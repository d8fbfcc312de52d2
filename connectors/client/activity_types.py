"""The client's commands for activity types, and what is known of them."""

from __future__ import annotations

from connectors.client.compacted import newest
from connectors.client.options import PLAIN, Options
from connectors.client.sender import Answer, Sender
from schemas.activity_type_commands import RegisterActivityType, RemoveActivityType
from schemas.activity_types import ActivityTypeRecord
from topics.names import Names
from topics.settings import KafkaSettings


class ActivityTypeCommands(Sender):
    """Registers and removes types."""

    def register_activity_type(
        self, name: str, said: RegisterActivityType, options: Options = PLAIN
    ) -> Answer:
        """Say what is known of a type; what is left empty stays as it was."""
        return self.call("activity_type", name, said, options)

    def remove_activity_type(self, name: str, reason: str = "", options: Options = PLAIN) -> Answer:
        """Forget a type; a worker that has it registers it again when it starts."""
        return self.call("activity_type", name, RemoveActivityType(reason), options)


def activity_types(settings: KafkaSettings) -> list[ActivityTypeRecord]:
    """Return the registered types, in order of name."""
    topic = Names(settings.topic_prefix).activity_types
    known = newest(settings.kafka_bootstrap_servers, topic)
    found = [one for one in known if isinstance(one, ActivityTypeRecord)]
    return sorted((one for one in found if one.status == "registered"), key=lambda one: one.name)
