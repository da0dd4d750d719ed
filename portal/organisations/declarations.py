"""Declarations: the texts as data, signed once for an enterprise, reused by every application while they are in force."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path

from dateutil.relativedelta import relativedelta
from django.db import IntegrityError, transaction

from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, Refusal

from . import policies
from .models import Declaration, Organisation, OrgRole

TEXTS = Path(__file__).with_name("declaration_texts.json")


@dataclass(frozen=True)
class Text:
    """A declaration as it reads today."""

    kind: str
    version: int
    title: str
    text: str
    months_valid: int


@cache
def texts() -> dict[str, Text]:
    """Every declaration by kind."""
    return {kind: Text(kind=kind, **facts) for kind, facts in json.loads(TEXTS.read_text()).items()}


def in_force(*, organisation: Organisation, today: date) -> dict[str, Declaration]:
    """What is signed in today's wording and has not run out, by kind. One query."""
    rows = Declaration.objects.filter(organisation=organisation, withdrawn_at__isnull=True, expires_on__gte=today)
    known = texts()
    return {
        row.kind: row
        for row in rows.select_related("signed_by")
        if row.kind in known and row.version == known[row.kind].version
    }


@transaction.atomic
def declaration_sign(*, organisation: Organisation, kind: str, version: int, by: User, at: datetime) -> Declaration:
    """
    Sign a declaration for the enterprise. A second press finds it signed.

    :param version: the wording the person had before them
    :raises NotAllowed: unless the person owns the enterprise
    :raises Refusal: `declaration_changed` when the wording changed since the page was loaded
    """
    policies.check_org_role(user=by, organisation=organisation, roles=(OrgRole.OWNER,), what="sign declarations")
    text = texts().get(kind)
    if text is None:
        raise Malformed(f"There is no declaration {kind!r}.", field="kind")
    if version != text.version:
        raise Refusal("declaration_changed", "The wording changed since you opened the page. Read it again, then sign.")
    signed = in_force(organisation=organisation, today=at.date()).get(kind)
    if signed is not None:
        return signed
    rows = Declaration.objects.filter(organisation=organisation, kind=kind, withdrawn_at__isnull=True)
    rows.filter(version=text.version).update(withdrawn_at=at)  # it ran out; the new signature takes its place
    try:
        with transaction.atomic():
            made = Declaration.objects.create(
                organisation=organisation,
                kind=kind,
                version=text.version,
                text=text.text,
                signed_by=by,
                signed_at=at,
                expires_on=at.date() + relativedelta(months=text.months_valid),
            )
    except IntegrityError:
        return Declaration.objects.get(organisation=organisation, kind=kind, version=text.version, withdrawn_at__isnull=True)
    about = f"organisation:{organisation.pk}"
    audit.event_record(kind="organisation.declared", actor=by, about=about, at=at, declaration=kind, version=text.version)
    return made


@transaction.atomic
def declaration_withdraw(*, organisation: Organisation, kind: str, by: User, at: datetime) -> None:
    """Take a signature back; applications sent from now on lack it."""
    policies.check_org_role(user=by, organisation=organisation, roles=(OrgRole.OWNER,), what="take signatures back")
    rows = Declaration.objects.filter(organisation=organisation, kind=kind, withdrawn_at__isnull=True)
    if rows.update(withdrawn_at=at):
        about = f"organisation:{organisation.pk}"
        audit.event_record(kind="organisation.declaration_withdrawn", actor=by, about=about, at=at, declaration=kind)
