"""What people are told by mail about access, with reasons either way."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from portal.accounts.models import Role, User
from portal.audit import services as audit

from .access import page_url
from .models import Access, Terms, Version
from .policies import deciders, may_review
from .states import A, AccessClass, V


def to_steward_requested(access: Access, *, at: datetime) -> None:
    """A request came in."""
    what = "asks for more time with" if access.renews_id else "asks for"
    for steward in _stewards(access, at):
        _write(
            access,
            steward,
            kind="dataset.requested",
            subject=f"{access.allocation.organisation} {what} {access.dataset}",
            body=f"{access.allocation.organisation} ({access.allocation.code}) {what} {access.dataset}.\n\n"
            f"Purpose: {access.purpose or 'not said'}\n\nPlease decide by {access.due_on}: {_decide_url(access)}",
            at=at,
        )


def to_steward_reminder(access: Access, *, at: datetime) -> None:
    """A request is due, or late."""
    late = access.due_on is not None and access.due_on < at.date()
    for steward in _stewards(access, at):
        _write(
            access,
            steward,
            kind="dataset.reminder",
            subject=f"{'Late' if late else 'Due'}: {access.allocation.organisation} waits for your answer about "
            f"{access.dataset}",
            body=f"{access.allocation.organisation} was promised an answer by {access.due_on}. It takes a minute: "
            f"{_decide_url(access)}\n\nAway? Name a delegate on the page of requests.",
            at=at,
        )


def to_applicant_ending(access: Access, *, at: datetime) -> None:
    """A grant ends soon."""
    _write(
        access,
        access.asked_by,
        kind="dataset.ending",
        subject=f"Access to {access.dataset} ends on {access.granted_until}",
        body=f"{access.allocation.code} may read {access.dataset} until {access.granted_until}. If you need it longer, "
        f"ask now; "
        f"reading goes on while the steward decides: {page_url(access.dataset.slug)}",
        at=at,
    )


def to_holders_new_terms(terms: Terms, *, at: datetime) -> None:
    """A registered dataset has new terms: what is read stays, what comes is read once they are accepted."""
    held = Access.objects.filter(dataset=terms.dataset, state=A.GRANTED, dataset__access_class=AccessClass.REGISTERED)
    for access in held.exclude(terms=terms).select_related("dataset", "allocation", "asked_by", "decided_by"):
        _write(
            access,
            access.asked_by,
            kind="dataset.terms_changed",
            subject=f"New terms of {access.dataset}",
            body=f"{access.dataset} has new terms (number {terms.number}). {access.allocation.code} goes on reading the "
            f"versions it reads now. Versions published from now on can be read once one of its people has accepted the new "
            f"terms: {page_url(access.dataset.slug)}",
            at=at,
        )


def to_applicant_awaiting_terms(access: Access, *, at: datetime) -> None:
    """The award names it; one click is missing."""
    _write(
        access,
        access.asked_by,
        kind="dataset.awaiting_terms",
        subject=f"One click until you can read {access.dataset}",
        body=f"{access.allocation.code} may read {access.dataset} as soon as one of its people has accepted the terms: "
        f"{page_url(access.dataset.slug)}",
        at=at,
    )


def to_applicant_granted(access: Access, *, at: datetime) -> None:
    """Granted."""
    said = f"\n\nThe steward writes: {access.reason}" if access.reason else ""
    _write(
        access,
        access.asked_by,
        kind="dataset.granted",
        subject=f"{access.allocation.code} may read {access.dataset}",
        body=f"{access.allocation.code} may read {access.dataset} until {access.granted_until}. It is in reach of every "
        f"notebook "
        f"of the allocation at once; running ones need no restart.{said}\n\n{page_url(access.dataset.slug)}",
        at=at,
    )


def to_applicant_ended(access: Access, *, at: datetime) -> None:
    """Refused or revoked, with the reason."""
    word = "refused" if access.state == "rejected" else "ended"
    _write(
        access,
        access.asked_by,
        kind=f"dataset.{access.state}",
        subject=f"Access to {access.dataset} was {word}",
        body=f"The steward {word} the access of {access.allocation.code} to {access.dataset}.\n\nReason: {access.reason}\n\n"
        f"You may ask again with what is missing: {page_url(access.dataset.slug)}",
        at=at,
    )


def to_reviewers_submitted(version: Version, *, at: datetime) -> None:
    """An enterprise hands in a version: tell the data stewards who may review it."""
    dataset = version.dataset
    reviewers = User.objects.filter(roles__role=Role.STEWARD, is_active=True)[:20]
    for reviewer in reviewers:
        if may_review(user=reviewer, dataset=dataset):
            audit.letter_queue(
                kind="dataset.submitted",
                to=reviewer,
                subject=f"To review: {dataset} version {version.name}"[:200],
                body=f"{dataset.publisher} hands in version {version.name} of {dataset}.\n\n"
                f"{settings.PORTAL_URL}/datasets/{dataset.slug}/versions/{version.name}/",
                at=at,
                about=dataset.about,
            )


def to_contributor_reviewed(version: Version, *, note: str, at: datetime) -> None:
    """Published, or returned with what is to be changed."""
    if version.submitted_by is None or not version.submitted_by.is_active:
        return
    published = version.state == V.PUBLISHED
    said = f"\n\nThe reviewer writes: {note}" if note else ""
    url = page_url(version.dataset.slug) if published else f"{page_url(version.dataset.slug)}manage/"
    audit.letter_queue(
        kind="dataset.reviewed",
        to=version.submitted_by,
        subject=f"{version.dataset} version {version.name} {'is published' if published else 'came back to you'}"[:200],
        body=f"Version {version.name} of {version.dataset} {'is published' if published else 'came back: please change it'}."
        f"{said}\n\n{url}",
        at=at,
        about=version.dataset.about,
    )


def _stewards(access: Access, at: datetime) -> list[User]:
    dataset = access.dataset
    people = deciders(dataset)
    if dataset.delegate is not None and (dataset.delegate_until is None or dataset.delegate_until >= at.date()):
        people.append(dataset.delegate)
    return people


def _decide_url(access: Access) -> str:
    return f"{settings.PORTAL_URL}/dataset-requests/{access.pk}/"


def _write(access: Access, to: User | None, *, kind: str, subject: str, body: str, at: datetime) -> None:
    if to is not None and to.is_active:
        audit.letter_queue(kind=kind, to=to, subject=subject[:200], body=body, at=at, about=access.dataset.about)
