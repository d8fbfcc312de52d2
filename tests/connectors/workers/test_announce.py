"""What a worker says of the activities that it does."""

from dataclasses import dataclass

from pydantic import BaseModel

from connectors.workers.announce import registration
from connectors.workers.declare import activity_of
from schemas.json_text import parse


@dataclass
class Order:
    number: int


class Receipt(BaseModel):
    paid: float


def charge(order: Order) -> Receipt:
    """Charge a card.

    More of it.
    """


def plain(value):
    return value


def strange(value: complex) -> int:
    return 1


def said(function):
    return registration(activity_of(function, "charge", "cards"), "w-1", 7)


def test_queue_first_sentence_and_schemas_are_said():
    envelope, body = said(charge)
    assert (envelope.type, envelope.aggregate_type) == ("RegisterActivityType", "activity_type")
    assert (envelope.aggregate_id, body.queue, body.worker) == ("charge", "cards", "w-1")
    assert body.description == "Charge a card."
    assert parse(body.input_schema)["required"] == ["number"]
    assert parse(body.output_schema)["properties"]["paid"]["type"] == "number"


def test_what_takes_anything_has_no_schema():
    _, body = said(plain)
    assert (body.input_schema, body.output_schema, body.description) == (b"", b"", "")


def test_each_report_has_an_id_of_its_own():
    assert said(plain)[0].id != said(plain)[0].id
