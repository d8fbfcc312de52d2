"""Scenes of devices and of times: what waits for minutes, mornings or weeks."""

from datetime import timedelta

from tests.examples.play import berlin, scene, split


@scene("nodes/device")
def it_thaws_what_was_warm_for_five_minutes(play):
    play.runs(freezer="f-1")
    play.sees("gone awaited")
    play.happens("watch.opened", "f-1", 3)
    play.measures("f-1", temperature=-10)
    play.later(minutes=5)
    play.begins("thaw")
    play.happens("watch.opened", "f-1", 5)
    play.measures("f-1", temperature=-4)
    play.works("hurry")
    play.measures("f-1", temperature=-20)
    play.ends(
        "completed",
        """
        started, warm awaited, alarm awaited, gone awaited, warm triggered, thaw
        scheduled, hot awaited, cold awaited, hot triggered, hurry scheduled, hurry
        completed, thaw cancelled, cold triggered, completed
        """,
        {"reached": -4},
    )


@scene("nodes/device")
def it_thaws_at_an_alarm(play):
    play.runs(freezer="f-2")
    play.sees("gone awaited")
    play.happens("watch.opened", "f-2", 3)
    play.measures("f-2", "alarm", temperature=-20)
    play.works("thaw")
    play.ends(
        "completed",
        """
        started, warm awaited, alarm awaited, gone awaited, alarm triggered, thaw
        scheduled, hot awaited, cold awaited, thaw completed, completed
        """,
    )


@scene("nodes/device")
def it_thaws_when_nothing_is_heard(play):
    play.runs(freezer="f-3")
    play.sees("gone awaited")
    play.later(minutes=10)
    play.works("thaw")
    play.ends(
        "completed",
        """
        started, warm awaited, alarm awaited, gone awaited, gone triggered, thaw
        scheduled, hot awaited, cold awaited, thaw completed, completed
        """,
    )


@scene("nodes/timer")
def it_reminds_on_a_working_morning(play):
    play.runs()
    play.sees("pause scheduled")
    play.later(hours=1)
    due = berlin(play.sees("morning scheduled").body.due)
    assert (due.hour, due.minute, due.weekday() < 5) == (9, 0, True)
    assert due - berlin(play.now()) <= timedelta(days=3)
    play.later(days=3)
    play.ends(
        "completed",
        """
        started, pause scheduled, pause executed, opening scheduled, opening
        executed, morning scheduled, morning executed, completed
        """,
        {"waited": True},
    )


@scene("nodes/repeating")
def it_is_watched_for_some_days(play):
    play.runs()
    repair = play.begins("repair")
    for _ in range(3):
        play.later(hours=6)
        play.works("remind")
    play.later(days=3)
    mornings = [berlin(event.body.due) for event in play.all("morning triggered")]
    for _ in mornings:
        play.works("report")
    play.finishes(repair)
    wanted = working_mornings(berlin(play.all("started")[0].envelope.time), berlin(play.now()))
    assert mornings == wanted
    nagged = ["nag triggered", "remind scheduled", "remind completed"] * 3
    told = ["morning triggered", "report scheduled", "report completed"] * len(wanted)
    rest = split("started, repair scheduled, nag awaited, morning awaited, repair completed")
    play.ends("completed", [*rest, *nagged, *told, "completed"])


def working_mornings(begin, end):
    """Nine o'clock of each working day between two moments."""
    first = begin.replace(hour=9, minute=0, second=0, microsecond=0)
    days = [first + timedelta(days=n) for n in range((end - begin).days + 2)]
    return [day for day in days if begin < day <= end and day.weekday() < 5]


@scene("nodes/wait")
def it_is_paid_and_delivered_and_kept(play):
    play.runs(order="w-1")
    play.client.publish_message("delivered", "w-1", "door")
    play.client.publish_message("paid", "w-1", {"amount": 5})
    play.sees("kept awaited")
    play.later(days=30)
    play.ends(
        "completed",
        """
        started, arrived awaited, arrived awaited, arrived awaited, arrived awaited,
        arrived wait progressed, arrived wait progressed, kept awaited, kept
        awaited, kept wait progressed, completed
        """,
        {"amount": 5, "late": False, "kept": True},
    )


