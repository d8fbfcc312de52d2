"""What `enterprise_system_activity` does: one operation of one enterprise system."""

from __future__ import annotations

from typing import Any, Final

from connectors.enterprise.client import EnterpriseClient, EnterpriseError

CONNECTOR: Final = "sap_connector"


async def operate(fields: dict[str, Any], task_id: str, client: EnterpriseClient) -> dict[str, Any]:
    """Do the operation that a node's evaluated metadata asks for.

    Args:
        fields: connector_type, operation, parameter_mapping (already evaluated).
        task_id: The request's Idempotency-Key: the same for every attempt.
        client: The way to the system.

    Raises:
        EnterpriseError: with a code of the error catalogue.
    """
    connector = fields.get("connector_type", CONNECTOR)
    if connector != CONNECTOR:
        text = f"connector_type {connector!r} is not known; there is {CONNECTOR}"
        raise EnterpriseError("Configuration", text, retryable=False)
    parameters = fields.get("parameter_mapping") or {}
    if not isinstance(parameters, dict):
        text = "parameter_mapping is not a JSON object"
        raise EnterpriseError("InvalidInput", text, retryable=False)
    return await client.call(str(fields.get("operation", "")), parameters, task_id)
