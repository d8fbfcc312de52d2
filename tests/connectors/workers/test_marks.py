"""What a commit of a queue's position carries."""

from hypothesis import given
from hypothesis import strategies as st

from connectors.workers.marks import SPAN_MAX, Marks


@given(st.lists(st.booleans(), max_size=200), st.integers(0, 10_000), st.integers(1, 3))
def test_what_a_takeover_runs_again_is_exactly_what_was_not_finished(finished, start, step):
    marks = Marks(start)
    offsets = [start + n * step for n in range(len(finished))]
    for offset in offsets:
        assert marks.begin(offset)
    for offset, done in zip(offsets, finished, strict=True):
        if done:
            marks.finish(offset)
    later = Marks(*marks.commit())
    again = [offset for offset in offsets if later.begin(offset)]
    assert again == [o for o, done in zip(offsets, finished, strict=True) if not done]


def test_a_task_is_begun_once():
    marks = Marks(5)
    assert not marks.begin(4)
    assert marks.begin(7)
    assert not marks.begin(7)
    marks.finish(7)
    assert not marks.begin(7)
    assert marks.commit() == (8, "")


def test_the_metadata_of_the_widest_span_fits_kafka_s_limit():
    marks = Marks(0)
    for offset in range(SPAN_MAX):
        marks.begin(offset)
    for offset in range(1, SPAN_MAX):
        if (offset * 2_654_435_761) >> 7 & 1:
            marks.finish(offset)
    offset, metadata = marks.commit()
    assert offset == 0
    assert len(metadata) < 4_000
    assert marks.span == SPAN_MAX


def test_unreadable_metadata_counts_as_none():
    assert Marks(3, "zzz~~~").begin(3)
    assert Marks(3, "1\x00").begin(3)
