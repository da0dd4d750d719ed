"""
What a project keeps: opening its bucket, measuring, quota, and the charge of each day.

Between two measurements the smaller figure counts, for at most two hours: nobody pays for what was not there, or for hours in
which nothing was measured.
"""

from __future__ import annotations

import logging
from datetime import datetime, time, timedelta
from decimal import Decimal

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.db import transaction
from django.db.models import F

from allocations.catalogue.models import Profile, Site
from allocations.catalogue.selectors import profile_list
from allocations.ledger import selectors as ledger_read
from allocations.ledger import services as ledger
from allocations.ledger.refusals import LedgerRefusal
from allocations.ledger.states import RefusalCode
from allocations.projects import policies as projects_policy
from allocations.projects.models import Allocation
from allocations.projects.states import STORAGE, S
from notebooks_svc.sessions.doors.agent import AgentRefused, AgentUnreachable, agent_door
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, Refusal
from portal.core.quantities import charge, credits_text
from portal.objects import admin
from portal.objects.door import vendor

from . import letters
from .models import Keeping, KeptDay

log = logging.getLogger(__name__)
EVERY, LEASE, COUNTED_S_MAX = timedelta(hours=1), timedelta(minutes=10), 2 * 3600
AGAIN = timedelta(seconds=30)  # who has tidied up is measured anew, not more often than this
BATCH = 50
GIB = 2**30
STORE_ERRORS = (ClientError, BotoCoreError, httpx.HTTPError)
LIVE = (S.SCHEDULED, S.ACTIVE, S.SUSPENDED)


def keeping_open(*, allocation: Allocation, at: datetime) -> Keeping:
    """The row of a project, at today's quota, free part and rate when it is new."""
    made, _ = Keeping.objects.get_or_create(
        allocation=allocation,
        defaults={
            "quota_bytes": settings.STORAGE_QUOTA_BYTES,
            "free_bytes": settings.STORAGE_FREE_BYTES,
            "gib_hour": settings.STORAGE_GIB_HOUR,
            "due_at": at,
        },
    )
    return made


def bucket_ready(*, allocation: Allocation, at: datetime) -> Keeping:
    """
    The project's bucket is there, and the store keeps its quota where it can.

    :raises ClientError, BotoCoreError, httpx.HTTPError: when the store does not answer
    """
    keeping = keeping_open(allocation=allocation, at=at)
    hands_out = vendor()
    if hands_out is None or (keeping.has_bucket and keeping.quota_kept_bytes in (keeping.quota_bytes, -1)):
        return keeping
    bucket = hands_out.connection.team_bucket(allocation.code)
    hands_out.connection.bucket_prepare(bucket)
    admin.bucket_lifecycle_set(hands_out.connection, bucket)
    kept = admin.bucket_quota_set(hands_out.connection, bucket, keeping.quota_bytes)
    keeping.has_bucket, keeping.quota_kept_bytes = True, keeping.quota_bytes if kept else -1
    keeping.save(update_fields=["has_bucket", "quota_kept_bytes"])
    return keeping


