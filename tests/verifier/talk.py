"""Workflows that speak with each other or call each other, and a court that has read some."""

from schemas.codec import encode
from schemas.definitions import DefinitionRecord
from schemas.envelope import Context, Envelope
from streams.forms import read_definition
from streams.verifier.court import Court
from streams.verifier.request import answer


def flow(name, *nodes, version="1.0.0", more=""):
    """A workflow of one node after the other; each is what its node says."""
    names = ["start", *(f"n{number}" for number in range(1, len(nodes) + 1)), "end"]
    kinds = ["type: start", *nodes]
    lines = [f"id: {name}", f"version: {version}", more, "nodes:"]
    for own, kind, following in zip(names, kinds, names[1:], strict=False):
        lines.append(f"  {own}: {{{kind}, next: {following}}}")
    return "\n".join([*filter(None, lines), "  end: {type: end}", ""])


def throw(message):
    return f"type: throw, message: {message}"


def catch(message):
    return f"type: catch, message: {message}"


def call(definition, version=""):
    return f"type: call, definition: {definition}" + (f", version: '{version}'" if version else "")


PATIENCE = 15.0


class Desk:
    """Submits definitions to a court, and lets be what it says, as an engine would."""

    def __init__(self, *published, max_states=10_000, prove=answer):
        self.court = Court(prove, max_states, PATIENCE)
        self.now = 0.0
        self.last = ""
        self._position = 0
        for source in published:
            self.put(source, "published", "sound")

    def put(self, source, status="submitted", verdict="", tenant="default", **more):
        """Write a record of a version."""
        model = read_definition(source)
        self._position += 1
        name, version = model.id, str(model.version)
        context = Context("command", "talk", "ann", tenant)
        identity = f"{name}@{version}", "DefinitionRecord", self._position, "definition", name
        envelope = Envelope(*identity, position=self._position, context=context)
        record = DefinitionRecord(name, version, status, source, verdict=verdict, **more)
        self.court.add(0, encode(envelope, record))

    def judge(self):
        """Return the next verdict, and let it come true; None where nothing can be judged."""
        while (task := self.court.next(self.now)) is not None:
            verdict = self.court.judge(task, self.now)
            if verdict is None:
                continue
            self.court.answered(task, verdict)
            good = verdict.verdict == "sound" or task.record.allow_unsound
            status = "published" if good else "refused"
            self.last = task.record.definition_id
            self.put(
                task.record.source, status, verdict.verdict, task.key[0], message=verdict.message
            )
            return verdict
        return None

    def submit(self, source, **more):
        """Return the verdict on a version that is submitted now."""
        self.put(source, **more)
        return self.judge()

    def outcomes(self):
        """Judge until nothing more can be judged; return the verdicts by definition."""
        found = {}
        while True:
            task = self.court.next(self.now)
            if task is None:
                return found
            verdict = self.judge()
            if verdict is not None:
                found[self.last] = verdict
