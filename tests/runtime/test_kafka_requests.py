"""What is written out for speed says the same as its schema."""

from aiokafka.protocol.api import RequestStruct, Response

from streams.runtime.kafka_requests import Implicit, ProduceResponse

DATA = [b"", b"x" * 126, b"x" * 127, b"x" * 16_500]


def topics(count):
    return {f"topic-{n}" * 20: [(p, DATA[p % 4]) for p in range(n + 1)] for n in range(count)}


def answers(count, partitions, errors, message):
    one = [
        [
            (p, 87 if message and not p else 0, 1 << 40, -1, 5, errors, message or None, {})
            for p in range(partitions)
        ]
        for _ in range(count)
    ]
    return [(f"topic-{n}" * 20, found, {}) for n, found in enumerate(one)]


def test_a_produce_request_is_encoded_as_its_schema_says():
    for count in (1, 3, 200):
        request = Implicit.produce("name" * 40, 12_000, topics(count)).prepare({})
        assert request.encode() == RequestStruct.encode(request)


def test_a_produce_response_is_read_as_its_schema_says():
    for count, partitions in ((1, 1), (3, 4), (2, 200), (130, 1)):
        data = ProduceResponse(answers(count, partitions, [], ""), 7, {}).encode()
        quick = ProduceResponse.decode(data)
        slow = Response.decode.__func__(ProduceResponse, data)
        assert [(t, [p[:3] for p in parts]) for t, parts, *_ in quick.topics] == [
            (t, [p[:3] for p in parts]) for t, parts, *_ in slow.topics
        ]


def test_a_response_with_an_error_keeps_what_its_schema_says():
    text = "one record is refused"
    data = ProduceResponse(answers(2, 2, [(3, text, {})], text), 7, {}).encode()
    found = ProduceResponse.decode(data)
    assert found.topics == Response.decode.__func__(ProduceResponse, data).topics
    assert [answer[1] for answer in found.topics[0][1]] == [87, 0]
    assert found.topics[0][1][0][6] == text
