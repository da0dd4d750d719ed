"""Writes about access: requests, acceptances, decisions, revocations. Publishing is in `publishing.py`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction

from allocations.projects import policies as projects_policy
from allocations.projects.models import Allocation
from portal.accounts.models import Role, User
from portal.audit import services as audit
from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal
from portal.web.registry import registry

from . import letters, policies, reminders
from .access import dataset_published
from .due import STEWARD_WORKING_DAYS, working_days_after
from .models import Access, Agreement, Dataset, Terms, TermsAcceptance
from .states import OPEN_STATES, A, AccessClass, Actor, check_transition

PURPOSE_MAX = 4000


@transaction.atomic
def access_request(
    *,
    dataset: Dataset,
    allocation: Allocation,
    purpose: str,
    by: User,
    at: datetime,
    answers: dict[str, Any] | None = None,
    until: date | None = None,
    terms_number: int | None = None,
    agreement: Agreement | None = None,
) -> Access:
    """
    Ask for a controlled dataset, or for more time with it; the steward is told and answers by a due date.

    A request while a grant holds is a renewal: reading goes on, and a new grant takes the old one's place.

    :param terms_number: which terms the person has accepted with the request, where the dataset has any
    :param agreement: a signed document of the enterprise, where the dataset needs one
    :param until: wished last day; absent or later than the allocation's means the allocation's
    :raises Refusal: `not_controlled`, `already_asked`, `terms_changed`, `agreement_missing`, or the allocation's own refusals
    """
    projects_policy.check_may_spend(user=by, allocation=allocation, at=at)
    _check_agreement(dataset, agreement, allocation)
    if dataset.access_class != AccessClass.CONTROLLED:
        what = "everybody reads it" if dataset.access_class == AccessClass.OPEN else "accept its terms instead"
        raise Refusal("not_controlled", f"{dataset.slug} is {dataset.access_class}: {what}.")
    if not purpose.strip() or len(purpose) > PURPOSE_MAX:
        raise Malformed(f"Say what you want to do with it, in at most {PURPOSE_MAX} characters.", field="purpose")
    _check_until(until, at)
    terms = _terms_as_shown(dataset, terms_number) if terms_number is not None else dataset.terms.first()
    if terms is not None and terms_number is not None:
        _accept(terms, allocation=allocation, by=by, at=at)
    holds = Access.objects.filter(dataset=dataset, allocation=allocation, state=A.GRANTED).first()
    access = _open(
        dataset,
        allocation,
        A.REQUESTED,
        renews=holds,
        agreement=agreement,
        purpose=purpose.strip(),
        answers=answers or {},
        wished_until=until,
        asked_by=by,
        asked_at=at,
        due_on=working_days_after(at.date(), STEWARD_WORKING_DAYS),
        terms=terms,
    )
    letters.to_steward_requested(access, at=at)
    _event("dataset.access_requested", access, by, at)
    return access


@transaction.atomic
def terms_accept(
    *, dataset: Dataset, by: User, at: datetime, allocations: list[Allocation], terms_number: int | None = None
) -> list[Access]:
    """
    Accept a dataset's terms for projects; a registered dataset is then granted to them. Accepting twice is the same as once.

    :param terms_number: the number the person saw; when there is a newer one, nothing is accepted
    :raises Refusal: `terms_changed`, `no_terms`, `no_allocation`, or the allocation's own refusals
    """
    if dataset.access_class == AccessClass.OPEN:
        raise Refusal("no_terms", f"{dataset.slug} is open: everybody reads it, there is nothing to accept.")
    if not allocations:
        raise Refusal(
            "no_allocation", "Terms are accepted for a project, and you have no active allocation. Apply for one first."
        )
    terms = _terms_as_shown(dataset, terms_number)
    granted = []
    for allocation in allocations:
        projects_policy.check_may_spend(user=by, allocation=allocation, at=at)
        _accept(terms, allocation=allocation, by=by, at=at)
        if dataset.access_class == AccessClass.REGISTERED:
            granted.append(_grant_registered(dataset, allocation, terms, by=by, at=at))
    return granted


@transaction.atomic
def access_decide(*, access: Access, outcome: str, reason: str, by: User, at: datetime, until: date | None = None) -> Access:
    """
    Grant or refuse a request. The person who asked is told, with the reason.

    :param outcome: `grant` or `reject`; a refusal needs a reason
    :param until: last day; absent means what was wished, never after the allocation's end
    :raises NotAllowed: unless the person is the dataset's steward, and, to grant it, from another enterprise than asks
    :raises Refusal: `move_not_allowed` once it was decided or withdrawn
    """
    policies.check_may_steward(user=by, dataset=access.dataset)
    if outcome == "grant":
        policies.check_may_grant(user=by, access=access)
    if outcome not in ("grant", "reject"):
        raise Malformed(f"{outcome!r} is no outcome; choose grant or reject.", field="outcome")
    if outcome == "reject" and not reason.strip():
        raise Malformed("Write why: the people who asked will read it.", field="reason")
    _check_until(until, at)
    if outcome == "reject":
        _move(access, A.REJECTED, Actor.STEWARD, decided_by=by, decided_at=at, reason=reason.strip(), ended_at=at)
        letters.to_applicant_ended(access, at=at)
    else:
        last = min(filter(None, (until or access.wished_until, access.allocation.ends_on)))
        for before in Access.objects.filter(dataset=access.dataset, allocation=access.allocation, state=A.GRANTED):
            _move(before, A.RENEWED, Actor.STEWARD, ended_at=at)
        _move(access, A.GRANTED, Actor.STEWARD, decided_by=by, decided_at=at, reason=reason.strip(), granted_until=last)
        letters.to_applicant_granted(access, at=at)
    _event(f"dataset.access_{access.state}", access, by, at, reason=reason)
    return access


def accesses_decide(
    *, accesses: list[Access], outcome: str, reason: str, by: User, at: datetime, until: date | None = None
) -> list[tuple[Access, str]]:
    """Decide many requests alike. Each stands alone: one that cannot be decided any more says why and holds up no other."""
    done = []
    for access in accesses:
        try:
            access_decide(access=access, outcome=outcome, reason=reason, by=by, at=at, until=until)
        except Refusal as refusal:
            done.append((access, refusal.message))
        else:
            done.append((access, ""))
    return done


@transaction.atomic
def delegate_set(*, dataset: Dataset, delegate: User | None, until: date | None, by: User, at: datetime) -> Dataset:
    """
    Let another steward decide too, until a day; None takes it back.

    :raises NotAllowed: unless the person is the steward
    :raises Malformed: when the other is no steward
    """
    if not policies.is_steward(user=by, dataset=dataset):
        raise NotAllowed(f"Only its steward, {dataset.steward}, names a delegate for {dataset.slug}.")
    if delegate is not None and Role.STEWARD not in delegate.role_set:
        raise Malformed(f"{delegate.email} is no data steward here.", field="delegate")
    _check_until(until, at)
    dataset.delegate, dataset.delegate_until = delegate, until if delegate else None
    dataset.save(update_fields=["delegate", "delegate_until"])
    audit.event_record(
        kind="dataset.delegated",
        actor=by,
        about=dataset.about,
        at=at,
        delegate=delegate.email if delegate else "",
        until=str(until or ""),
    )
    return dataset


@transaction.atomic
def access_revoke(*, access: Access, reason: str, by: User, at: datetime) -> Access:
    """
    End a grant. The next read of a running notebook is denied; other datasets and people are not touched.

    :raises NotAllowed: unless the person is the dataset's steward
    :raises Refusal: `move_not_allowed` when it is not granted
    """
    policies.check_may_steward(user=by, dataset=access.dataset)
    if not reason.strip():
        raise Malformed("Write why: the people who lose access will read it.", field="reason")
    _move(access, A.REVOKED, Actor.STEWARD, decided_by=by, decided_at=at, reason=reason.strip(), ended_at=at)
    letters.to_applicant_ended(access, at=at)
    _event("dataset.access_revoked", access, by, at, reason=reason)
    return access


@transaction.atomic
def access_withdraw(*, access: Access, by: User, at: datetime) -> Access:
    """
    Take a request back, or give an access up.

    :raises NotYours: unless the person may use the allocation
    """
    if not projects_policy.may_use(user=by, allocation=access.allocation):
        raise NotYours("request")
    _move(access, A.WITHDRAWN, Actor.APPLICANT, ended_at=at)
    _event("dataset.access_withdrawn", access, by, at)
    return access


@transaction.atomic
def requests_from_award(*, allocation: Allocation, slugs: list[str], by: User | None, purpose: str, at: datetime) -> None:
    """
    Turn the datasets named in an application into requests for the new allocation.

    Open: granted at once. Registered: granted once the terms are accepted. Controlled: the steward decides.
    A slug that is unknown or withdrawn by now is left out: an award never fails for it.
    """
    found = Dataset.objects.filter(slug__in=slugs, published_at__isnull=False, withdrawn_at__isnull=True)
    for dataset in found.select_related("steward"):
        if Access.objects.filter(dataset=dataset, allocation=allocation, state__in=OPEN_STATES).exists():
            continue
        common: dict[str, Any] = {"purpose": purpose[:PURPOSE_MAX], "asked_by": by, "asked_at": at}
        if dataset.access_class == AccessClass.OPEN:
            access = _open(dataset, allocation, A.GRANTED, granted_until=allocation.ends_on, decided_at=at, **common)
        elif dataset.access_class == AccessClass.REGISTERED:
            access = _open(dataset, allocation, A.AWAITING_TERMS, terms=dataset.terms.first(), **common)
            letters.to_applicant_awaiting_terms(access, at=at)
        else:
            due = working_days_after(at.date(), STEWARD_WORKING_DAYS)
            access = _open(dataset, allocation, A.REQUESTED, due_on=due, terms=dataset.terms.first(), **common)
            letters.to_steward_requested(access, at=at)
        _event(f"dataset.access_{access.state}", access, by, at, source="award")


def accesses_by_date(*, at: datetime) -> None:
    """
    End grants whose last day has passed (reads are refused from that day on in any case; this keeps the lists true),
    and remind.

    A steward is reminded the working day before a request is due and every three days once it is late; a project two
    weeks before
    its grant ends.
    """
    reminders.requests_remind(at=at)
    reminders.grants_remind(at=at)
    for access in Access.objects.filter(state=A.GRANTED, granted_until__lt=at.date()).select_related("dataset", "allocation"):
        with transaction.atomic():
            _move(access, A.EXPIRED, Actor.CLOCK, ended_at=at)
            _event("dataset.access_expired", access, None, at)


def _grant_registered(dataset: Dataset, allocation: Allocation, terms: Terms, *, by: User, at: datetime) -> Access:
    open_rows = Access.objects.filter(dataset=dataset, allocation=allocation, state__in=OPEN_STATES).select_related("dataset")
    access = open_rows.first()
    if access is None:
        access = _open(dataset, allocation, A.AWAITING_TERMS, asked_by=by, asked_at=at, terms=terms)
    if access.state == A.AWAITING_TERMS:
        _move(access, A.GRANTED, Actor.APPLICANT, terms=terms, decided_at=at, granted_until=allocation.ends_on)
        _event("dataset.access_granted", access, by, at, terms=terms.number)
    elif access.terms_id != terms.pk:
        Access.objects.filter(pk=access.pk).update(terms=terms)
    return access


def _accept(terms: Terms, *, allocation: Allocation, by: User, at: datetime) -> None:
    _, made = TermsAcceptance.objects.get_or_create(
        terms=terms, allocation=allocation, defaults={"accepted_by": by, "accepted_at": at}
    )
    if made:
        audit.event_record(
            kind="dataset.terms_accepted",
            actor=by,
            about=terms.dataset.about,
            at=at,
            allocation=allocation.code,
            terms=terms.number,
        )


def _terms_as_shown(dataset: Dataset, number: int | None) -> Terms:
    terms = dataset.terms.first()
    if terms is None:
        raise Refusal("no_terms", f"{dataset.slug} has no terms to accept.")
    if number is not None and number != terms.number:
        raise Refusal(
            "terms_changed",
            f"The terms of {dataset.slug} have changed since you opened the page. Nothing was accepted. Read version "
            f"{terms.number} and accept it.",
            terms=terms.number,
        )
    return terms


def _open(dataset: Dataset, allocation: Allocation, state: A, **values: Any) -> Access:
    dataset_published(slug=dataset.slug)
    try:
        with transaction.atomic():
            return Access.objects.create(dataset=dataset, allocation=allocation, state=state, **values)
    except IntegrityError:
        raise Refusal(
            "already_asked", f"{allocation.code} has asked for {dataset.slug} already; its page shows whose turn it is."
        ) from None


def _move(access: Access, new: A, actor: Actor, **values: Any) -> None:
    """Compare-and-set, so that two who move at once cannot both succeed."""
    old = A(access.state)
    check_transition(old=old, new=new, actor=actor)
    if not Access.objects.filter(pk=access.pk, state=old).update(state=new, **values):
        raise Refusal("changed_meanwhile", "Somebody else changed this just now. Look at it again.")
    access.state = new
    for name, value in values.items():
        setattr(access, name, value)


def _check_agreement(dataset: Dataset, agreement: Agreement | None, allocation: Allocation) -> None:
    if agreement is None and dataset.needs_agreement:
        raise Refusal(
            "agreement_missing", f"{dataset.slug} needs a signed agreement with the request. Upload it, or choose one of yours."
        )
    if agreement is not None and agreement.organisation_id != allocation.organisation_id:
        raise NotYours("agreement")


def _check_until(until: date | None, at: datetime) -> None:
    if until is not None and until < at.date():
        raise Malformed(f"{until} has passed; choose a later last day.", field="until")


def _event(kind: str, access: Access, by: User | None, at: datetime, **facts: Any) -> None:
    audit.event_record(
        kind=kind, actor=by, about=access.dataset.about, at=at, allocation=access.allocation.code, access=access.pk, **facts
    )
    registry.tell("datasets.access_changed")  # stores that handed out credentials must know at once
