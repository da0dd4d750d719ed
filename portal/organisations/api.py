from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema, Status

from portal.api.paging import PageAsk, page
from portal.api.root import caller
from portal.core.errors import Malformed

from . import selectors, services
from .models import Membership, Organisation, OrgRole

router = Router(tags=["people"])


class OrganisationIn(Schema):
    """The facts of an enterprise."""

    name: str
    country: str
    registry_id: str
    headcount: int
    turnover_eur: int
    balance_sheet_eur: int | None = None
    legal_form: str = ""
    sector: str = ""
    founded_on: date | None = None
    accounts_end_on: date | None = None
    region: str = ""


class OrganisationPatch(Schema):
    """The facts to change."""

    name: str | None = None
    country: str | None = None
    registry_id: str | None = None
    headcount: int | None = None
    turnover_eur: int | None = None
    balance_sheet_eur: int | None = None
    legal_form: str | None = None
    sector: str | None = None
    founded_on: date | None = None
    accounts_end_on: date | None = None
    region: str | None = None
    evidence: str = ""


class InvitationIn(Schema):
    """Whom to invite."""

    email: str
    role: str = "member"


@router.get("/me")
def me(request: HttpRequest) -> dict[str, Any]:
    """Who you are, your enterprises and your roles."""
    user = caller(request)
    memberships = Membership.objects.filter(user=user, left_at__isnull=True).select_related("organisation").order_by("pk")
    return {
        "id": user.pk,
        "email": user.email,
        "name": user.full_name,
        "roles": sorted(user.role_set),
        "time_zone": user.time_zone,
        "organisations": [{"id": m.organisation_id, "name": m.organisation.name, "role": m.role} for m in memberships],
    }


@router.get("/organisations")
def organisation_list(request: HttpRequest, ask: Query[PageAsk]) -> dict[str, Any]:
    """Your enterprises."""
    return page(selectors.organisation_list_for_user(user=caller(request)), ask, _row)


@router.post("/organisations", response={201: dict[str, Any]})
def organisation_create(request: HttpRequest, body: OrganisationIn) -> Status[Any]:
    """Enter an enterprise; you become its owner."""
    organisation = services.organisation_create(by=caller(request), at=timezone.now(), **body.dict())
    return Status(201, _row(organisation))


@router.get("/organisations/{pk}")
def organisation_get(request: HttpRequest, pk: int) -> dict[str, Any]:
    """One enterprise of yours, with its people."""
    organisation = selectors.organisation_get_for_user(user=caller(request), pk=pk)
    people = [
        {"id": m.user_id, "name": str(m.user), "email": m.user.email, "role": m.role}
        for m in selectors.member_list(organisation=organisation)
    ]
    return {**_row(organisation), "people": people}


@router.patch("/organisations/{pk}")
def organisation_patch(request: HttpRequest, pk: int, body: OrganisationPatch) -> dict[str, Any]:
    """Change facts of an enterprise you own."""
    organisation = selectors.organisation_get_for_user(user=caller(request), pk=pk)
    changed = services.organisation_update(
        organisation=organisation, by=caller(request), at=timezone.now(), **body.dict(exclude_unset=True)
    )
    return _row(changed)


@router.post("/organisations/{pk}/invitations", response={201: dict[str, Any]})
def invitation_create(request: HttpRequest, pk: int, body: InvitationIn) -> Status[Any]:
    """Invite somebody; answers the link, which is also mailed to them."""
    organisation = selectors.organisation_get_for_user(user=caller(request), pk=pk)
    if body.role not in OrgRole.values:
        raise Malformed(f"{body.role!r} is no role; choose one of {', '.join(OrgRole.values)}.", field="role")
    if "@" not in body.email.strip("@"):
        raise Malformed(f"{body.email!r} is no e-mail address.", field="email")
    url = services.invitation_create(
        organisation=organisation, email=body.email, role=OrgRole(body.role), by=caller(request), at=timezone.now()
    )
    return Status(201, {"url": url, "email": body.email, "role": body.role})


@router.post("/invitations/{token}/accept", response={201: dict[str, Any]})
def invitation_accept(request: HttpRequest, token: str) -> Status[Any]:
    """Join the enterprise an invitation link names (the last part of the link)."""
    membership = services.invitation_accept(token=token, by=caller(request), at=timezone.now())
    return Status(201, {"organisation": membership.organisation_id, "role": membership.role})


@router.delete("/organisations/{pk}/people/{user_pk}", response={204: None})
def member_remove(request: HttpRequest, pk: int, user_pk: int) -> Status[Any]:
    """Take a person out of the enterprise, everywhere at once."""
    organisation = selectors.organisation_get_for_user(user=caller(request), pk=pk)
    member = selectors.member_list(organisation=organisation).filter(user_id=user_pk).first()
    if member is not None:
        services.member_remove(organisation=organisation, user=member.user, by=caller(request), at=timezone.now())
    return Status(204, None)


def _row(organisation: Organisation) -> dict[str, Any]:
    size = organisation.size
    return {
        "id": organisation.pk,
        "name": organisation.name,
        "country": organisation.country,
        "registry_id": organisation.registry_id,
        "registry_check": organisation.registry_words,
        "headcount": organisation.headcount,
        "turnover_eur": organisation.turnover_eur,
        "balance_sheet_eur": organisation.balance_sheet_eur,
        "legal_form": organisation.legal_form or None,
        "sector": organisation.sector or None,
        "founded_on": organisation.founded_on,
        "accounts_end_on": organisation.accounts_end_on,
        "region": organisation.region or None,
        "size_class": size.size,
        "size_working": size.working,
        "size_reason": size.reason,
    }
