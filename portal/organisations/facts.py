"""Writes about an enterprise's facts: their history with evidence, related firms, subsidies, and an officer's look at them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, RestrictedError

from portal.accounts.models import Role, User
from portal.accounts.policies import check_role
from portal.audit import services as audit
from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal

from . import policies
from .models import FactChange, Organisation, OrgRole, RelatedFirm, Subsidy

OWNERS = (OrgRole.OWNER,)
RELATED_MAX = 40
EUR_MAX = 10**15


def changes_write(
    *,
    organisation: Organisation,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    evidence: str,
    by: User | None,
    at: datetime,
) -> list[FactChange]:
    """Keep every fact that became another, inside the caller's transaction."""
    return FactChange.objects.bulk_create(
        FactChange(
            organisation=organisation,
            field=name,
            before=_words(before.get(name)),
            after=_words(value),
            evidence=evidence.strip()[:500],
            by=by,
            at=at,
        )
        for name, value in after.items()
        if before.get(name) != value
    )


@transaction.atomic
def related_firm_add(
    *,
    organisation: Organisation,
    name: str,
    share_percent: Decimal,
    headcount: int,
    turnover_eur: int,
    balance_sheet_eur: int | None = None,
    direction: str = "holder",
    dominant: bool = False,
    public_body: bool = False,
    exempt: bool = False,
    through: int | None = None,
    since: date | None = None,
    evidence: str = "",
    by: User,
    at: datetime,
) -> RelatedFirm:
    """
    Name a linked or partner firm; the size class follows at once.

    :param exempt: a university, an investor or a small town that controls nothing: up to half does not count
    :param through: key of the firm it is related to, where that is not the enterprise itself
    :param since: the day it became so; None for always
    :raises NotAllowed: unless the person owns the enterprise
    :raises Malformed: a share that is no percentage, a firm named twice, one that is not there to be related through
    :raises Refusal: `too_many`, more than forty
    """
    policies.check_org_role(user=by, organisation=organisation, roles=OWNERS, what="name related firms")
    if not name.strip():
        raise Malformed("A firm has a name.", field="name")
    if not 0 < share_percent <= 100:
        raise Malformed("A share lies above 0 and goes to 100 per cent.", field="share_percent")
    if direction not in ("holder", "held"):
        raise Malformed("Say whether it holds a part of you or you hold a part of it.", field="direction")
    for field, value in (("headcount", headcount), ("turnover_eur", turnover_eur), ("balance_sheet_eur", balance_sheet_eur)):
        if value is not None and not 0 <= value < EUR_MAX:
            raise Malformed("Write a number that is not negative.", field=field)
    if exempt and dominant:
        raise Malformed("Whoever controls the other is not exempt.", field="exempt")
    if since is not None and since > at.date():
        raise Malformed("Name a day that has been.", field="since")
    above = RelatedFirm.objects.filter(organisation=organisation, pk=through).first() if through is not None else None
    if through is not None and above is None:
        raise Malformed("Choose one of the firms that are named already.", field="through")
    if organisation.related_firms.count() >= RELATED_MAX:  # type: ignore[attr-defined]
        raise Refusal("too_many", f"{RELATED_MAX} firms are named already. Take one out first, or write to the officer.")
    try:
        with transaction.atomic():
            firm = RelatedFirm.objects.create(
                organisation=organisation,
                name=name.strip()[:160],
                direction=direction,
                share_percent=share_percent,
                dominant=dominant,
                public_body=public_body,
                exempt=exempt,
                through=above,
                since=since,
                headcount=headcount,
                turnover_eur=turnover_eur,
                balance_sheet_eur=balance_sheet_eur,
                added_at=at,
            )
    except IntegrityError:
        raise Malformed(f"{name.strip()} is named already. Take it out first to enter it anew.", field="name") from None
    after = {"related_firm": _firm_words(firm)}
    _note(organisation, {}, after, evidence=evidence, by=by, at=at)
    return firm


@transaction.atomic
def related_firm_remove(*, organisation: Organisation, pk: int, evidence: str = "", by: User, at: datetime) -> None:
    """
    Take a related firm out; that it was named stays in the history.

    :raises Refusal: `firm_in_between` while other firms are related through it
    """
    policies.check_org_role(user=by, organisation=organisation, roles=OWNERS, what="take out related firms")
    firm = RelatedFirm.objects.filter(organisation=organisation, pk=pk).first()
    if firm is None:
        return  # the second press of a double click
    before = {"related_firm": _firm_words(firm)}
    try:
        with transaction.atomic():
            firm.delete()
    except RestrictedError:
        raise Refusal("firm_in_between", f"Other firms are related through {firm.name}. Take those out first.") from None
    _note(organisation, before, {"related_firm": ""}, evidence=evidence, by=by, at=at)


def _firm_words(firm: RelatedFirm) -> str:
    through = f", through {firm.through}" if firm.through else ""
    return f"{firm.name}, {firm.share_percent:f} %, {firm.related().kind}{through}"


