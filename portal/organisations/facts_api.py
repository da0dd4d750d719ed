"""Linked and partner firms, and earlier accounting years, for programs: what the size class is worked out from."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema, Status
from pydantic import Field

from portal.api.root import caller

from . import facts, selectors, years
from .models import AccountingYear, Organisation, RelatedFirm

router = Router(tags=["people"])
EUROS_MAX, PEOPLE_MAX = 10**14, 10**7
Euros = Annotated[int, Field(ge=0, le=EUROS_MAX)]
People = Annotated[int, Field(ge=0, le=PEOPLE_MAX)]
Evidence = Annotated[str, Field(max_length=500)]


class RelatedFirmIn(Schema):
    """A firm that holds a part of the enterprise or is held by it; `through` is the id of the firm in between, if any."""

    name: Annotated[str, Field(min_length=1, max_length=160)]
    direction: Literal["holder", "held"] = "holder"
    share_percent: Annotated[Decimal, Field(gt=0, le=100, max_digits=5, decimal_places=2)]
    dominant: bool = False
    public_body: bool = False
    exempt: bool = False
    through: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    since: date | None = None
    headcount: People
    turnover_eur: Euros
    balance_sheet_eur: Euros | None = None
    evidence: Evidence = ""


class AccountingYearIn(Schema):
    """An accounting year before the newest one."""

    ends_on: date
    headcount: People
    turnover_eur: Euros
    balance_sheet_eur: Euros | None = None
    with_related: bool = True
    evidence: Evidence = ""


@router.get("/organisations/{pk}/related-firms")
def related_firm_list(request: HttpRequest, pk: int) -> dict[str, Any]:
    """The firms named, each with how it counts; forty at most."""
    return {"items": [_firm(firm) for firm in _readable(request, pk).related_firms.all()]}  # type: ignore[attr-defined]


@router.post("/organisations/{pk}/related-firms", response={201: dict[str, Any]})
def related_firm_add(request: HttpRequest, pk: int, body: RelatedFirmIn) -> Status[Any]:
    """Name a firm; the size class follows at once."""
    organisation = _readable(request, pk)
    firm = facts.related_firm_add(organisation=organisation, by=caller(request), at=timezone.now(), **body.dict())
    return Status(201, {**_firm(firm), "size_class": _size_class(pk)})


@router.delete("/organisations/{pk}/related-firms/{firm}", response={204: None})
def related_firm_remove(request: HttpRequest, pk: int, firm: int) -> Status[Any]:
    """Take a firm out; that it was named stays in the history. Twice is once."""
    facts.related_firm_remove(organisation=_readable(request, pk), pk=firm, by=caller(request), at=timezone.now())
    return Status(204, None)


@router.get("/organisations/{pk}/accounting-years")
def accounting_year_list(request: HttpRequest, pk: int) -> dict[str, Any]:
    """The years before the newest one, twelve at most."""
    return {"items": [_year(year) for year in _readable(request, pk).accounting_years.all()]}  # type: ignore[attr-defined]


@router.post("/organisations/{pk}/accounting-years", response={201: dict[str, Any]})
def accounting_year_add(request: HttpRequest, pk: int, body: AccountingYearIn) -> Status[Any]:
    """Enter a year; the size class is that of years that agree."""
    organisation = _readable(request, pk)
    year = years.year_add(organisation=organisation, by=caller(request), at=timezone.now(), **body.dict())
    return Status(201, {**_year(year), "size_class": _size_class(pk)})


@router.delete("/organisations/{pk}/accounting-years/{year}", response={204: None})
def accounting_year_remove(request: HttpRequest, pk: int, year: int) -> Status[Any]:
    """Take a year out that was entered wrongly; that it was entered stays in the history. Twice is once."""
    years.year_remove(organisation=_readable(request, pk), pk=year, by=caller(request), at=timezone.now())
    return Status(204, None)


def _readable(request: HttpRequest, pk: int) -> Organisation:
    return selectors.organisation_get_for_user(user=caller(request), pk=pk)


def _size_class(pk: int) -> str:
    return str(Organisation.objects.get(pk=pk).size.size)


def _firm(firm: RelatedFirm) -> dict[str, Any]:
    return {
        "id": firm.pk,
        "name": firm.name,
        "direction": firm.direction,
        "share_percent": f"{firm.share_percent:f}",
        "dominant": firm.dominant,
        "public_body": firm.public_body,
        "exempt": firm.exempt,
        "through": firm.through_id,
        "since": firm.since,
        "headcount": firm.headcount,
        "turnover_eur": firm.turnover_eur,
        "balance_sheet_eur": firm.balance_sheet_eur,
        "counts_as": firm.related().kind,
    }


def _year(year: AccountingYear) -> dict[str, Any]:
    return {
        "id": year.pk,
        "ends_on": year.ends_on,
        "headcount": year.headcount,
        "turnover_eur": year.turnover_eur,
        "balance_sheet_eur": year.balance_sheet_eur,
        "with_related_firms": {
            "headcount": year.group_headcount,
            "turnover_eur": year.group_turnover_eur,
            "balance_sheet_eur": year.group_balance_sheet_eur,
        },
    }