@transaction.atomic
def quota_set(*, allocation: Allocation, gib: int, by: User, at: datetime) -> Keeping:
    """
    Give a project another quota. The store hears of it at once or with the next credential.

    :raises NotAllowed: unless an officer who does not belong to the enterprise
    :raises Malformed: no quota at all, or more than the largest there is
    """
    projects_policy.check_officiates(user=by, allocation=allocation, what="change the quota of its files")
    if not 1 <= gib <= 1_000_000:
        raise Malformed("A quota is 1 to 1000000 GiB.", field="gib")
    keeping = keeping_open(allocation=allocation, at=at)
    before = keeping.quota_bytes
    Keeping.objects.filter(pk=keeping.pk).update(quota_bytes=gib * GIB, due_at=at)
    keeping.refresh_from_db()
    about = f"allocation:{allocation.code}"
    audit.event_record(kind="storage.quota_set", actor=by, about=about, at=at, gib=gib, before=before // GIB)
    return keeping


# --- measuring ------------------------------------------------------------------------------------------------------------


def keepings_due(*, at: datetime) -> None:
    """Begin what is new, measure what is due, charge the days that are over."""
    for allocation in Allocation.objects.filter(keeping__isnull=True).order_by("pk")[:BATCH]:
        keeping_open(allocation=allocation, at=at)
    rows = Keeping.objects.filter(due_at__lte=at, deleted_at__isnull=True).order_by("due_at")
    due = list(rows.select_related("allocation__organisation")[:BATCH])
    folders = _folders_of(due)
    for keeping in due:
        if Keeping.objects.filter(pk=keeping.pk, due_at=keeping.due_at).update(due_at=at + LEASE):
            measure(keeping, folders=folders, at=at)
    days = KeptDay.objects.filter(settled_at__isnull=True, day__lt=at.date()).order_by("day", "pk")
    for day in days.select_related("keeping__allocation")[: 4 * BATCH]:
        try:
            day_settle(day, at=at)
        except LedgerRefusal:
            log.exception("%s: the files of %s could not be charged", day.keeping.allocation.code, day.day)


def measure(keeping: Keeping, *, folders: dict[str, tuple[int, int]] | None, at: datetime) -> None:
    """
    Ask the store, count the time since the last figure, and see whether the quota is passed.

    :param folders: code in small letters → bytes and files at the site; None when no site tells
    """
    before, since = keeping.bytes, keeping.measured_at
    before_charged = keeping.charged_bytes
    try:
        if keeping.allocation.state in LIVE:
            bucket_ready(allocation=keeping.allocation, at=at)
            keeping.refresh_from_db(fields=["has_bucket", "quota_kept_bytes"])
        hands_out = vendor()
        if hands_out is not None and keeping.has_bucket:
            found = admin.bucket_kept(hands_out.connection, hands_out.connection.team_bucket(keeping.allocation.code))
            keeping.bucket_bytes, keeping.bucket_objects = found.bytes, found.objects
    except STORE_ERRORS:
        log.exception("%s: the store did not say how much it keeps", keeping.allocation.code)
        return  # asked again when the lease is over
    if folders is not None:
        keeping.folder_bytes, keeping.folder_files = folders.get(keeping.allocation.code.lower(), (0, 0))
    keeping.measured_at, keeping.due_at = at, at + EVERY
    with transaction.atomic():
        _quota_look(keeping, at=at)
        keeping.save(
            update_fields=[
                "bucket_bytes",
                "bucket_objects",
                "folder_bytes",
                "folder_files",
                "measured_at",
                "due_at",
                "over_since",
            ]
        )
        if since is not None and keeping.allocation.state in LIVE:
            seconds = max(0, min(COUNTED_S_MAX, int((at - since).total_seconds())))
            _count(
                keeping,
                at=at,
                seconds=seconds,
                kept=min(before, keeping.bytes),
                paid=min(before_charged, keeping.charged_bytes),
            )


def _count(keeping: Keeping, *, at: datetime, seconds: int, kept: int, paid: int) -> None:
    """Add time to the day it lies in; what reaches back over midnight goes to the day before."""
    today = min(seconds, int((at - datetime.combine(at.date(), time.min, at.tzinfo)).total_seconds()))
    for day, part in ((at.date(), today), (at.date() - timedelta(days=1), seconds - today)):
        if part:
            row, _ = KeptDay.objects.get_or_create(keeping=keeping, day=day)
            KeptDay.objects.filter(pk=row.pk, settled_at__isnull=True, seconds__lte=86_400 - part).update(
                seconds=F("seconds") + part,
                byte_seconds=F("byte_seconds") + Decimal(kept) * part,
                charged_byte_seconds=F("charged_byte_seconds") + Decimal(paid) * part,
            )


def _quota_look(keeping: Keeping, *, at: datetime) -> None:
    if keeping.bytes <= keeping.quota_bytes:
        keeping.over_since = None
    elif keeping.over_since is None:
        keeping.over_since = at
        letters.quota_passed(keeping, at=at)


def _folders_of(due: list[Keeping]) -> dict[str, tuple[int, int]] | None:
    """What the sites say of teams' folders, all of them at once; None when one does not answer, or none may look."""
    if not due:
        return None
    found: dict[str, tuple[int, int]] = {}
    tells = False
    for url in Site.objects.filter(enabled=True).order_by("pk").values_list("agent_url", flat=True).distinct():
        try:
            here = agent_door(url).folders_use()
        except (AgentUnreachable, AgentRefused) as silence:
            log.warning("%s did not say what teams keep there: %s", url, silence)
            return None
        for code, (size, files) in (here or {}).items():
            before = found.get(code, (0, 0))
            found[code] = (before[0] + size, before[1] + files)
        tells = tells or here is not None
    return found if tells else None


def is_over(keeping: Keeping, *, at: datetime) -> bool:
    """Whether the project may add nothing to its bucket now. Measured anew when it was so: somebody may have tidied up."""
    if keeping.over_since is None:
        return False
    try:
        hands_out = vendor()
        if hands_out is not None and keeping.has_bucket:
            found = admin.bucket_kept(hands_out.connection, hands_out.connection.team_bucket(keeping.allocation.code))
            Keeping.objects.filter(pk=keeping.pk).update(due_at=at)
            return found.bytes + (keeping.folder_bytes or 0) > keeping.quota_bytes
    except STORE_ERRORS:
        log.exception("%s: the store did not say how much it keeps", keeping.allocation.code)
    return True


def check_room(*, allocation: Allocation, profile: Profile, at: datetime) -> None:
    """
    Let a launch pass while the project is within its quota; beyond it only the smallest size, which is enough to tidy up.

    A site's disk takes what it is given, so this is where growth stops. Who has tidied up is measured anew within a minute.

    :raises Refusal: `quota_passed`
    """
    kept = Keeping.objects.filter(allocation=allocation, over_since__isnull=False).first()
    if kept is None:
        return
    smallest = min(profile_list(), key=lambda size: (size.gpus, size.cores, size.memory_gib, size.order))
    if profile.pk == smallest.pk:
        return
    Keeping.objects.filter(pk=kept.pk, due_at__gt=at, measured_at__lt=at - AGAIN).update(due_at=at)
    raise Refusal(
        "quota_passed",
        f"{allocation.code} keeps {gib_text(kept.bytes)}, more than its quota of {gib_text(kept.quota_bytes)}. Until something "
        f"is removed, only the size “{smallest}” is launched or extended: delete there what you do not need, and try this one "
        "a minute later. Or ask for a larger quota.",
        profile=smallest.slug,
    )


# --- charging -------------------------------------------------------------------------------------------------------------


def day_settle(day: KeptDay, *, at: datetime) -> None:
    """Charge a day that is over: once, as one line of the statement. What no credits are left for is written down, not owed."""
    keeping = day.keeping
    gib_seconds = int(day.charged_byte_seconds // GIB)
    due = charge(rate_per_hour=keeping.gib_hour, unit_seconds=gib_seconds)
    with transaction.atomic():
        if not KeptDay.objects.filter(pk=day.pk, settled_at__isnull=True).update(settled_at=at):
            return
        paid = _pay(day, due, gib_seconds=gib_seconds, at=at) if due else 0
        KeptDay.objects.filter(pk=day.pk).update(charge=paid, uncharged=due - paid)


def _pay(day: KeptDay, due: int, *, gib_seconds: int, at: datetime) -> int:
    allocation = day.keeping.allocation
    provider = _provider(allocation)
    amount = min(due, ledger_read.balance(code=allocation.account).available)
    if provider is None or amount == 0 or allocation.state != S.ACTIVE:
        return 0
    id = f"storage-{allocation.code.lower()}-{day.day}"
    told = explanation(day, gib_seconds=gib_seconds, amount=due)
    reason = "" if amount == due else f"{credits_text(due)} were due; no more credits were left. The rest is not owed."
    try:
        with transaction.atomic():
            ledger.lines_cover(allocation=allocation.account, caps={STORAGE: None})
            ledger.hold(
                id=id,
                allocation=allocation.account,
                amount=amount,
                resource=STORAGE,
                subject=f"storage:{allocation.code}",
                at=at,
                expires_at=None,
                explanation=told,
            )
            ledger.post(id=f"{id}-post", hold=id, amount=amount, provider=provider, at=at, explanation=told, reason=reason)
    except LedgerRefusal as refusal:
        if refusal.code not in (RefusalCode.EXCEEDS_AVAILABLE, RefusalCode.ALLOCATION_NOT_ACTIVE):
            raise
        log.info("%s: files of %s were not charged: %s", allocation.code, day.day, refusal)
        return 0
    return amount


def explanation(day: KeptDay, *, gib_seconds: int, amount: int) -> dict[str, object]:
    """The words of a day's line: bytes × hours × rate."""
    keeping = day.keeping
    mean = gib_text(int(day.byte_seconds / max(1, day.seconds)))
    hours = f"{day.seconds / 3600:.2f}".rstrip("0").rstrip(".")
    return {
        "text": f"Files kept on {day.day:%-d %B %Y}: {mean} on average for {hours} h, {gib_text(keeping.free_bytes)} free",
        "who": "the whole team",
        "formula": f"{gib_seconds / 3600:.3f} GiB-hours above the free part × {credits_text(keeping.gib_hour)} = "
        f"{credits_text(amount)}",
        "seconds": day.seconds,
        "rate_per_hour": credits_text(keeping.gib_hour),
        "byte_seconds": str(day.byte_seconds),
        "charged_byte_seconds": str(day.charged_byte_seconds),
    }


def gib_text(size: int) -> str:
    """Bytes as GiB that people read: 1.5 GiB."""
    text = f"{size / GIB:.2f}".rstrip("0").rstrip(".")
    return f"{text} GiB" if size == 0 or size >= GIB // 100 else "less than 0.01 GiB"


def _provider(allocation: Allocation) -> str | None:
    """Who keeps the files and earns the charge: the provider of the first machine the award covers."""
    row = allocation.resources.select_related("resource__site__provider").order_by("pk").first()
    return row.resource.site.provider.account if row else None
