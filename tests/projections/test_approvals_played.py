"""People at approvals, all at once, on a log that crashes and repeats: one decision each.

The view has what the engine folds; nobody decides twice; no event is missing.
"""

import os
from collections import Counter

from projections.events import event_of
from projections.positions import Source
from projections.projection import FORM, Projection
from schemas import approval_commands as a
from schemas import approval_events as e
from schemas import commands as c
from schemas.codec import decode, encode
from schemas.envelope import Context, Envelope
from schemas.ids import routing_key
from schemas.registry import public_type
from streams.runtime.ports import Out
from streams.testing.world import World
from topics.reading import Consumed

SEEDS = int(os.environ.get("TIDEMILL_SEEDS", "8"))
HOUR = 3_600_000
PEOPLE = ("ann", "bob", "ceo", "eve")
SOURCE = """
id: leave
version: 1.0.0
nodes:
  start: {type: start, next: decide}
  decide:
    type: approval
    assignee: bob
    candidate_users: [ann, bob]
    due: PT2H
    escalation:
      - {after: PT1H, candidate_users: [ann, ceo]}
      - {after: PT3H, assignee: ceo}
    next: end
  end: {type: end}
"""


class Play(World):
    """One seed: a few approvals, and people and operators who do not wait for each other."""

    def __init__(self, seed):
        super().__init__(seed, [SOURCE], partitions=1 + seed % 3)
        self.asked = [f"i{n}" for n in range(self.random.randint(1, 4))]
        for name in self.asked:
            self.run_instance(name, "leave", b"{}")
        self.said = []

    def person(self, again=False):
        """Let somebody do something; `again` repeats a command under its id."""
        if again and self.said:
            record = self.random.choice(self.said)
        else:
            number = len(self.said)
            pick, who = self.random.choice, self.random.choice(PEOPLE)
            body = pick(
                [
                    a.ClaimApproval(2),
                    a.ClaimApproval(2),
                    a.ReleaseApproval(2),
                    a.DelegateApproval(2, pick(PEOPLE)),
                    a.AssignApproval(2, pick(PEOPLE), ["ann"]),
                    a.CommentApproval(2, f"said {number}"),
                    a.AttachDocument(2, e.Document(f"d{number % 3}", "https://example.org/d")),
                    a.DetachDocument(2, f"d{number % 3}"),
                    a.CompleteApproval(2, pick(["approve", "reject"])),
                ]
            )
            record = (f"p{number}", pick(self.asked), who, body)
            self.said.append(record)
        name, target, who, body = record
        context = Context(name, name, who, "default")
        envelope = Envelope(
            name,
            public_type(body),
            self.now,
            "instance",
            target,
            reply_to="client:0",
            context=context,
        )
        self.sent[name] += 1
        key = routing_key("default", target).encode()
        self.kafka.append(Out(self.names.commands, -1, key, encode(envelope, body)))

    def disturbed(self):
        for _ in range(self.random.randint(20, 60)):
            for _ in range(self.random.randint(0, 3)):
                self.person(again=self.random.random() < 0.3)
            if self.random.random() < 0.1:
                body = self.random.choice(
                    [c.SuspendInstance(), c.ResumeInstance(), c.ResumeInstance()]
                )
                if self.random.random() < 0.2:
                    body = c.CancelInstance("enough")
                self.command(self.random.choice(self.asked), body)
            self.go_on([0, 1, 1_000, HOUR // 4], restarts=0.06)

    def logs(self):
        return {p: self.kafka.committed(self.names.events, p) for p in range(self.partitions)}


def check(play, seed):
    """Each approval ends once at most, by who could, and each command had one effect."""
    ends, effects, kinds = Counter(), Counter(), Counter()
    for entries in play.logs().values():
        for entry in entries:
            envelope, body = decode(entry.value)
            kinds[envelope.type] += 1
            if isinstance(body, e.ApprovalCompleted | e.ApprovalCancelled):
                ends[envelope.aggregate_id, body.approval] += 1
            if envelope.type.startswith("approval.") and envelope.context.causation_id[0] == "p":
                effects[envelope.context.causation_id, envelope.type] += 1
    assert set(ends.values()) <= {1}, f"seed {seed}: decided twice"
    assert set(effects.values()) <= {1}, f"seed {seed}: a command had two effects"
    assert play.replies() == play.sent, f"seed {seed}: one reply for each record"
    return kinds


def test_each_approval_is_decided_once_and_the_view_is_the_fold(sql, projection, held):
    seen = Counter()
    for seed in range(SEEDS):
        play = Play(seed)
        play.disturbed()
        play.calm()
        play.settle()
        seen += check(play, seed)
        projection = Projection(sql)
        projection.restart(Source("cluster", f"events-{seed}", "id", FORM), play.partitions)
        for partition, entries in play.logs().items():
            events = [
                event_of(Consumed(partition, x.offset, x.timestamp, x.key, x.value))
                for x in entries
            ]
            for first in range(0, len(events), 5):
                projection.apply(events[first : first + 5], {})
        held({p: [one.value for one in found] for p, found in play.logs().items()})
    wanted = {
        "claimed",
        "released",
        "delegated",
        "assigned",
        "commented",
        "document_attached",
        "document_detached",
        "escalated",
        "completed",
        "cancelled",
    }
    assert wanted <= {name.partition(".")[2] for name in seen if name.startswith("approval.")}
