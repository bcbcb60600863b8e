"""The mark of a setting that is a flag of the command line, and the panels of the help."""

from __future__ import annotations

from dataclasses import dataclass

# The parts of the help of `generate` and `build`, in their order.
PANELS = ("What to make", "Teacher", "Steering", "Filters", "Limits and money", "Running")
MAKE, TEACHER, STEERING, FILTERS, LIMITS, RUNNING = PANELS


@dataclass(frozen=True)
class Flag:
    """Marks a setting that is a flag of the command line.

    Attributes:
        panel: The part of the help that lists the flag, one of PANELS.
        rank: The place in its panel. Smaller numbers come first, the most used flags have 1.
        metavar: The word that stands for its value in the help. Empty: NUMBER or TEXT.
        default: The shown default, if it depends on other settings.
    """

    panel: str
    rank: int
    metavar: str = ""
    default: str = ""
