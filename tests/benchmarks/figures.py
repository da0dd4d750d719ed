"""How a figure is printed: a ratio to a floor that was measured in the same run."""

from __future__ import annotations


def say(name: str, ratio: float, aim: str, *facts: str) -> None:
    """One line per figure."""
    print(f"{name}: ratio {ratio:.2f} (aim {aim})  {'  '.join(facts)}", flush=True)
