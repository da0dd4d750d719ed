"""Offering a dataset, and what it says of itself."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django.db import transaction

from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, Refusal
from portal.organisations.models import Organisation
from portal.organisations.policies import MAY_APPLY, check_org_role
from portal.web.registry import registry

from . import policies, publishing, search
from .models import Dataset
from .states import AccessClass, V

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
RESERVED = {"offer", "sitemap", "catalogue", "many", "delegate"}
EDITABLE = (
    "title",
    "summary",
    "description",
    "access_class",
    "commercial_use",
    "commercial_note",
    "licence",
    "licence_url",
    "domain",
    "keywords",
    "country",
    "duo_codes",
    "publisher",
    "source",
    "source_url",
    "citation",
    "preview_public",
    "needs_agreement",
    "agreement_text",
)


@transaction.atomic
def dataset_offer(*, organisation: Organisation, slug: str, by: User, at: datetime, terms: str = "", **values: Any) -> Dataset:
    """
    Begin a dataset of an enterprise. The person becomes its steward; nobody else sees it until a version is published.

    :raises NotAllowed: unless owner or manager
    :raises Malformed: a bad or taken slug, or a field that cannot be read
    """
    check_org_role(user=by, organisation=organisation, roles=MAY_APPLY, what="offer a dataset")
    if not SLUG.fullmatch(slug) or len(slug) > 60 or slug in RESERVED:
        raise Malformed(
            "A short name has lower-case letters, digits and single dashes, at most 60: solar-yield-2024.", field="slug"
        )
    facts = _facts_check({"publisher": organisation.name, **values})
    dataset = publishing.dataset_create(by=by, at=at, slug=slug, organisation=organisation, steward=by, **facts)
    if terms.strip():
        publishing.terms_publish(dataset=dataset, text=terms.strip(), by=by, at=at)
    return dataset


@transaction.atomic
def dataset_edit(*, dataset: Dataset, by: User, at: datetime, terms: str | None = None, **values: Any) -> Dataset:
    """
    Change what a dataset says of itself; what was before is kept in the record. New terms are a new number.

    :raises NotYours: unless the person keeps the dataset
    """
    policies.check_may_edit(user=by, dataset=dataset)
    facts = _facts_check({**{name: getattr(dataset, name) for name in EDITABLE}, **values})
    before = {name: getattr(dataset, name) for name in facts if getattr(dataset, name) != facts[name]}
    _check_loosening(dataset, facts)
    for name in before:
        setattr(dataset, name, facts[name])
    if before.get("access_class") == AccessClass.OPEN and dataset.published_at:
        dataset.closed_at = at  # who read it as open does so no more: stores that handed out credentials must know at once
        registry.tell("datasets.access_changed")
    dataset.save(update_fields=[*before, "closed_at"])
    publishing.newest_write(dataset) if dataset.published_at else search.index_write(dataset)
    last = dataset.terms.first()
    if terms is not None and terms.strip() and (last is None or last.text != terms.strip()):
        publishing.terms_publish(dataset=dataset, text=terms.strip(), by=by, at=at)
    if before:
        audit.event_record(kind="dataset.edited", actor=by, about=dataset.about, at=at, before=before)
    return dataset


def _facts_check(values: dict[str, Any]) -> dict[str, Any]:
    facts = {name: value for name, value in values.items() if name in EDITABLE and value is not None}
    if unknown := sorted(set(values) - set(EDITABLE)):
        raise Malformed(f"{unknown[0]} is no field of a dataset.", field=unknown[0])
    for name in ("title", "summary", "licence", "domain"):
        if not str(facts.get(name, "")).strip():
            raise Malformed(f"{name} must be said.", field=name)
    if facts.get("access_class") not in set(AccessClass):
        raise Malformed(f"access_class is one of {', '.join(AccessClass)}.", field="access_class")
    if "commercial_use" not in facts:
        raise Malformed("Say whether an enterprise may use it to earn money.", field="commercial_use")
    for name in (
        "title",
        "summary",
        "licence",
        "licence_url",
        "domain",
        "publisher",
        "source_url",
        "commercial_note",
        "country",
    ):
        limit: int = getattr(Dataset._meta.get_field(name), "max_length", 0)
        if len(str(facts.get(name, ""))) > limit:
            raise Malformed(f"{name} has more than {limit} characters.", field=name)
    for name in ("licence_url", "source_url"):
        if facts.get(name) and not str(facts[name]).startswith(("http://", "https://")):
            raise Malformed(f"{name} is no web address.", field=name)
    for name in ("keywords", "duo_codes"):
        words = facts.get(name, [])
        if not isinstance(words, list) or len(words) > 40 or not all(isinstance(w, str) and len(w) <= 60 for w in words):
            raise Malformed(f"{name} is a list of at most 40 short words.", field=name)
    return facts


def _check_loosening(dataset: Dataset, facts: dict[str, Any]) -> None:
    """What was reviewed as data about people for few readers is not opened, or shown, to more without a reviewer."""
    order = [AccessClass.OPEN, AccessClass.REGISTERED, AccessClass.CONTROLLED]
    wider = order.index(AccessClass(facts["access_class"])) < order.index(AccessClass(dataset.access_class))
    shown = bool(facts.get("preview_public")) and not dataset.preview_public
    if (wider or shown) and any(
        version.personal_data.get("people") == "yes" for version in dataset.versions.filter(state=V.PUBLISHED)
    ):
        raise Refusal(
            "personal_data",
            "It is about people and was reviewed for fewer readers. Withdraw it, and offer it anew with the wider access.",
            field="access_class" if wider else "preview_public",
        )
