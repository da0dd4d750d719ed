"""Writes about calls."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Max
from pydantic import ValidationError

from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, Refusal

from .document import CallDocument
from .models import Call, CallVersion


@transaction.atomic
def call_create(*, slug: str, document: dict[str, Any], by: User | None, at: datetime, published: bool = False) -> Call:
    """
    Make a call with its first version.

    :raises Malformed: the document is no call; the message names the part
    :raises Refusal: `call_exists`
    """
    document_read(document)
    call, made = Call.objects.get_or_create(slug=slug, defaults={"created_at": at})
    if not made:
        raise Refusal("call_exists", f"There is a call {slug} already. Take another short name.")
    version_add(call=call, document=document, reason="first version", by=by, at=at)
    if published:
        call.published = True
        call.save(update_fields=["published"])
    return call


@transaction.atomic
def version_add(*, call: Call, document: dict[str, Any], reason: str, by: User | None, at: datetime) -> CallVersion:
    """
    Put new rules in force for drafts begun from now on; applications keep the version they were written under.

    :raises Malformed: the document is no call, or there is no reason
    """
    rules = document_read(document)
    if not reason.strip():
        raise Malformed("Say why the rules change; the reason is published with the version.", field="reason")
    number = (call.versions.aggregate(last=Max("number"))["last"] or 0) + 1
    version = CallVersion.objects.create(
        call=call, number=number, document=rules.model_dump(mode="json"), reason=reason.strip(), created_at=at, created_by=by
    )
    call.current = version
    call.save(update_fields=["current"])
    audit.event_record(kind="call.version", actor=by, about=f"call:{call.slug}", at=at, number=number, reason=reason)
    return version


def document_read(document: dict[str, Any]) -> CallDocument:
    """
    Validate a call document.

    :raises Malformed: naming the first part that is wrong, for example `amounts.credits_max`
    """
    try:
        return CallDocument.model_validate(document)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        part = ".".join(str(step) for step in first["loc"]) or "document"
        raise Malformed(f"{part}: {first['msg']}", field=part, code="call_malformed") from None


def submission_count(*, call: Call, at: datetime) -> None:
    """
    Count a first submission, exactly up to the cap.

    :raises Refusal: `call_closed` when the call does not take applications now
    """
    state = call.intake(at)
    if not state.open:
        raise Refusal("call_closed", f"{call.rules.title}: {state.words.lower()}. Your draft is kept.")
    rows = Call.objects.filter(pk=call.pk)
    if call.rules.intake.applications_max is not None:
        rows = rows.filter(submitted_count__lt=call.rules.intake.applications_max)
    if not rows.update(submitted_count=F("submitted_count") + 1):
        raise Refusal("call_closed", f"{call.rules.title} has just taken its last application. Your draft is kept.")
