"""Scenes of people and of failure: approvals, what is undone, incidents."""

import pytest

from connectors.client.errors import CommandRejectedError
from connectors.client.options import Options
from tests.examples.play import scene


def actor(name):
    return Options(actor=name)


@scene("nodes/approval")
def it_is_decided_by_who_has_claimed_it(play):
    play.runs(amount=2000)
    number = play.sees("decide approval requested").envelope.sequence
    with pytest.raises(CommandRejectedError, match="clerks"):
        play.client.claim_approval(play.id, number, actor("eve"))
    play.client.claim_approval(play.id, number, actor("bob"), ["clerks"])
    with pytest.raises(CommandRejectedError, match="sum"):
        play.client.complete_approval(play.id, number, "pay", actor("bob"), data={"note": "?"})
    play.client.complete_approval(play.id, number, "pay", actor("bob"), data={"sum": 1500})
    play.works("pay", got={"sum": 1500})
    play.ends(
        "completed",
        """
        started, decide approval requested, too_late awaited, decide approval
        claimed, decide approval completed, pay scheduled, pay completed, completed
        """,
        {"sum": 1500},
    )


@scene("nodes/approval")
def it_goes_to_managers_after_two_days(play):
    play.runs(amount=20)
    number = play.sees("decide approval requested").envelope.sequence
    play.later(days=2)
    play.tells("decide", "office@example.org")
    play.later(days=1)
    play.tells("decide", "office@example.org")
    with pytest.raises(CommandRejectedError, match="managers"):
        play.client.claim_approval(play.id, number, actor("bob"), ["clerks"])
    play.client.claim_approval(play.id, number, actor("meg"), ["managers"])
    play.client.complete_approval(play.id, number, "refuse", actor("meg"), data={"sum": 0})
    play.ends(
        "completed",
        """
        started, decide approval requested, too_late awaited, decide approval
        escalated, notification requested, notification completed, decide approval
        escalated, notification requested, notification completed, decide approval
        claimed, decide approval completed, completed
        """,
        {"sum": 0},
    )


@scene("nodes/approval")
def it_is_refused_when_nobody_decides(play):
    play.runs(amount=20, clerk="cleo")
    play.sees("decide approval requested")
    play.later(days=2)
    play.tells("decide", "office@example.org")
    play.later(days=1)
    play.tells("decide", "office@example.org")
    play.later(days=6)
    play.ends(
        "completed",
        """
        started, decide approval requested, too_late awaited, decide approval
        escalated, notification requested, notification completed, decide approval
        escalated, notification requested, notification completed, decide approval
        cancelled, too_late triggered, completed
        """,
    )


@scene("nodes/compensation")
def it_is_paid(play):
    play.runs()
    play.works("flight", "t-1")
    play.works("hotel")
    play.works("pay")
    play.ends(
        "completed",
        """
        started, book scope started, flight scheduled, flight compensation recorded,
        flight completed, hotel scheduled, hotel compensation recorded, hotel
        completed, book compensation recorded, book executed, pay scheduled, pay
        completed, completed
        """,
    )


@scene("nodes/compensation")
def it_gives_all_back_when_it_is_not_paid(play):
    play.runs()
    play.works("flight", "t-2")
    play.works("hotel")
    play.fails("pay", "NoMoney")
    play.works("no_hotel")
    play.works("no_flight", got={"ticket": "t-2"})
    play.ends(
        "failed",
        """
        started, book scope started, flight scheduled, flight compensation recorded,
        flight completed, hotel scheduled, hotel compensation recorded, hotel
        completed, book compensation recorded, book executed, pay scheduled, pay
        failed, unpaid triggered, give_up compensation triggered, hotel handler
        started, no_hotel scheduled, no_hotel completed, hotel handler completed,
        flight handler started, no_flight scheduled, no_flight completed, flight
        handler completed, give_up executed, failed
        """,
        code="Unpaid: ",
    )


@scene("nodes/compensation")
def it_gives_back_the_flight_when_it_is_called_off(play):
    play.runs()
    play.works("flight", "t-3")
    play.begins("hotel")
    play.client.cancel(play.id)
    play.works("no_flight", got={"ticket": "t-3"})
    play.ends(
        "cancelled",
        """
        started, book scope started, flight scheduled, flight compensation recorded,
        flight completed, hotel scheduled, hotel cancelled, compensation triggered,
        flight handler started, no_flight scheduled, no_flight completed, flight
        handler completed, cancelled
        """,
    )


@scene("nodes/failure")
def it_frees_the_seat_and_refuses(play):
    play.runs()
    for _ in range(3):
        play.fails("seat", "Full", retryable=True)
    play.works("free_seat")
    play.works("refuse")
    play.ends(
        "completed",
        """
        started, seat scheduled, seat failed, seat scheduled, seat failed, seat
        scheduled, seat failed, free_seat compensation started, free_seat scheduled,
        free_seat completed, seat.fallback triggered, refuse scheduled, refuse
        completed, completed
        """,
    )


@scene("nodes/failure")
def it_leaves_the_newsletter_out_and_people_help_with_the_ticket(play):
    play.runs()
    play.works("seat")
    play.fails("newsletter", "NoMail")
    play.fails("ticket", "NoPaper")
    play.tells("ticket", "desk@example.org")
    incident = play.sees("ticket error occurred").envelope.sequence
    play.client.retry(play.id, incident)
    play.works("ticket")
    play.ends(
        "completed",
        """
        started, seat scheduled, seat completed, newsletter scheduled, newsletter
        failed, ticket scheduled, ticket failed, ticket error occurred, notification
        requested, notification completed, incident resolved, ticket scheduled,
        ticket completed, completed
        """,
    )
