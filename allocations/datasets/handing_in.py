"""The way of a version from its first file to the catalogue: begun, handed in, returned or published, withdrawn."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, Refusal

from . import letters, policies, publishing
from .models import Dataset, Version
from .offering import EDITABLE
from .states import AccessClass, Hand, U, V, check_version_transition
from .uploading import UNDER_WAY

# Asked of every version. `people` decides whether the others matter.
PERSONAL_QUESTIONS = [
    ("people", "Is it about people, or could somebody be recognised in it?"),
    ("special", "Does it tell of health, origin, belief, opinion, sexuality, or offences?"),
    ("lawful", "May you pass it on (consent, law or contract)?"),
]


@transaction.atomic
def version_begin(*, dataset: Dataset, name: str, notes: str, by: User, at: datetime) -> Version:
    """
    Begin a version to upload files into.

    :raises Malformed: a bad or taken name
    """
    policies.check_may_edit(user=by, dataset=dataset)
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.-]{0,19}", name):
        raise Malformed(
            "A version is named like 1, 2.1 or 2026-03: letters, digits, dots and dashes, at most 20.", field="version"
        )
    if dataset.versions.filter(name=name).exists():
        raise Malformed(
            f"There is a version {name} already; a published one never changes. Take the next name.", field="version"
        )
    return publishing.version_create(dataset=dataset, name=name, notes=notes, by=by, at=at)


@transaction.atomic
def version_submit(*, version: Version, personal: dict[str, Any], by: User, at: datetime) -> Version:
    """
    Hand a version to a reviewer. Nothing in it changes until it comes back.

    :param personal: answers of `PERSONAL_QUESTIONS`, each "yes" or "no", and `note`
    :raises Refusal: `version_empty`, `uploads_open`, `personal_data`
    """
    policies.check_may_edit(user=by, dataset=version.dataset)
    if not version.files.exists():
        raise Refusal("version_empty", "Upload at least one file first.")
    if version.uploads.filter(UNDER_WAY | Q(state=U.RECEIVING)).exists():
        raise Refusal("uploads_open", "Some files are still arriving or being checked. Wait for them, or give them up.")
    answers = _personal_check(personal, version.dataset)
    _move(version, V.IN_REVIEW, Hand.CONTRIBUTOR, personal_data=answers, submitted_at=at, submitted_by=by)
    letters.to_reviewers_submitted(version, at=at)
    _event("dataset.version_submitted", version, by, at)
    return version


@transaction.atomic
def version_review(*, version: Version, outcome: str, note: str, by: User, at: datetime, seen: str = "") -> Version:
    """
    Publish a version, or return it with what is to be changed. The contributor is told.

    :param outcome: `publish` or `return`; returning needs a note
    :param seen: what the reviewer looked at (`version_mark`); when it is not that any more, nothing is published
    :raises NotAllowed: unless a data steward from elsewhere
    :raises Refusal: `changed_meanwhile`; `personal_data` when the answers do not fit who may read it by now
    """
    policies.check_may_review(user=by, dataset=version.dataset)
    if outcome not in ("publish", "return"):
        raise Malformed(f"{outcome!r} is no outcome; choose publish or return.", field="outcome")
    if outcome == "return" and not note.strip():
        raise Malformed("Write what is to be changed.", field="note")
    if outcome == "return":
        _move(version, V.DRAFT, Hand.REVIEWER, review_note=note.strip(), reviewed_by=by)
        _event("dataset.version_returned", version, by, at, note=note)
    else:
        # Nobody changes what it says while it is compared with what was looked at.
        version.dataset = Dataset.objects.select_for_update().get(pk=version.dataset_id)
        if seen and seen != version_mark(version):
            raise Refusal(
                "changed_meanwhile",
                "It has changed since you opened the page: what it says, its terms, or its files. Nothing was published. Look "
                "at it again; here it is as it stands now.",
            )
        _personal_check(version.personal_data, version.dataset)
        publishing.version_publish(version=version, by=by, at=at, hand=Hand.REVIEWER)
        Version.objects.filter(pk=version.pk).update(review_note=note.strip())
        version.refresh_from_db()
    letters.to_contributor_reviewed(version, note=note.strip(), at=at)
    return version


def version_mark(version: Version) -> str:
    """A mark of all a reviewer looks at: what the dataset says, its terms, answers, files. When one changes, it does."""
    dataset = version.dataset
    said = [getattr(dataset, name) for name in EDITABLE]
    files = list(version.files.order_by("path").values_list("path", "sha256"))
    terms = dataset.terms.first()
    facts = [said, terms.number if terms else 0, version.personal_data, version.notes, files]
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()


@transaction.atomic
def version_take_back(*, version: Version, by: User, at: datetime) -> Version:
    """Take a submitted version back to change it."""
    policies.check_may_edit(user=by, dataset=version.dataset)
    _move(version, V.DRAFT, Hand.CONTRIBUTOR)
    _event("dataset.version_taken_back", version, by, at)
    return version


def withdraw(*, dataset: Dataset, version: Version | None, reason: str, by: User, at: datetime) -> None:
    """Withdraw a version, or the dataset: its keepers may, and reviewers."""
    keeper = policies.may_edit(user=by, dataset=dataset)
    if not keeper:
        policies.check_may_review(user=by, dataset=dataset)
    if version is None:
        publishing.dataset_withdraw(dataset=dataset, reason=reason, by=by, at=at)
    else:
        hand = Hand.CONTRIBUTOR if keeper else Hand.REVIEWER
        publishing.version_withdraw(version=version, reason=reason, by=by, at=at, hand=hand)


def _personal_check(personal: dict[str, Any], dataset: Dataset) -> dict[str, str]:
    answers = {name: str(personal.get(name, "")) for name, _ in PERSONAL_QUESTIONS}
    answers["note"] = str(personal.get("note", ""))[:2000]
    if answers["people"] not in ("yes", "no"):
        raise Malformed("Say whether it is about people.", field="people")
    if answers["people"] == "no":
        return answers
    if answers["special"] not in ("yes", "no"):
        raise Malformed("Say whether it tells of health, origin, belief, opinion, sexuality, or offences.", field="special")
    if answers["lawful"] != "yes":
        raise Refusal("personal_data", "Data about people can be offered only where you may pass it on. Nothing was submitted.")
    if answers["special"] == "yes" and dataset.access_class != AccessClass.CONTROLLED:
        raise Refusal(
            "personal_data",
            "Data of that kind is offered as controlled, so that a person decides who reads it. Change its access.",
        )
    return answers


def _move(version: Version, new: V, hand: Hand, **values: Any) -> None:
    """Compare-and-set, so that two who move at once cannot both succeed."""
    old = V(version.state)
    check_version_transition(old=old, new=new, hand=hand)
    if not Version.objects.filter(pk=version.pk, state=old).update(state=new, **values):
        raise Refusal("changed_meanwhile", "Somebody else changed this version just now. Look at it again.")
    version.state = new
    for name, value in values.items():
        setattr(version, name, value)


def _event(kind: str, version: Version, by: User | None, at: datetime, **facts: Any) -> None:
    audit.event_record(kind=kind, actor=by, about=version.dataset.about, at=at, version=version.name, **facts)
