"""Asking for data by program: terms, requests, agreements, decisions, delegates."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import File, Form, Query, Router, Schema, Status
from ninja.files import UploadedFile

from allocations.projects import selectors as projects_read
from portal.accounts.models import User
from portal.api.paging import PageAsk, page
from portal.api.root import caller
from portal.core.errors import Malformed, NotYours
from portal.organisations.selectors import organisation_get_for_user, organisation_list_for_user

from . import agreements, selectors, services
from .access import dataset_published
from .models import Access, Agreement

router = Router(tags=["datasets"])


class RequestIn(Schema):
    """What to ask for."""

    allocation: str
    purpose: str
    answers: dict[str, Any] = {}
    until: date | None = None
    terms: int | None = None
    agreement: int | None = None


class BulkIn(Schema):
    """The same decision for many requests."""

    ids: list[int]
    outcome: str
    reason: str = ""
    until: date | None = None


class DelegateIn(Schema):
    """Who decides too, until when; an empty e-mail takes it back."""

    email: str = ""
    until: date | None = None


class AcceptIn(Schema):
    """For which allocation; absent means all your active ones. `terms` is the number you read."""

    allocation: str | None = None
    terms: int | None = None


class DecisionIn(Schema):
    """`outcome` is grant or reject; a refusal needs a reason."""

    outcome: str
    reason: str = ""
    until: date | None = None


class ReasonIn(Schema):
    """Why."""

    reason: str


@router.post("/datasets/{slug}/accept-terms", response={201: dict[str, Any]})
def accept_terms(request: HttpRequest, slug: str, body: AcceptIn | None = None) -> Status[Any]:
    """Accept the terms once per version of them; a registered dataset is then granted."""
    user, said = caller(request), body or AcceptIn()
    dataset = dataset_published(slug=slug)
    allocations = selectors.usable_allocations(user=user)
    if said.allocation is not None:
        allocations = [projects_read.allocation_get_for_user(user=user, code=said.allocation)]
    granted = services.terms_accept(
        dataset=dataset, by=user, at=timezone.now(), allocations=allocations, terms_number=said.terms
    )
    terms = dataset.terms.first()
    rows = [access_row(access) for access in granted]
    return Status(201, {"dataset": slug, "terms": terms.number if terms else None, "accesses": rows})


@router.post("/datasets/{slug}/requests", response={201: dict[str, Any]})
def request_create(request: HttpRequest, slug: str, body: RequestIn) -> Status[Any]:
    """Ask for a controlled dataset. The row says by when the steward answers."""
    user = caller(request)
    access = services.access_request(
        dataset=dataset_published(slug=slug),
        allocation=projects_read.allocation_get_for_user(user=user, code=body.allocation),
        purpose=body.purpose,
        answers=body.answers,
        until=body.until,
        terms_number=body.terms,
        agreement=_agreement(user, body.agreement),
        by=user,
        at=timezone.now(),
    )
    return Status(201, access_row(access))


@router.get("/agreements")
def agreement_list(request: HttpRequest, ask: Query[PageAsk]) -> dict[str, Any]:
    """Signed documents of your enterprises, to name in requests."""
    mine = [o.pk for o in organisation_list_for_user(user=caller(request))]
    return page(selectors.agreement_list(organisations=mine), ask, _agreement_row)


@router.post("/agreements", response={201: dict[str, Any]})
def agreement_create(
    request: HttpRequest, organisation: Form[int], file: File[UploadedFile], title: Form[str] = ""
) -> Status[Any]:
    """Upload a signed document (PDF, PNG or JPEG, at most 10 MB) as multipart/form-data. The same bytes again are the
    same row."""
    user = caller(request)
    made = agreements.agreement_add(
        organisation=organisation_get_for_user(user=user, pk=organisation),
        title=title or file.name or "",
        body=file.read(agreements.SIZE_MAX + 1),
        by=user,
        at=timezone.now(),
    )
    return Status(201, _agreement_row(made))


@router.post("/datasets/{slug}/delegate")
def delegate_set(request: HttpRequest, slug: str, body: DelegateIn) -> dict[str, Any]:
    """Let another data steward decide too, as the dataset's steward."""
    other = User.objects.filter(email__iexact=body.email[:254]).first() if body.email else None
    if body.email and other is None:
        raise Malformed(f"{body.email} is no data steward here.", field="email")
    dataset = services.delegate_set(
        dataset=dataset_published(slug=slug), delegate=other, until=body.until, by=caller(request), at=timezone.now()
    )
    return {"dataset": slug, "delegate": body.email or None, "until": dataset.delegate_until}


