"""Scenes of ways: gateways, joins, parallel writes, scopes, repetition, locks."""

from tests.examples.play import scene


@scene("nodes/exclusive")
def it_goes_by_post(play):
    play.runs(kg=2)
    play.works("by_post", got={"by": "post"})
    play.ends("completed", "started, by_post scheduled, by_post completed, completed")


@scene("nodes/exclusive")
def it_goes_by_air_heavy_or_not(play):
    play.runs(kg=31, express=True)
    play.works("by_air", got={"by": "air"})
    play.ends("completed", "started, by_air scheduled, by_air completed, completed")


@scene("nodes/exclusive")
def it_goes_by_truck(play):
    play.runs(kg=31)
    play.works("by_truck", got={"by": "truck"})
    play.ends("completed", "started, by_truck scheduled, by_truck completed, completed")


@scene("nodes/parallel")
def it_ships_what_is_charged_and_packed(play):
    play.runs()
    play.works("pack", {"kg": 2})
    play.works("charge", {"id": 7})
    play.works("ship", "gone")
    play.ends(
        "completed",
        """
        started, charge scheduled, pack scheduled, pack completed, charge completed,
        ship scheduled, ship completed, completed
        """,
        {"paid": {"id": 7}, "parcel": {"kg": 2}, "result": "gone"},
    )


@scene("nodes/inclusive")
def it_asks_two(play):
    play.runs(amount=200, legal=True)
    play.works("lawyer")
    play.works("finance")
    play.works("decide")
    play.ends(
        "completed",
        """
        started, finance scheduled, lawyer scheduled, lawyer completed, finance
        completed, decide scheduled, decide completed, completed
        """,
    )


@scene("nodes/inclusive")
def it_asks_one(play):
    play.runs(amount=200)
    play.works("finance")
    play.works("decide")
    play.ends(
        "completed",
        """
        started, finance scheduled, finance completed, decide scheduled, decide
        completed, completed
        """,
    )


@scene("nodes/inclusive")
def it_asks_the_clerk_where_nobody_else_is_needed(play):
    play.runs(amount=1)
    play.works("clerk")
    play.works("decide")
    play.ends(
        "completed",
        """
        started, clerk scheduled, clerk completed, decide scheduled, decide
        completed, completed
        """,
    )


@scene("nodes/join")
def it_chooses_of_two_and_the_third_comes_late(play):
    play.runs()
    play.works("c", 3)
    play.works("a", 1)
    play.works("choose", "a")
    play.works("b", 2)
    play.ends(
        "completed",
        """
        started, a scheduled, b scheduled, c scheduled, c completed, a completed,
        choose scheduled, choose completed, b completed, completed
        """,
        {"offers": {"a": 1, "b": 2, "c": 3}, "result": "a"},
    )


@scene("nodes/merge")
def it_counts_both_rooms(play):
    play.runs()
    known = {"votes": 0, "guests": ["host"]}
    play.works("hall", {"votes": 5, "guests": ["host", "ann"]}, got=known)
    play.works("garden", {"more": 3, "came": ["bob"]}, got=known)
    last = {"came": ["bob"], "more": 3}
    play.ends(
        "completed",
        """
        started, hall scheduled, hall variables observed, garden scheduled, garden
        variables observed, hall completed, garden completed, completed
        """,
        {"votes": 8, "guests": ["ann", "bob", "host"], "result": last},
    )


@scene("nodes/scope")
def it_books_hotel_and_flight(play):
    play.runs(days=3)
    play.works("hotel", {"price": 200}, got={"nights": 2})
    play.works("flight", {"price": 150})
    play.ends(
        "completed",
        """
        started, trip scope started, hotel scheduled, hotel completed, flight
        scheduled, flight completed, trip executed, completed
        """,
        {"days": 3, "price": 350},
    )


@scene("nodes/scope")
def it_apologises_where_there_is_no_room(play):
    play.runs(days=3)
    play.fails("hotel", "NoRoom")
    play.works("apologise")
    play.ends(
        "completed",
        """
        started, trip scope started, hotel scheduled, hotel failed, full triggered,
        apologise scheduled, apologise completed, completed
        """,
    )


