"""The places of a call's document that an editor opens one at a time, each with its model and its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import BaseModel

from . import document as d

Shape = Literal["whole", "optional", "many"]
# Parts of the document itself that are shown as one place.
ABOUT = (
    "title",
    "summary",
    "description",
    "programme",
    "pool",
    "promise_working_days",
    "holidays_of",
    "appeal_days",
    "ai_screening",
    "sources",
)


@dataclass(frozen=True)
class Place:
    """One part of the document: where it lies, what it is made of, and whether there are none, one or many."""

    path: str
    title: str
    group: str
    models: tuple[type[BaseModel], ...]
    shape: Shape = "whole"
    help: str = ""

    @property
    def url_path(self) -> str:
        return self.path.replace(".", "-")

    def model(self, kind: str = "") -> type[BaseModel]:
        """The model of an item: of the kind, where there are several."""
        for model in self.models:
            if "kind" in model.model_fields and model.model_fields["kind"].default == kind:
                return model
        return self.models[0]

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """The kinds an item may be of, with words; empty when there is one only."""
        if len(self.models) == 1:
            return []
        return [(model.model_fields["kind"].default, (model.__doc__ or "").strip()) for model in self.models]


RULES = get_args(get_args(d.EligibilityRule)[0])
PLACES = [
    Place("about", "What it is", "Call", (d.CallDocument,)),
    Place("intake", "When applications are taken", "Call", (d.Intake,)),
    Place("start", "When awards begin", "Call", (d.Start,)),
    Place("eligibility", "Who may apply", "Who", RULES, "many"),
    Place("lead", "Who may lead", "Who", (d.Lead,), "optional"),
    Place("activities", "Classes of activity", "Who", (d.Activity,), "many"),
    Place("membership", "Who may join an award", "Who", (d.Membership,)),
    Place("form", "Questions", "What is asked", (d.Question,), "many", "At most twelve; each costs the applicant minutes."),
    Place("attachments", "Files", "What is asked", (d.Attachment,), "many"),
    Place("data", "Which data may be worked on", "What is asked", (d.DataRule,), "optional"),
    Place("amounts", "Amounts", "How much", (d.Amounts,)),
    Place("amounts.units", "Units beside credits", "How much", (d.Unit,), "many"),
    Place("charging", "How use is charged", "How much", (d.Charging,)),
    Place("prices", "Who pays what", "How much", (d.Price,), "many"),
    Place("aid", "Counted as a subsidy", "How much", (d.Aid,), "optional"),
    Place("pools", "Pools of their own", "How much", (d.PoolBudget,), "many"),
    Place("automatic", "Decided by rule", "Who decides", (d.Automatic,), "optional"),
    Place("steps", "Steps", "Who decides", (d.Step,), "many"),
    Place("review", "Reviews", "Who decides", (d.Review,), "optional"),
    Place("review.criteria", "Criteria", "Who decides", (d.Criterion,), "many"),
    Place("review.by_amount", "Reviewers by amount", "Who decides", (d.ReviewersByAmount,), "many"),
    Place("review.tiers", "Tiers by score", "Who decides", (d.Tier,), "many"),
    Place("review.lottery", "Lottery within a tier", "Who decides", (d.Lottery,), "optional"),
    Place("review.reciprocal", "Applicants review each other", "Who decides", (d.Reciprocal,), "optional"),
    Place("duties", "Reports, more, longer", "Afterwards", (d.Duties,)),
    Place("duties.topup", "Top-ups", "Afterwards", (d.TopUp,)),
    Place("duties.burst", "One-off burst", "Afterwards", (d.Burst,), "optional"),
    Place("release", "Awards in parts", "Afterwards", (d.Release,), "optional"),
    Place("reclaim", "Use it or lose it", "Afterwards", (d.Reclaim,), "optional"),
    Place("leftover", "What is left at the end", "Afterwards", (d.Leftover,)),
]


def place_find(url_path: str) -> Place | None:
    """A place by its address."""
    return next((place for place in PLACES if place.url_path == url_path), None)


def content_at(document: Mapping[str, Any], place: Place) -> Any:
    """What the document holds at a place; None where its parent is not there."""
    if place.path == "about":
        return {name: document.get(name) for name in ABOUT}
    found: Any = document
    for step in place.path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(step)
    return found


def content_put(document: Mapping[str, Any], place: Place, content: Any) -> dict[str, Any]:
    """
    The document with other content at a place. Fields of a part that other places show stay as they are.

    :raises KeyError: the place's parent is not there
    """
    if place.path == "about":
        return {**document, **content}
    first, _, rest = place.path.partition(".")
    if rest:
        if not isinstance(document.get(first), Mapping):
            raise KeyError(first)
        return {**document, first: {**document[first], rest: content}}
    before = document.get(first)
    if isinstance(before, Mapping) and isinstance(content, Mapping):
        content = {**before, **content}
    return {**document, first: content}
