"""What changed between two sendings, or since an earlier application, word by word."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from allocations.calls.answers import answer_words, questions
from allocations.calls.document import CallDocument
from portal.core.quantities import credits_text

from .asking import CREDITS, DATASETS, MONTHS, RESOURCES
from .models import Application, Snapshot

WORDS = re.compile(r"\s+|\S+")
ASKED = {CREDITS: "Credits", MONTHS: "Months", RESOURCES: "Machines", DATASETS: "Datasets"}
Kind = Literal["same", "gone", "new"]


@dataclass(frozen=True)
class Change:
    """A question whose answer changed, in pieces that stayed, went, or came."""

    label: str
    pieces: list[tuple[Kind, str]]


def changes_between(rules: CallDocument, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """What changed from one snapshot's content to another's, in the order of the form."""
    found = []
    for question in questions(rules):
        before, after = (answer_words(question, c.get("answers", {}).get(question.key)) for c in (old, new))
        if before != after:
            found.append(Change(question.label, pieces(before, after)))
    for key, label in ASKED.items():
        before, after = (_asked(key, c.get("requested", {}).get(key)) for c in (old, new))
        if before != after:
            found.append(Change(label, pieces(before, after)))
    return found


def pieces(before: str, after: str) -> list[tuple[Kind, str]]:
    """Two texts as runs of words that stayed, went, or came; together they give both texts back."""
    old, new = WORDS.findall(before), WORDS.findall(after)
    found: list[tuple[Kind, str]] = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            found.append(("same", "".join(old[i1:i2])))
            continue
        if i2 > i1:
            found.append(("gone", "".join(old[i1:i2])))
        if j2 > j1:
            found.append(("new", "".join(new[j1:j2])))
    return found


def changes_of(application: Application) -> tuple[str, list[Change]] | None:
    """What is new in what was sent last: since it was sent before, else since the application it follows, if any."""
    sent = _sent(application, 2)
    if len(sent) == 2:
        return "since it was sent before", changes_between(application.version.rules, sent[1].content, sent[0].content)
    earlier = _sent(application.follows, 1) if sent and application.follows else []
    if not earlier or application.follows is None:
        return None
    return f"since {application.follows.code}", changes_between(application.version.rules, earlier[0].content, sent[0].content)


def _sent(application: Application, count: int) -> list[Snapshot]:
    """The last times it was sent, newest first."""
    return list(Snapshot.objects.filter(application=application).order_by("-number")[:count])


def _asked(key: str, value: Any) -> str:
    if not value:
        return "—"
    if key == CREDITS:
        return credits_text(value)
    return ", ".join(value) if isinstance(value, list) else str(value)
