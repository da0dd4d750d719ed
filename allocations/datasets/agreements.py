"""Signed documents: uploaded once by an enterprise, shown with each request that names them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, NotYours, Refusal
from portal.objects import malware
from portal.objects.door import store
from portal.objects.orphans import orphans_delete, orphans_due
from portal.organisations.models import Organisation
from portal.organisations.policies import org_role

from .models import Access, Agreement
from .policies import may_steward

SIZE_MAX, SCAN_S = 10 * 10**6, 20
# First bytes → media type and ending. What a file is called says nothing about what it is.
KINDS = ((b"%PDF-", "application/pdf", "pdf"), (b"\x89PNG\r\n", "image/png", "png"), (b"\xff\xd8\xff", "image/jpeg", "jpg"))
LINK_LIFE = timedelta(minutes=10)
FOLDER = "agreements/"


def agreement_add(*, organisation: Organisation, title: str, body: bytes, by: User, at: datetime) -> Agreement:
    """
    Keep a signed document. The same bytes again are the same document.

    :raises NotYours: unless the person belongs to the enterprise
    :raises Malformed: empty, over 10 MB, or neither PDF, PNG nor JPEG
    """
    if org_role(user=by, organisation_id=organisation.pk) is None:
        raise NotYours("enterprise")
    if not body:
        raise Malformed("The file is empty.", field="agreement")
    if len(body) > SIZE_MAX:
        raise Malformed("The file is larger than 10 MB. Send a smaller scan.", field="agreement")
    media = next(((kind, ending) for start, kind, ending in KINDS if body.startswith(start)), None)
    if media is None:
        raise Malformed("A signed agreement is a PDF, or a PNG or JPEG image of it.", field="agreement")
    try:
        if malware.answers_at_once():
            malware.scan_bytes(body, timeout_s=SCAN_S)
    except malware.Malware as found:
        words = f"The file was stopped by a malware scanner: {found}. Nothing was kept. Make it anew on a clean machine."
        raise Malformed(words, field="agreement", code="malware") from None
    digest = hashlib.sha256(body).hexdigest()
    known = Agreement.objects.filter(organisation=organisation, sha256=digest).first()
    if known is not None:
        return known
    key = f"{FOLDER}{organisation.pk}/{digest}.{media[1]}"
    store().put(key, io.BytesIO(body))
    try:
        with transaction.atomic():
            made = Agreement.objects.create(
                organisation=organisation,
                title=title.strip()[:160] or "Signed agreement",
                key=key,
                media_type=media[0],
                size_bytes=len(body),
                sha256=digest,
                uploaded_by=by,
                uploaded_at=at,
            )
            about = f"organisation:{organisation.pk}"
            audit.event_record(kind="agreement.uploaded", actor=by, about=about, at=at, sha256=digest)
    except IntegrityError:
        return Agreement.objects.get(organisation=organisation, sha256=digest)
    return made


def agreement_link(*, agreement: Agreement, user: User, at: datetime) -> str:
    """
    An address that shows the document for ten minutes.

    :raises Refusal: 404 unless it is the person's enterprise's, or stands with a request on a dataset they decide about
    """
    mine = org_role(user=user, organisation_id=agreement.organisation_id) is not None
    if not mine and not any(may_steward(user=user, dataset=a.dataset) for a in _requests(agreement)):
        raise Refusal("not_found", "There is no such agreement, or it is not yours to see.", status=404)
    return store().link(agreement.key, ticket=f"a.{user.pk}-{agreement.pk}", expires=at + LINK_LIFE)


def agreements_orphaned(*, at: datetime) -> None:
    """Delete signed documents whose row was never written, or is gone with its enterprise."""
    if orphans_due(FOLDER):
        orphans_delete(prefix=FOLDER, known=_named, at=at)


def _named(keys: Sequence[str]) -> set[str]:
    return set(Agreement.objects.filter(key__in=keys).values_list("key", flat=True))


def ticket_check(words: str, *, key: str, at: datetime) -> None:  # noqa: ARG001 (every checker is asked alike)
    """
    Whether the person is still active; what the link shows was checked minutes ago when it was made.

    :raises Refusal: otherwise
    """
    user_pk, _, agreement_pk = words.partition("-")
    if not User.objects.filter(pk=int(user_pk), is_active=True).exists():
        raise Refusal("not_yours", "This link was made for somebody who may not use it any more.", status=403)
    if not Agreement.objects.filter(pk=int(agreement_pk), key=key).exists():
        raise Refusal("no_such_file", "There is no such file (any more).", status=404)


def _requests(agreement: Agreement) -> list[Access]:
    return list(agreement.accesses.select_related("dataset")[:100])
