"""Ids that the client makes where none is given."""

import uuid

from connectors.client.client import Options, instance_id_of
from schemas.ids import is_client_id


def test_an_instance_without_an_id_gets_a_uuid_of_its_own():
    first, second = instance_id_of(Options()), instance_id_of(Options())
    assert first != second
    assert uuid.UUID(first).version == 4
    assert is_client_id(first)


def test_an_idempotency_key_gives_the_same_instance_id_each_time():
    key = Options(idempotency_key="order 7")
    assert instance_id_of(key) == instance_id_of(Options(idempotency_key="order 7"))
    assert instance_id_of(key) != instance_id_of(Options(idempotency_key="order 8"))
    assert instance_id_of(key) != instance_id_of(Options(tenant="acme", idempotency_key="order 7"))
    assert is_client_id(instance_id_of(key))
