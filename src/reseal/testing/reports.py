"""What a simulation found out, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """How one scenario ended."""

    scenario: str
    """Its name: ``tabs_at_once``, for instance."""
    story: str
    """What happened in it."""
    problem: str | None = None
    """What went wrong; ``None`` if nothing did."""
    tabs: int = 1
    signed_out: int = 0
    """How many of the tabs lost their session."""
    praise: str = "nobody was signed out"
    """What there is to say if nothing went wrong."""

    def __str__(self) -> str:
        return self.problem or f"{self.praise} when {self.story}"


@dataclass(frozen=True)
class Report:
    """What a simulation found out. ``str()`` of it is one sentence; ``details()`` has a line a scenario."""

    praise: str
    """What there is to say if nothing went wrong."""
    outcomes: tuple[Outcome, ...]

    @property
    def is_good(self) -> bool:
        return not self.problems

    @property
    def problems(self) -> tuple[Outcome, ...]:
        """The scenarios in which something went wrong."""
        return tuple(each for each in self.outcomes if each.problem is not None)

    @property
    def signed_out(self) -> int:
        """How many tabs lost their session, in all scenarios together."""
        return sum(each.signed_out for each in self.outcomes)

    def __str__(self) -> str:
        if not self.problems:
            return self.praise
        first, *others = self.problems
        names = f" (also: {', '.join(each.scenario for each in others)})" if others else ""
        return f"{first.problem}{names}"

    def details(self) -> str:
        """Return a line for each scenario."""
        return "\n".join(f"{'-' if each.problem is None else '!'} {each.scenario}: {each}" for each in self.outcomes)

    def insist(self) -> Report:
        """Return the report itself if it is good. Raises ``AssertionError`` with the sentence and the details."""
        if self.problems:
            raise AssertionError(f"{self}\n{self.details()}")
        return self
