"""What is awarded. Plain Python but for reading an application."""

from __future__ import annotations

from dataclasses import dataclass, field

from allocations.applications.models import Application


@dataclass(frozen=True)
class Terms:
    """Credits in micro-credits, months, and where and with what they may be used."""

    credits: int
    months: int
    resources: list[str]
    datasets: list[str] = field(default_factory=list)


def asked_terms(application: Application) -> Terms:
    """What was asked for, as terms."""
    return Terms(
        application.requested_credits or 0,
        application.requested_months or 1,
        list(application.requested_resources),
        list(application.requested_datasets),
    )
