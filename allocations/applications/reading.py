"""An application as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.urls import reverse

from allocations.calls.answers import answer_words, shown
from allocations.calls.document import Attachment
from allocations.calls.pricing import units_words
from portal.core.quantities import credits_text

from .asking import CREDITS, DATASETS, MONTHS, RESOURCES, UNIT
from .files import PREFIX, asked_files, files_of
from .forms import pages
from .models import Application, AttachedFile
from .screenings import KEY as SCREENING
from .screenings import result_of

ASK_LABELS = {CREDITS: "Credits", MONTHS: "Months", RESOURCES: "Machines", DATASETS: "Datasets"}


@dataclass(frozen=True)
class Row:
    """A question with its answer in words, and what is wrong with it."""

    label: str
    words: str
    problem: str = ""
    link: str = ""


@dataclass(frozen=True)
class Group:
    """The rows of one page of the wizard. `link` leads to it where it is no numbered page."""

    step: int
    title: str
    rows: list[Row]
    link: str = ""

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
    return [*groups, *_extra_groups(application, wrong)]


def _extra_groups(application: Application, wrong: Mapping[str, str]) -> list[Group]:
    """Files and the screening, where the call asks for them."""
    found: list[Group] = []
    if asked := asked_files(application):
        there = files_of(application)
        rows = [
            Row(
                one.label,
                _file_words(there[one.key]) if one.key in there else "—",
                wrong.get(PREFIX + one.key, ""),
                _address(there, one),
            )
            for one in asked
        ]
        found.append(Group(0, "Files", rows, reverse("applications:files", args=[application.code])))
    if application.version.rules.ai_screening:
        result = result_of(application)
        words = f"{result.outcome.title}. {result.outcome.words}" if result else "—"
        link = reverse("applications:screening", args=[application.code])
        found.append(Group(0, "EU AI Act", [Row("What came out", words, wrong.get(SCREENING, ""))], link))
    return found


def _file_words(row: AttachedFile) -> str:
    """Its name, and what a malware scanner said of it."""
    return f"{row.name} ({row.scan or 'being scanned for malware'})"


def _address(there: Mapping[str, AttachedFile], asked: Attachment) -> str:
    row = there.get(asked.key)
    return reverse("applications:file", args=[row.application.code, row.pk]) if row else ""


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
