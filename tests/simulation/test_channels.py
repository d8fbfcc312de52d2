"""Seeds through channels and those that wait, on a simulated log that crashes and repeats."""

import os
from collections import Counter, defaultdict

import pytest

from schemas import channel_events as e
from schemas import commands as c
from schemas.registry import EVENT_TYPES
from streams.domain.channel.aggregate import CHANNEL
from streams.domain.channel.evolve import evolve
from streams.domain.protocol import EventPlace
from streams.testing.committed import faults_of

SEEDS = int(os.environ.get("TIDEMILL_SEEDS", "150"))


def taken(events):
    """Who took which message, by the subscribers' own word, in their order."""
    return {
        owner: [body.node for _, body in all_ if getattr(body, "node_type", "") == "message"]
        for owner, all_ in events.items()
    }


def of_kind(events, kind):
    return [body for _, body in events if isinstance(body, kind)]


def check_messages(world, events, held):
    """Each is taken once, or has expired, or is still there, and nothing besides."""
    takers = defaultdict(list)
    for owner, messages in taken(events).items():
        for message in messages:
            takers[message].append(owner)
    for channel, message, _, body in world.published:
        if isinstance(body, c.BroadcastSignal):
            continue
        mine = events[channel]
        assert len([b for b in of_kind(mine, e.MessagePublished) if b.message_id == message]) == 1
        correlated = [b for b in of_kind(mine, e.MessageCorrelated) if b.message_id == message]
        expired = [b for b in of_kind(mine, e.MessageExpired) if b.message_id == message]
        kept = [one for one in held[channel].messages.values() if one.id == message]
        assert len(correlated) + len(expired) + len(kept) == 1, message
        assert takers[message] == [b.owner_id for b in correlated], message


def offered(events):
    """How the messages of a channel went: pairs of message number and subscription, in order."""
    return [
        (offer.message, offer.subscription)
        for _, body in events
        for offer in getattr(body, "offers", [])
    ]


def check_order(events, channels):
    """Messages that were offered to one subscription only were offered as they were published."""
    for channel in channels:
        places = defaultdict(set)
        for number, ref in offered(events[channel]):
            places[number].add(ref)
        by_ref = defaultdict(list)
        for number, ref in offered(events[channel]):
            if len(places[number]) == 1 and number not in by_ref[ref]:
                by_ref[ref].append(number)
        for ref, numbers in by_ref.items():
            assert numbers == sorted(numbers), (channel, ref)


def check_signals(events, channels):
    """All that waited at the broadcast have it once, unless they ended first; nobody else has."""
    for channel in channels:
        state, waited, due, got = None, {}, {}, defaultdict(set)
        for envelope, body in events[channel]:
            before = state
            if isinstance(body, e.SignalBroadcast):
                waited[envelope.sequence] = waiting(before)
                due[envelope.sequence] = waiting(before)
            state = evolve(before, body, place_of(envelope))
            for offer in getattr(body, "offers", []):
                number, ref = offer.message, offer.subscription
                again = number in before.subscriptions[ref].offers
                assert ref in waited[number], "it came later"
                assert again == (ref in got[number]), "offered twice"
                got[number].add(ref)
            for number in due:
                due[number] &= waiting(state) | got[number]
            if getattr(body, "cursor", None) == 0:
                number = getattr(body, "broadcast", 0) or envelope.sequence
                assert due.get(number, set()) <= got[number], "left out"


def waiting(state):
    """Whom a signal would be offered to."""
    found = state.subscriptions if state else {}
    return {ref for ref, s in found.items() if not s.closed and not (s.once and s.offers)}


def place_of(envelope):
    return EventPlace(
        envelope.aggregate_id, "default", envelope.incarnation, envelope.sequence, envelope.time, ""
    )


def check_answers(events, channels):
    """What the channels say was taken is what the subscribers say they took."""
    said = Counter(
        (body.owner_id, body.message_id)
        for channel in channels
        for body in of_kind(events[channel], e.MessageCorrelated)
    )
    took = Counter((owner, one) for owner, all_ in taken(events).items() for one in all_)
    assert said == took
    assert set(took.values()) <= {1}, "taken twice"


@pytest.mark.parametrize("block", range(5))
def test_each_message_is_taken_once_or_expires_whatever_strikes(block, play):
    for seed in range(block * SEEDS // 5, (block + 1) * SEEDS // 5):
        world = play(seed)
        world.disturbed()
        world.rest()
        check(world, seed)
        world.end()
        check(world, seed)
        for channel, state in world.channels().items():
            assert CHANNEL.is_finished(state), f"seed {seed}: {channel} has something left"


def check(world, seed):
    faults = faults_of(world)
    assert faults == [], f"seed {seed}"
    assert world.replies() == world.sent, f"seed {seed}: one reply for each record"
    events, held = world.events(), world.channels()
    left = [one for state in held.values() for one in state.messages.values() if one.offered]
    assert left == [], f"seed {seed}: an answer is missing"
    try:
        check_messages(world, events, held)
        check_order(events, world.MESSAGES)
        check_signals(events, world.SIGNALS)
        check_answers(events, (*world.MESSAGES, *world.SIGNALS))
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error


def test_the_seeds_reach_what_they_are_for(play):
    """Every kind of event, every answer, every end: a simulation that misses one proves nothing."""
    seen, moved, reasons = Counter(), 0, Counter()
    for seed in range(40):
        world = play(seed)
        world.disturbed()
        world.rest()
        for name, all_ in world.events().items():
            if name in world.MESSAGES:
                refs = defaultdict(set)
                for number, ref in offered(all_):
                    refs[number].add(ref)
                moved += sum(len(one) > 1 for one in refs.values())
            for envelope, body in all_:
                seen[envelope.type] += 1
                if isinstance(body, e.MessageRejected):
                    reasons["asleep" if body.retry_at else body.reason.split(":")[0]] += 1
                if isinstance(body, e.SubscriptionEnded):
                    reasons[f"awaits {body.awaits_answer}"] += 1
                if getattr(body, "cursor", 0):
                    reasons["cursor"] += 1
    nouns = ("message.", "signal.", "subscription.")
    assert {name for name in EVENT_TYPES if name.startswith(nouns)} <= set(seen)
    wanted = {"asleep", "over", "no", "NotFound", "awaits True", "awaits False", "cursor"}
    assert wanted <= set(reasons), reasons
    assert moved > 0
