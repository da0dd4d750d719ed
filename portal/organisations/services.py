"""Writes about enterprises and their people."""

from __future__ import annotations

import hashlib
import secrets
from datetime import date, datetime, timedelta
from typing import Any

import pycountry
from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import IntegrityError, transaction

from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal
from portal.core.words import text_fitting

from . import policies
from .facts import changes_write
from .models import SECTORS, Invitation, JoinRequest, LegalForm, Membership, Organisation, OrgRole
from .regions import region_read
from .registry_number import WrongNumber, registry_number_check
from .years import year_keep

INVITATION_DAYS = 14
FACTS = (
    "name",
    "country",
    "registry_id",
    "headcount",
    "turnover_eur",
    "balance_sheet_eur",
    "accounts_end_on",
    "legal_form",
    "region",
    "sector",
    "founded_on",
)


def organisation_create(
    *,
    by: User,
    name: str,
    country: str,
    registry_id: str,
    headcount: int,
    turnover_eur: int,
    balance_sheet_eur: int | None,
    at: datetime,
    legal_form: str = "",
    sector: str = "",
    founded_on: date | None = None,
    accounts_end_on: date | None = None,
    region: str = "",
    evidence: str = "",
) -> Organisation:
    """
    Enter an enterprise; its maker becomes its owner.

    :raises Malformed: unknown country, or a registry number whose check digit is wrong
    :raises Refusal: `organisation_exists` when the firm is registered here already; the person may ask to join
    """
    facts = _facts_check(
        name=name,
        country=country,
        registry_id=registry_id,
        headcount=headcount,
        turnover_eur=turnover_eur,
        balance_sheet_eur=balance_sheet_eur,
        legal_form=legal_form,
        sector=sector,
        founded_on=founded_on,
        accounts_end_on=accounts_end_on,
        region=region,
        today=at.date(),
    )
    try:
        with transaction.atomic():
            organisation = Organisation.objects.create(**facts, created_at=at, created_by=by)
            Membership.objects.create(organisation=organisation, user=by, role=OrgRole.OWNER, joined_at=at)
            known = {name: value for name, value in facts.items() if name in FACTS and value not in (None, "")}
            changes_write(organisation=organisation, before={}, after=known, evidence=evidence, by=by, at=at)
            audit.event_record(kind="organisation.created", actor=by, about=f"organisation:{organisation.pk}", at=at)
    except IntegrityError:
        existing = Organisation.objects.get(country=facts["country"], registry_id=facts["registry_id"])
        raise Refusal(
            "organisation_exists",
            "An enterprise with this registry number is registered here already. Ask to join it; its owner will be told.",
            organisation=existing.pk,
        ) from None
    return organisation


@transaction.atomic
def organisation_update(
    *, organisation: Organisation, by: User, at: datetime, evidence: str = "", **changes: Any
) -> Organisation:
    """
    Change an enterprise's facts; who changed what, and what proves it, is kept. Figures of a newer accounting year leave those
    of the year before among the earlier years.

    :raises NotAllowed: unless the person owns it
    :raises Malformed: a fact that is none; one that every enterprise has and that is taken out
    """
    policies.check_org_role(user=by, organisation=organisation, roles=(OrgRole.OWNER,), what="change its facts")
    before = {name: getattr(organisation, name) for name in FACTS}
    for name in ("name", "country", "registry_id", "headcount", "turnover_eur"):
        if changes.get(name, ...) is None:
            raise Malformed("Every enterprise has this: it can be changed, and not taken out.", field=name)
    said = {
        name: "" if value is None and name in ("legal_form", "sector", "region") else value for name, value in changes.items()
    }
    facts = _facts_check(**{**before, **said}, today=at.date())
    if (
        Organisation.objects.filter(country=facts["country"], registry_id=facts["registry_id"])
        .exclude(pk=organisation.pk)
        .exists()
    ):
        raise Refusal("organisation_exists", "Another enterprise here has this registry number.")
    _year_turn(organisation, before, facts["accounts_end_on"], at=at)
    for name, value in facts.items():
        setattr(organisation, name, value)
    if before["registry_id"] != facts["registry_id"] or before["country"] != facts["country"]:
        organisation.registry_confirmed_at = None  # what a person confirmed was another number
    organisation.save()
    after = {name: facts[name] for name in FACTS}
    changes_write(organisation=organisation, before=before, after=after, evidence=evidence, by=by, at=at)
    changed = {name: [str(before[name]), str(facts[name])] for name in FACTS if before[name] != facts[name]}
    audit.event_record(kind="organisation.changed", actor=by, about=f"organisation:{organisation.pk}", at=at, changed=changed)
    return organisation