@transaction.atomic
def subsidy_add(
    *,
    organisation: Organisation,
    granted_on: date,
    amount_eur: int,
    granted_by: str,
    purpose: str = "",
    evidence: str = "",
    by: User,
    at: datetime,
) -> Subsidy:
    """
    Tell of a subsidy the enterprise received elsewhere.

    :raises Malformed: a day to come, or no amount
    """
    policies.check_org_role(user=by, organisation=organisation, roles=OWNERS, what="tell of subsidies")
    if granted_on > at.date():
        raise Malformed("A subsidy was received on a day that has been.", field="granted_on")
    if not 0 < amount_eur < EUR_MAX:
        raise Malformed("Write the amount in euro, more than 0.", field="amount_eur")
    if not granted_by.strip():
        raise Malformed("Say who granted it.", field="granted_by")
    subsidy = Subsidy.objects.create(
        organisation=organisation,
        granted_on=granted_on,
        amount_eur=amount_eur,
        granted_by=granted_by.strip()[:160],
        purpose=purpose.strip()[:200],
        written_at=at,
    )
    after = {"subsidy": f"€ {amount_eur:,} by {subsidy.granted_by} on {granted_on}"}
    _note(organisation, {}, after, evidence=evidence, by=by, at=at)
    return subsidy


@transaction.atomic
def subsidy_withdraw(*, organisation: Organisation, pk: int, by: User, at: datetime) -> None:
    """
    Take back a subsidy told by mistake; the row stays, marked.

    :raises NotAllowed: for one that an award here wrote
    """
    policies.check_org_role(user=by, organisation=organisation, roles=OWNERS, what="take back subsidies")
    subsidy = Subsidy.objects.filter(organisation=organisation, pk=pk).first()
    if subsidy is None:
        raise NotYours("subsidy")
    if subsidy.about:
        raise NotAllowed("An award of this portal wrote this line; only an officer can right it.")
    if Subsidy.objects.filter(pk=pk, withdrawn_at__isnull=True).update(withdrawn_at=at):
        before = {"subsidy": f"€ {subsidy.amount_eur:,} by {subsidy.granted_by} on {subsidy.granted_on}"}
        _note(organisation, before, {"subsidy": ""}, evidence="told by mistake", by=by, at=at)


def subsidy_from_award(
    *, organisation: Organisation, amount_eur: int, on: date, granted_by: str, purpose: str, about: str, at: datetime
) -> None:
    """Count an award of this portal as a subsidy, once, inside the award's transaction."""
    Subsidy.objects.get_or_create(
        about=about,
        defaults={
            "organisation": organisation,
            "granted_on": on,
            "amount_eur": amount_eur,
            "granted_by": granted_by[:160],
            "purpose": purpose[:200],
            "written_at": at,
        },
    )


def subsidies_of(*, about: str) -> list[Subsidy]:
    """What an award of this portal wrote, later grants to it included, the oldest first."""
    rows = Subsidy.objects.filter(Q(about=about) | Q(about__startswith=f"{about}:"), withdrawn_at__isnull=True)
    return list(rows.select_related("organisation").order_by("pk"))


def subsidy_lower(*, subsidy: Subsidy, amount_eur: int, why: str, at: datetime) -> None:
    """
    Lower what an award of this portal wrote to what it came to, with the change in the history, in the caller's transaction.

    :param amount_eur: what it came to; 0 withdraws it, and the row stays, marked
    :param why: what is known now, for the history: "A-2001 ended with 40 of 300 credits used"
    """
    rows = Subsidy.objects.filter(pk=subsidy.pk, amount_eur__gt=amount_eur, withdrawn_at__isnull=True)
    if not rows.update(**({"amount_eur": amount_eur} if amount_eur else {"withdrawn_at": at})):
        return
    before = f"€ {subsidy.amount_eur:,} by {subsidy.granted_by} on {subsidy.granted_on}"
    after = f"€ {amount_eur:,} by {subsidy.granted_by} on {subsidy.granted_on}" if amount_eur else ""
    _note(subsidy.organisation, {"subsidy": before}, {"subsidy": after}, evidence=why, by=None, at=at)


@transaction.atomic
def fact_verify(*, change: FactChange, note: str, by: User, at: datetime) -> None:
    """
    An officer looked at the proof of a fact. For the registry number this confirms it.

    :raises NotAllowed: not an officer, or one of the enterprise's own people
    :raises Malformed: without saying what was looked at
    :raises Refusal: `fact_outdated` when the fact changed since
    """
    check_role(by, Role.OFFICER)
    organisation = change.organisation
    if policies.org_role(user=by, organisation_id=organisation.pk) is not None:
        raise NotAllowed(f"You belong to {organisation}, so another officer must look at its facts.")
    if not note.strip():
        raise Malformed("Say what you looked at, for example the registry's page and the day.", field="note")
    newest = FactChange.objects.filter(organisation=organisation, field=change.field).order_by("-at", "-pk").first()
    if change.field not in ("related_firm", "subsidy") and newest is not None and newest.pk != change.pk:
        raise Refusal("fact_outdated", "This fact changed since. Load the page again and look at the newest one.")
    rows = FactChange.objects.filter(pk=change.pk, verified_at__isnull=True)
    if not rows.update(verified_at=at, verified_by=by, verified_note=note.strip()[:500]):
        return  # verified already: the first look stands
    if change.field == "registry_id":
        Organisation.objects.filter(pk=organisation.pk, registry_id=change.after).update(registry_confirmed_at=at)
    audit.event_record(
        kind="organisation.fact_verified",
        actor=by,
        about=f"organisation:{organisation.pk}",
        at=at,
        field=change.field,
        value=change.after,
        note=note.strip(),
    )


def _note(
    organisation: Organisation,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    evidence: str,
    by: User | None,
    at: datetime,
) -> None:
    changes_write(organisation=organisation, before=before, after=after, evidence=evidence, by=by, at=at)
    changed = {name: [before.get(name, ""), value] for name, value in after.items()}
    audit.event_record(kind="organisation.changed", actor=by, about=f"organisation:{organisation.pk}", at=at, changed=changed)


def _words(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value)[:200]