class AccessAsk(PageAsk):
    """Which requests."""

    state: str = ""
    dataset: str = ""
    allocation: str = ""


@router.get("/dataset-requests")
def request_list(request: HttpRequest, ask: Query[AccessAsk]) -> dict[str, Any]:
    """Requests and grants of your allocations and of the datasets you steward, newest first."""
    rows = selectors.access_list_for_user(user=caller(request))
    if ask.state:
        rows = rows.filter(state=ask.state)
    if ask.dataset:
        rows = rows.filter(dataset__slug=ask.dataset)
    if ask.allocation:
        rows = rows.filter(allocation__code__iexact=ask.allocation)
    return page(rows, ask, access_row)


@router.post("/dataset-requests/decide")  # before those with a number, which would take it for one
def requests_decide(request: HttpRequest, body: BulkIn) -> dict[str, Any]:
    """Decide many requests alike. Each stands alone; `error` says why one could not be decided."""
    rows = list(selectors.access_list_for_user(user=caller(request)).filter(pk__in=body.ids[:200]))
    done = services.accesses_decide(
        accesses=rows, outcome=body.outcome, reason=body.reason, until=body.until, by=caller(request), at=timezone.now()
    )
    return {"items": [{**access_row(access), "error": error or None} for access, error in done], "next": None}


@router.get("/dataset-requests/{pk}")
def request_get(request: HttpRequest, pk: int) -> dict[str, Any]:
    """One request or grant."""
    return access_row(selectors.access_get_for_user(user=caller(request), pk=pk))


@router.post("/dataset-requests/{pk}/decide")
def request_decide(request: HttpRequest, pk: int, body: DecisionIn) -> dict[str, Any]:
    """Grant or refuse, as the dataset's steward."""
    access = selectors.access_get_for_user(user=caller(request), pk=pk)
    outcome = {"approve": "grant", "granted": "grant", "refuse": "reject", "rejected": "reject"}.get(body.outcome, body.outcome)
    done = services.access_decide(
        access=access, outcome=outcome, reason=body.reason, until=body.until, by=caller(request), at=timezone.now()
    )
    return access_row(done)


@router.post("/dataset-requests/{pk}/revoke")
def request_revoke(request: HttpRequest, pk: int, body: ReasonIn) -> dict[str, Any]:
    """End a grant, as the dataset's steward; running notebooks are denied at their next read."""
    access = selectors.access_get_for_user(user=caller(request), pk=pk)
    return access_row(services.access_revoke(access=access, reason=body.reason, by=caller(request), at=timezone.now()))


@router.post("/dataset-requests/{pk}/withdraw")
def request_withdraw(request: HttpRequest, pk: int) -> dict[str, Any]:
    """Take a request back, or give an access up."""
    access = selectors.access_get_for_user(user=caller(request), pk=pk)
    return access_row(services.access_withdraw(access=access, by=caller(request), at=timezone.now()))


def _agreement(user: User, pk: int | None) -> Agreement | None:
    if pk is None:
        return None
    mine = [o.pk for o in organisation_list_for_user(user=user)]
    found = selectors.agreement_list(organisations=mine).filter(pk=pk).first()
    if found is None:
        raise NotYours("agreement")
    return found


def _agreement_row(agreement: Agreement) -> dict[str, Any]:
    return {
        "id": agreement.pk,
        "organisation": agreement.organisation_id,
        "title": agreement.title,
        "sha256": agreement.sha256,
        "size_bytes": agreement.size_bytes,
        "uploaded_at": agreement.uploaded_at,
    }


def access_row(access: Access) -> dict[str, Any]:
    """A request or grant as programs see it."""
    return {
        "id": access.pk,
        "dataset": access.dataset.slug,
        "allocation": access.allocation.code,
        "organisation": access.allocation.organisation_id,
        "state": access.state,
        "purpose": access.purpose,
        "answers": access.answers,
        "asked_by": access.asked_by.email if access.asked_by else None,
        "asked_at": access.asked_at,
        "due_on": access.due_on,
        "wished_until": access.wished_until,
        "until": access.granted_until,
        "decided_by": str(access.decided_by) if access.decided_by else None,
        "decided_at": access.decided_at,
        "reason": access.reason,
        "renews": access.renews_id,
        "agreement": access.agreement_id,
    }