def _year_turn(organisation: Organisation, before: dict[str, Any], newest: date | None, *, at: datetime) -> None:
    """When accounts of a newer year take the place of others, keep those."""
    ended = before["accounts_end_on"]
    if ended is None or newest is None or newest <= ended or organisation.accounting_years.filter(ends_on=ended).exists():  # type: ignore[attr-defined]
        return
    year_keep(
        organisation=organisation,
        ends_on=ended,
        headcount=before["headcount"],
        turnover_eur=before["turnover_eur"],
        balance_sheet_eur=before["balance_sheet_eur"],
        at=at,
    )


def _facts_check(
    *,
    name: str,
    country: str,
    registry_id: str,
    headcount: int,
    turnover_eur: int,
    balance_sheet_eur: int | None,
    legal_form: str,
    sector: str,
    founded_on: date | None,
    accounts_end_on: date | None,
    region: str,
    today: date,
) -> dict[str, Any]:
    country = country.strip().upper()
    if pycountry.countries.get(alpha_2=country) is None:
        raise Malformed(f"{country!r} is no country; write its two letters, for example KE or DE.", field="country")
    if not name.strip():
        raise Malformed("An enterprise has a name.", field="name")
    text_fitting(name, most=160, field="name")
    text_fitting(registry_id, most=40, field="registry_id")
    if not registry_id.strip():
        raise Malformed("Write the number your enterprise is registered under.", field="registry_id")
    for field, value in (("headcount", headcount), ("turnover_eur", turnover_eur), ("balance_sheet_eur", balance_sheet_eur)):
        if value is not None and not 0 <= value < 10**15:
            raise Malformed("Write a number that is not negative.", field=field)
    if legal_form and legal_form not in LegalForm.values:
        raise Malformed(f"{legal_form!r} is no legal form; choose one of {', '.join(LegalForm.values)}.", field="legal_form")
    if sector and sector not in dict(SECTORS):
        raise Malformed(f"{sector!r} is no sector; write a letter from A to T.", field="sector")
    if founded_on is not None and founded_on > today:
        raise Malformed("An enterprise was founded on a day that has been.", field="founded_on")
    if accounts_end_on is not None and accounts_end_on > today:
        raise Malformed("Write the last day of an accounting year that is over.", field="accounts_end_on")
    try:
        finding = registry_number_check(country=country, number=registry_id)
    except WrongNumber as wrong:
        raise Malformed(str(wrong), field="registry_id") from wrong
    return {
        "name": name.strip(),
        "country": country,
        "registry_id": finding.number,
        "registry_scheme": finding.scheme,
        "headcount": headcount,
        "turnover_eur": turnover_eur,
        "balance_sheet_eur": balance_sheet_eur,
        "legal_form": legal_form,
        "sector": sector,
        "founded_on": founded_on,
        "accounts_end_on": accounts_end_on,
        "region": region_read(country, region),
    }


@transaction.atomic
def invitation_create(*, organisation: Organisation, email: str, role: OrgRole, by: User, at: datetime) -> str:
    """
    Invite somebody by link; the link is also sent to them. Returns the address of the page with the button.

    :raises NotAllowed: unless the person is an owner or manager; only an owner makes owners
    """
    policies.check_org_role(user=by, organisation=organisation, roles=policies.MAY_INVITE, what="invite people")
    if role == OrgRole.OWNER and policies.org_role(user=by, organisation_id=organisation.pk) != OrgRole.OWNER:
        raise NotAllowed("Only an owner may invite another owner.")
    token = secrets.token_urlsafe(24)
    Invitation.objects.create(
        organisation=organisation,
        email=email.strip().lower(),
        role=role,
        token_hash=_hash(token),
        invited_by=by,
        created_at=at,
        expires_at=at + timedelta(days=INVITATION_DAYS),
    )
    url = f"{settings.PORTAL_URL}/join/{token}/"
    audit.event_record(kind="organisation.invited", actor=by, about=f"organisation:{organisation.pk}", at=at, email=email)
    audit.letter_queue(
        kind="organisation.invitation",
        to=email.strip().lower(),
        at=at,
        about=f"organisation:{organisation.pk}",
        subject=f"{by} invites you to {organisation.name} on Compute Commons",
        body=f"{by} invites you to work with {organisation.name} on Compute Commons as {role.label.lower()}.\n\n"
        f"Open this page and press the button: {url}\n\nThe link works for {INVITATION_DAYS} days.\n",
    )
    return url


