"""What clients saw while one fault struck, beside what they see undisturbed."""

from dataclasses import dataclass, field


def percentile(values, share):
    """Nearest rank; 0 of nothing."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0


@dataclass
class Phase:
    name: str
    disturbance: object
    # (index of the request, Answer)
    answers: list
    # By index: the undisturbed Answer.
    reference: list
    # Sequences that went on elsewhere.
    moved: float
    # Workers given up and workers suspected although they were well.
    false_alarms: tuple = (0, 0)
    # The longest times in which no client heard anything, one for each strike; where the fault is no worker's.
    silences: list = field(default_factory=list)
    silence_limit: float | None = None
    seconds: float = field(init=False)
    errors: list = field(init=False)
    differing: list = field(init=False)

    def __post_init__(self):
        self.errors = [answer.error for _, answer in self.answers if answer.error]
        self.differing = [
            index
            for index, answer in self.answers
            if not answer.error and answer.content != self.reference[index].content
        ]
        began = min((answer.began for _, answer in self.answers), default=0.0)
        self.seconds = max((answer.ended for _, answer in self.answers), default=0.0) - began

    @property
    def strikes(self):
        return self.disturbance.strikes if self.disturbance else 0

    @property
    def struck(self):
        return self.disturbance.struck if self.disturbance else 0

    @property
    def detections(self):
        return self.disturbance.detections if self.disturbance else []

    @property
    def added_gaps(self):
        """The longest pause of a stream, less the longest that the same request sees undisturbed, of as many streams as
        moved. A client cannot tell which did; these are the worst."""
        streams = [(index, answer) for index, answer in self.answers if answer.streams and not answer.error]
        gaps = [max(0.0, answer.longest_gap - self.reference[index].longest_gap) for index, answer in streams]
        moved = self.moved * len(streams) / max(1, len(self.answers))
        return sorted(gaps, reverse=True)[: max(1, round(moved))]

    def complaints(self, looks_at_times):
        found = []
        if self.errors:
            found.append(f"{self.name}: {len(self.errors)} requests failed; the first: {self.errors[0]}")
        if self.differing:
            found.append(f"{self.name}: {len(self.differing)} answers differ, the first to request {self.differing[0]}")
        fault = self.disturbance.fault if self.disturbance else None
        if fault and fault.detection_limit is not None and not self.moved:
            found.append(f"{self.name}: no sequence moved, so that nothing was shown")
        if not looks_at_times:
            return found
        if any(self.false_alarms):
            found.append(f"{self.name}: {self.false_alarms[0]} workers given up, {self.false_alarms[1]} suspected")
        for what, values, limit in (
            ("detection", self.detections, fault and fault.detection_limit),
            ("added gap", self.added_gaps, fault and fault.gap_limit),
            ("silence for all clients", self.silences, self.silence_limit),
        ):
            if limit is not None and percentile(values, 0.99) > limit:
                seconds = percentile(values, 0.99)
                found.append(f"{self.name}: the 99th percentile of {what} is {seconds:.3f} s, over {limit} s")
        return found
