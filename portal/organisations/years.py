"""Writes about accounting years before the newest one: entered by an owner, or kept when newer accounts take their place."""

from __future__ import annotations

from datetime import date, datetime

from django.db import IntegrityError, transaction

from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, Refusal

from . import policies
from .facts import EUR_MAX, OWNERS, changes_write
from .models import AccountingYear, Organisation, related_of
from .size_class import size_class

YEARS_MAX = 12


@transaction.atomic
def year_add(
    *,
    organisation: Organisation,
    ends_on: date,
    headcount: int,
    turnover_eur: int,
    balance_sheet_eur: int | None = None,
    with_related: bool = True,
    evidence: str = "",
    by: User,
    at: datetime,
) -> AccountingYear:
    """
    Enter an accounting year before the newest one.

    :param with_related: the firms named now belonged to it then, too; their figures are added as for today
    :raises NotAllowed: unless the person owns the enterprise
    :raises Malformed: a year that is not before the newest one, or entered already
    """
    policies.check_org_role(user=by, organisation=organisation, roles=OWNERS, what="enter accounts")
    if organisation.accounts_end_on is None:
        raise Malformed(
            "Say first, under “Change facts”, on which day the accounting year of today's figures ended.", field="ends_on"
        )
    if ends_on >= organisation.accounts_end_on:
        raise Malformed(f"An earlier year ended before {organisation.accounts_end_on}.", field="ends_on")
    for field, value in (("headcount", headcount), ("turnover_eur", turnover_eur), ("balance_sheet_eur", balance_sheet_eur)):
        if value is not None and not 0 <= value < EUR_MAX:
            raise Malformed("Write a number that is not negative.", field=field)
    if organisation.accounting_years.count() >= YEARS_MAX:  # type: ignore[attr-defined]
        raise Refusal("too_many", f"{YEARS_MAX} years are kept already; the last three decide.")
    try:
        with transaction.atomic():
            year = year_keep(
                organisation=organisation,
                ends_on=ends_on,
                headcount=headcount,
                turnover_eur=turnover_eur,
                balance_sheet_eur=balance_sheet_eur,
                with_related=with_related,
                at=at,
            )
    except IntegrityError:
        raise Malformed(
            f"The year to {ends_on} is entered already. Take it out first to enter it anew.", field="ends_on"
        ) from None
    _note(organisation, "", _words(year), evidence=evidence, by=by, at=at)
    return year


def year_keep(
    *,
    organisation: Organisation,
    ends_on: date,
    headcount: int,
    turnover_eur: int,
    balance_sheet_eur: int | None,
    with_related: bool = True,
    at: datetime,
) -> AccountingYear:
    """Keep what a year came to, inside the caller's transaction."""
    related = related_of(organisation) if with_related else []
    people, turnover, balance = size_class(
        headcount=headcount, turnover_eur=turnover_eur, balance_sheet_eur=balance_sheet_eur, related=related
    ).sums
    return AccountingYear.objects.create(
        organisation=organisation,
        ends_on=ends_on,
        headcount=headcount,
        turnover_eur=turnover_eur,
        balance_sheet_eur=balance_sheet_eur,
        group_headcount=people,
        group_turnover_eur=turnover,
        group_balance_sheet_eur=balance,
        written_at=at,
    )


@transaction.atomic
def year_remove(*, organisation: Organisation, pk: int, by: User, at: datetime) -> None:
    """Take a year out that was entered wrongly; that it was entered stays in the history."""
    policies.check_org_role(user=by, organisation=organisation, roles=OWNERS, what="take out accounts")
    year = AccountingYear.objects.filter(organisation=organisation, pk=pk).first()
    if year is None:
        return  # the second press of a double click
    before = _words(year)
    year.delete()
    _note(organisation, before, "", evidence="", by=by, at=at)


def _words(year: AccountingYear) -> str:
    return f"to {year.ends_on}: {year.headcount} people, € {year.turnover_eur:,}"


def _note(organisation: Organisation, before: str, after: str, *, evidence: str, by: User, at: datetime) -> None:
    old, new = {"accounting_year": before}, {"accounting_year": after}
    changes_write(organisation=organisation, before=old, after=new, evidence=evidence, by=by, at=at)
    about = f"organisation:{organisation.pk}"
    audit.event_record(kind="organisation.changed", actor=by, about=about, at=at, changed={"accounting_year": [before, after]})