def invitation_find(*, token: str, at: datetime) -> Invitation:
    """
    The open invitation behind a link.

    :raises Refusal: `invitation_over` when it was used or is too old
    """
    invitation = Invitation.objects.select_related("organisation", "invited_by").filter(token_hash=_hash(token)).first()
    if invitation is None:
        raise NotYours("invitation")
    if invitation.accepted_at or invitation.expires_at <= at:
        raise Refusal("invitation_over", "This invitation was used or is too old. Ask for a new one.", status=410)
    return invitation


@transaction.atomic
def invitation_accept(*, token: str, by: User, at: datetime) -> Membership:
    """
    Join the enterprise an invitation names.

    :raises NotAllowed: when the invitation went to an address that is not the person's
    """
    invitation = invitation_find(token=token, at=at)
    addresses = {by.email} | set(EmailAddress.objects.filter(user=by, verified=True).values_list("email", flat=True))
    if invitation.email not in {address.lower() for address in addresses}:
        raise NotAllowed(
            f"This invitation went to {_masked(invitation.email)}; you are signed in as {by.email}. "
            "Sign in with that address, or ask for an invitation to yours."
        )
    taken = Invitation.objects.filter(pk=invitation.pk, accepted_at__isnull=True).update(accepted_at=at, accepted_by=by)
    if not taken:
        raise Refusal("invitation_over", "This invitation was used already.", status=410)
    membership, _ = Membership.objects.get_or_create(
        organisation=invitation.organisation, user=by, left_at=None, defaults={"role": invitation.role, "joined_at": at}
    )
    about = f"organisation:{invitation.organisation_id}"
    audit.event_record(kind="organisation.joined", actor=by, about=about, at=at, role=membership.role)
    return membership


@transaction.atomic
def member_remove(*, organisation: Organisation, user: User, by: User, at: datetime) -> None:
    """
    Take a person out of the enterprise: everywhere at once, because every right is read from the membership.

    :raises Refusal: `last_owner` for the last owner
    """
    if by.pk != user.pk:
        policies.check_org_role(user=by, organisation=organisation, roles=(OrgRole.OWNER,), what="remove people")
    rows = organisation.memberships.select_for_update().filter(left_at__isnull=True)
    owners = list(rows.filter(role=OrgRole.OWNER).values_list("user_id", flat=True))
    if owners == [user.pk]:
        raise Refusal("last_owner", "The last owner cannot leave. Make somebody else an owner first.")
    if rows.filter(user=user).update(left_at=at):
        audit.event_record(kind="organisation.left", actor=by, about=f"organisation:{organisation.pk}", at=at, person=user.pk)


@transaction.atomic
def join_request_create(*, organisation_id: int, by: User, at: datetime) -> None:
    """Ask to join an enterprise; its owners are told, the asker learns nothing about it."""
    organisation = Organisation.objects.filter(pk=organisation_id).first()
    if organisation is None:
        raise NotYours("enterprise")
    _, made = JoinRequest.objects.get_or_create(organisation=organisation, user=by, answered_at=None, defaults={"asked_at": at})
    if not made:
        return
    for owner in organisation.memberships.filter(role=OrgRole.OWNER, left_at__isnull=True).select_related("user"):
        audit.letter_queue(
            kind="organisation.join_request",
            to=owner.user,
            at=at,
            about=f"organisation:{organisation.pk}",
            subject=f"{by} asks to join {organisation.name}",
            body=f"{by} ({by.email}) named your enterprise's registry number and asks to join {organisation.name}.\n\n"
            f"If you know them, invite them here: {settings.PORTAL_URL}/enterprise/{organisation.pk}/\n",
        )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _masked(email: str) -> str:
    name, _, domain = email.partition("@")
    return f"{name[:1]}…@{domain}"