@scene("nodes/repeat")
def it_ships_each_parcel_and_pays_at_the_second_attempt(play):
    play.runs(carriers=["a", "b", "c", "d"], parcels=["x", "y", "z"])
    for carrier in "abc":
        play.works("quotes", {"price": ord(carrier)}, got={"carrier": carrier})
    play.works("pack", got={"parcel": "x"})
    play.works("pack", got={"parcel": "y"})
    play.works("post", {"receipt": "r1"}, got={"number": 0})
    play.works("pack", got={"parcel": "z"})
    play.works("post", {"receipt": "r2"}, got={"number": 1})
    play.works("post", {"receipt": "r3"}, got={"number": 2})
    play.works("pay", {"paid": False}, got={"attempt": 0})
    play.works("pay", {"paid": True}, got={"attempt": 1})
    play.ends(
        "completed",
        """
        started, quotes iteration started, items listed, quotes item started, quotes
        scheduled, quotes item started, quotes scheduled, quotes item started,
        quotes scheduled, quotes item started, quotes scheduled, quotes completed,
        quotes item completed, quotes completed, quotes item completed, quotes
        completed, quotes item completed, quotes cancelled, quotes iteration
        completed, parcels iteration started, items listed, parcels item started,
        parcels scope started, pack scheduled, parcels item started, parcels scope
        started, pack scheduled, pack completed, post scheduled, pack completed,
        post scheduled, post completed, parcels executed, parcels item completed,
        parcels item started, parcels scope started, pack scheduled, pack completed,
        post scheduled, post completed, parcels executed, parcels item completed,
        post completed, parcels executed, parcels item completed, parcels iteration
        completed, pay iteration started, pay item started, pay scheduled, pay
        completed, pay item completed, pay item started, pay scheduled, pay
        completed, pay item completed, pay iteration completed, completed
        """,
        {"prices": [97, 98, 99, None], "receipts": ["r1", "r2", "r3"]},
    )


@scene("nodes/repeat")
def it_refunds_a_lost_parcel(play):
    play.runs(carriers=["a"], parcels=["x", "y"])
    play.works("quotes", {"price": 1})
    play.works("pack")
    play.fails("post", "Lost")
    play.works("refund")
    play.ends(
        "completed",
        """
        started, quotes iteration started, items listed, quotes item started, quotes
        scheduled, quotes completed, quotes item completed, quotes iteration
        completed, parcels iteration started, items listed, parcels item started,
        parcels scope started, pack scheduled, parcels item started, parcels scope
        started, pack scheduled, pack completed, post scheduled, post failed, pack
        cancelled, lost triggered, refund scheduled, refund completed, completed
        """,
    )


@scene("nodes/lock")
def it_changes_the_stock(play):
    play.runs(article="nut")
    play.works("change")
    play.ends(
        "completed",
        """
        started, section section awaited, section locked, section scope started,
        change scheduled, change completed, section executed, completed
        """,
    )


@scene("nodes/lock")
def it_is_put_aside_while_another_has_the_lock(play):
    play.client.acquire_lock("stock-bolt", 3_600.0, "inspector")
    play.runs(article="bolt")
    play.sees("section section awaited")
    play.later(minutes=1)
    play.works("later")
    play.ends(
        "completed",
        """
        started, section section awaited, section section ended, busy triggered,
        later scheduled, later completed, completed
        """,
    )


@scene("nodes/work_lock")
def a_crane_is_moved_at_the_second_attempt_with_the_same_token(play):
    play.runs(crane="north")
    play.fails("move", "Stuck", retryable=True)
    play.works("move")
    play.ends(
        "completed",
        """
        started, move section awaited, section locked, move scheduled, move failed,
        move scheduled, move completed, completed
        """,
    )


@scene("nodes/work_lock")
def a_crane_that_others_have_is_asked_for(play):
    play.client.acquire_lock("crane-south", 3_600.0, "inspector")
    play.runs(crane="south")
    play.sees("move section awaited")
    play.later(minutes=10)
    play.works("ask")
    play.ends(
        "completed",
        """
        started, move section awaited, move section ended, busy triggered, ask scheduled,
        ask completed, completed
        """,
    )