@scene("nodes/wait")
def it_is_picked_up_and_sent_back(play):
    play.runs(order="w-2")
    play.client.publish_message("paid", "w-2", {"amount": 5})
    play.client.publish_message("left-at-shop", "w-2", "corner")
    play.client.publish_message("picked-up", "w-2")
    play.sees("kept awaited")
    play.client.publish_message("sent-back", "w-2", "broken")
    play.ends(
        "completed",
        """
        started, arrived awaited, arrived awaited, arrived awaited, arrived awaited,
        arrived wait progressed, arrived wait progressed, arrived awaited, arrived
        wait progressed, kept awaited, kept awaited, kept wait progressed, completed
        """,
        {"late": False, "kept": False},
    )


@scene("nodes/wait")
def it_is_late(play):
    play.runs(order="w-3")
    play.client.publish_message("paid", "w-3", {"amount": 5})
    play.later(days=14)
    play.sees("kept awaited")
    play.later(days=30)
    play.ends(
        "completed",
        """
        started, arrived awaited, arrived awaited, arrived awaited, arrived awaited,
        arrived wait progressed, arrived wait progressed, kept awaited, kept
        awaited, kept wait progressed, completed
        """,
        {"amount": 5, "late": True, "kept": True},
    )


@scene("nodes/wait_device")
def it_is_filled_when_cold_and_shut(play):
    play.runs(store="c-1")
    play.happens("watch.opened", "c-1", 3)
    play.measures("c-1", "door-open")
    play.happens("watch.opened", "c-1", 4)
    play.measures("c-1", "door-shut")
    play.sees("ready wait progressed", 2)
    play.measures("c-1", temperature=-20)
    play.later(minutes=10)
    play.sees("ready wait progressed")
    play.later(hours=1)
    play.works("fill")
    play.ends(
        "completed",
        """
        started, 4 x ready awaited, ready wait progressed, ready awaited,
        3 x ready wait progressed, fill scheduled, fill completed, completed
        """,
        {"celsius": -20, "fit": True},
    )


@scene("nodes/wait_device")
def it_is_repaired_after_an_alarm(play):
    play.runs(store="c-2")
    play.happens("watch.opened", "c-2", 3)
    play.measures("c-2", "alarm")
    play.works("repair")
    play.ends(
        "completed",
        """
        started, 4 x ready awaited, ready wait progressed, repair scheduled,
        repair completed, completed
        """,
        {"celsius": None, "fit": False},
    )


@scene("nodes/start_device")
def it_looks_after_warm_open_and_silent_freezers(play):
    play.measures("freezer-3", temperature=-10)
    play.later(minutes=5)
    play.measures("freezer-4", "door-open")
    play.measures("freezer-7", temperature=-20)
    (warm,), (door,) = play.started("warm"), play.started("door")
    play.later(minutes=10)
    (silent, *_) = play.started("silent")
    for name, history in (("warm", warm), ("door", door), ("silent", silent)):
        words = f"started, {name} triggered, look scheduled, look completed, completed"
        assert history == split(words)


ASKED = """
    started, ask scheduled, ask completed, payment awaited, remind awaited, too_late awaited,
    called_off awaited"""
REMINDED = "remind triggered, reminder scheduled, reminder completed"


@scene("nodes/patience", first=True)
def it_ships_what_is_paid_when_the_van_is_here(play):
    play.runs(order="p-1")
    play.works("ask")
    play.client.publish_message("paid", "p-1", {"eur": 5})
    play.sees("now awaited")
    play.client.broadcast_signal("van-is-here")
    play.works("pack")
    play.ends(
        "completed",
        f"""
        {ASKED}, payment triggered, ship scheduled, now awaited, now triggered,
        pack scheduled, pack completed, completed
        """,
        {"paid": {"eur": 5}},
    )


@scene("nodes/patience")
def it_is_called_off_after_a_reminder(play):
    play.runs(order="p-2")
    play.works("ask")
    play.later(days=1)
    play.works("reminder")
    play.client.publish_message("called-off", "p-2")
    play.ends("completed", f"{ASKED}, {REMINDED}, called_off triggered, completed")


@scene("nodes/patience")
def it_is_given_up_after_a_week_of_reminders(play):
    play.runs(order="p-3")
    play.works("ask")
    for _ in range(6):
        play.later(days=1)
        play.works("reminder")
    play.later(days=1)
    play.sees("too_late triggered")
    play.works("reminder")
    play.ends(
        "completed",
        f"""
        {ASKED}, {", ".join([REMINDED] * 6)}, remind triggered, reminder scheduled,
        too_late triggered, reminder completed, completed
        """,
    )
