"""The public register of awards, and the same as open data."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from django.db.models import QuerySet

from allocations.applications.models import Application
from allocations.applications.states import Outcome, S
from portal.core.quantities import credits_text
from portal.core.words import cell_plain

from .models import Decision

LICENCE = "CC-BY-4.0"
COLUMNS = (
    "id", "title", "organisation", "country", "size_class", "call", "credits", "months", "resources", "datasets",
    "decided_on", "decided_by_rule", "starts_on", "ends_on", "embargo_until",
)  # fmt: skip


def register(*, call: str = "", country: str = "", words: str = "", today: date) -> QuerySet[Application]:
    """Published awards, newest first. What is under embargo is listed without its names, and not found by words."""
    rows = (
        Application.objects.filter(state=S.DECIDED, outcome=Outcome.AWARDED, published_at__isnull=False)
        .select_related("organisation", "call", "allocation")
        .prefetch_related("organisation__related_firms", "organisation__accounting_years")
        .order_by("-published_at", "-pk")
    )
    if call:
        rows = rows.filter(call__slug=call)
    if country:
        rows = rows.filter(organisation__country=country)
    if words:
        rows = rows.filter(title__icontains=words).exclude(embargo_until__gt=today)
    return rows


def entries(applications: Iterable[Application], *, today: date) -> list[dict[str, Any]]:
    """Rows of the register for people and programs, in one more query."""
    listed = list(applications)
    decisions = {
        d.application_id: d
        for d in Decision.objects.filter(application__in=[a.pk for a in listed], taken_back_at=None).order_by("number")
    }
    return [_entry(application, decisions[application.pk], today) for application in listed if application.pk in decisions]


def _entry(application: Application, decision: Decision, today: date) -> dict[str, Any]:
    hidden = application.embargo_until is not None and application.embargo_until > today
    organisation, allocation = application.organisation, application.allocation
    return {
        "id": application.code,
        "title": "under embargo" if hidden else application.title,
        "organisation": "under embargo" if hidden else organisation.name,
        "country": organisation.country,
        "size_class": str(organisation.size.size),
        "call": application.call.slug,
        "credits": credits_text(decision.credits),
        "months": decision.months,
        "resources": decision.resources,
        "datasets": [] if hidden else decision.datasets,
        "decided_on": decision.at.date(),
        "decided_by_rule": decision.automatic,
        "starts_on": allocation.starts_on if allocation else None,
        "ends_on": allocation.ends_on if allocation else None,
        "embargo_until": application.embargo_until if hidden else None,
    }


def register_csv(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """The register as a table, line by line; cells that a spreadsheet would compute are made plain text."""
    for row in (dict(zip(COLUMNS, COLUMNS, strict=True)), *rows):
        out = io.StringIO()
        csv.writer(out).writerow([_cell(row[column]) for column in COLUMNS])
        yield out.getvalue()


def _cell(value: Any) -> str:
    text = " ".join(value) if isinstance(value, list) else "" if value is None else str(value)
    return cell_plain(text)
