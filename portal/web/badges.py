"""How a state looks: words, colour and icon together, so colour is never the only sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["quiet", "info", "good", "warn", "bad"]


@dataclass(frozen=True)
class Badge:
    """The words, tone and icon of a state."""

    label: str
    tone: Tone
    icon: str = "●"
