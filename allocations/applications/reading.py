"""An application as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from allocations.calls.answers import answer_words, shown
from allocations.calls.pricing import units_words
from portal.core.quantities import credits_text

from .asking import CREDITS, DATASETS, MONTHS, RESOURCES, UNIT
from .forms import pages
from .models import Application

ASK_LABELS = {CREDITS: "Credits", MONTHS: "Months", RESOURCES: "Machines", DATASETS: "Datasets"}


@dataclass(frozen=True)
class Row:
    """A question with its answer in words, and what is wrong with it."""

    label: str
    words: str
    problem: str = ""


@dataclass(frozen=True)
class Group:
    """The rows of one page of the wizard."""

    step: int
    title: str
    rows: list[Row]

    @property
    def wrong(self) -> bool:
        return any(row.problem for row in self.rows)


def content_rows(application: Application, *, problems: Mapping[str, str] | None = None) -> list[Group]:
    """The whole application, page by page, without questions that did not apply."""
    wrong, groups = problems or {}, []
    for step, page in enumerate(pages(application.version.rules), start=1):
        rows = [
            Row(q.label, answer_words(q, application.answers.get(q.key)), wrong.get(q.key, ""))
            for q in page.questions
            if shown(q, application.answers)
        ]
        if page.asks:
            rows += [
                Row(ASK_LABELS.get(key, "Amount"), words, wrong.get(key, ""))
                for key, words in _asked_words(application).items()
            ]
        groups.append(Group(step, page.title, rows))
    return groups


def _asked_words(application: Application) -> dict[str, str]:
    asked, units = application.requested, application.version.rules.amounts.units
    credits = credits_text(asked[CREDITS]) if asked[CREDITS] else "—"
    amount = {UNIT + units[0].key: units_words(units, application.requested_units)} if units else {CREDITS: credits}
    return {
        **amount,
        MONTHS: str(asked[MONTHS] or "—"),
        RESOURCES: ", ".join(asked[RESOURCES]) or "—",
        DATASETS: ", ".join(asked[DATASETS]) or "none",
    }
