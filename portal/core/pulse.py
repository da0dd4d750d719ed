"""A part without a port shows life by touching a file."""

from __future__ import annotations

from django.conf import settings


def pulse(part: str) -> None:
    """Touch the part's file in the state folder."""
    path = settings.HOME / "run" / f"{part}.pulse"
    path.parent.mkdir(exist_ok=True)
    path.touch()
