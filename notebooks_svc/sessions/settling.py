"""From a journal to a charge: how many seconds count, what is free, one settlement per hold, and the usage record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import transaction

from allocations.catalogue.carbon import footprint
from allocations.catalogue.rates import Size
from allocations.ledger import services as ledger
from notebooks_svc.wire import LookItem
from portal.core.quantities import charge, credits_text

from .failures import CATALOGUE, ENDS, FREE_STOPS, failure_find
from .models import Session, UsageRecord
from .services import STOP_GRACE_S, note_add, session_move
from .states import OVER, Actor, S

RUNNER_LOST = "runner lost"


@dataclass(frozen=True)
class Counted:
    """The seconds that count, and why when none do."""

    seconds: int
    free_reason: str = ""


def seconds_counted(
    *,
    started: float | None,
    ready_at: float | None,
    ended: float,
    deadline: float | None,
    stop_asked: float | None,
    reason: str,
    stop_reason: str,
) -> Counted:
    """
    min(end, deadline, stop asked + 60 s) − max(start, ready), in whole seconds; all times by the site's clock.

    Free, a closed list: never ready, the runner lost, ended by an operator.
    """
    if ready_at is None:
        return Counted(0, "it was never ready")
    if reason.startswith(RUNNER_LOST):
        return Counted(0, "the site lost it")
    if stop_reason in FREE_STOPS:
        return Counted(0, "an operator ended it")
    until = ended
    if deadline is not None:
        until = min(until, deadline)
    if stop_asked is not None:
        until = min(until, stop_asked + STOP_GRACE_S)
    begin = max(started or ready_at, ready_at)
    # A millisecond's grace: two moments that were rounded on their way may fall just short of the minutes that were bought.
    return Counted(max(0, int(until - begin + 0.001)))


def session_settle(*, session: Session, item: LookItem, source: str, at: datetime) -> bool:
    """
    Charge what was used, return the rest, write the usage record, and end the session. Happens once.

    :return: False when it was settled before
    """
    assert item.ended is not None  # noqa: S101 (the caller looked)
    with transaction.atomic():
        session = _locked(session.pk)
        if session.state in OVER:
            return False
        ready_at = session.ready_at.timestamp() if session.ready_at else item.ready_at
        deadline = session.deadline.timestamp() if session.deadline else _deadline_of(session, ready_at)
        counted = seconds_counted(
            started=item.started,
            ready_at=ready_at,
            ended=item.ended,
            deadline=deadline,
            stop_asked=session.stop_asked_at.timestamp() if session.stop_asked_at else None,
            reason=item.reason,
            stop_reason=session.stop_reason,
        )
        charged = _holds_settle(session, counted, at=at)
        _record_write(session, item, counted, charged, ready_at=ready_at, source=source, at=at)
        _over(session, item, charged, ready_at=ready_at, deadline=deadline, at=at)
    return True


def _locked(pk: str) -> Session:
    """The row as it is now: what the caller read may be older than the stop somebody asked for."""
    rows = Session.objects.select_for_update(of=("self",))
    return rows.select_related("user", "allocation", "resource__site__provider", "profile").get(pk=pk)


def _deadline_of(session: Session, ready_at: float | None) -> float | None:
    return ready_at + 60 * session.minutes if ready_at is not None else None


def _holds_settle(session: Session, counted: Counted, *, at: datetime) -> int:
    """Fill the holds in the order they were bought. Returns the sum charged, in micro-credits."""
    left, total = counted.seconds, 0
    for hold in session.holds.all():
        if not hold.confirmed:
            ledger.void(id=f"{hold.transfer}-void", hold=hold.transfer, at=at, reason="the extension was never taken up")
            continue
        seconds = min(left, hold.minutes * 60)
        left -= seconds
        amount = charge(rate_per_hour=session.rate_per_hour, unit_seconds=seconds)
        words = f"{session.rate_words} × {seconds} s = {credits_text(amount)}"
        ledger.settle(
            id=f"{hold.transfer}-post",
            hold=hold.transfer,
            amount=amount,
            provider=session.resource.site.provider.account,
            at=at,
            reason=_why(session, counted),
            explanation={
                "text": f"session {session.pk[-6:]} on {session.resource.slug}, {session.profile.slug}",
                "who": str(session.user),
                "formula": words,
                "seconds": seconds,
                "rate_per_hour": credits_text(session.rate_per_hour),
                "launch": session.pk,
            },
        )
        total += amount
    return total


def _why(session: Session, counted: Counted) -> str:
    if counted.free_reason:
        return f"not charged: {counted.free_reason}"
    return ENDS.get(session.stop_reason, "it ended") if counted.seconds else "not charged: it ran for less than a second"


def _record_write(
    session: Session, item: LookItem, counted: Counted, charged: int, *, ready_at: float | None, source: str, at: datetime
) -> None:
    start = max(item.started or ready_at, ready_at) if ready_at else None
    usage_record(
        session=session,
        source=source,
        record_id=session.pk,
        kind="session",
        size=session.size,
        start=start,
        end=start + counted.seconds if start else item.ended or 0.0,
        unit_seconds=counted.seconds,
        rate_per_hour=session.rate_per_hour,
        charged=charged,
        at=at,
    )


def usage_record(
    *,
    session: Session,
    source: str,
    record_id: str,
    kind: str,
    size: Size,
    start: float | None,
    end: float,
    unit_seconds: int,
    rate_per_hour: int,
    charged: int,
    at: datetime,
) -> None:
    """
    Keep what was used; the same record twice is kept once.

    :param unit_seconds: seconds times processes
    """
    resource = session.resource
    print_of = footprint(
        country=resource.site.provider.country,
        cores=size.cores,
        gpus=size.gpus,
        watts_per_core=resource.watts_per_core,
        watts_per_gpu=resource.watts_per_gpu,
        pue=resource.pue,
        seconds=unit_seconds,
    )
    UsageRecord.objects.get_or_create(
        source=source,
        record_id=record_id,
        defaults={
            "user": session.user,
            "allocation": session.allocation,
            "resource": resource,
            "launch": session.pk,
            "site": resource.site.slug,
            "engine": resource.site.engine,
            "kind": kind,
            "cores": size.cores,
            "gpus": size.gpus,
            "memory_gib": size.memory_gib,
            "start": _moment(start),
            "end": _moment(end) or at,
            "unit_seconds": unit_seconds,
            "rate_per_hour": rate_per_hour,
            "charge": charged,
            "kwh": print_of.kwh,
            "gco2e": print_of.gco2e,
            "carbon_basis": print_of.basis,
            "carbon_vintage": print_of.vintage,
            "recorded_at": at,
        },
    )


def _over(
    session: Session,
    item: LookItem,
    charged: int,
    *,
    ready_at: float | None,
    deadline: float | None,
    at: datetime,
) -> None:
    failure = _failure_of(session, item, ready_at)
    reason = session.stop_reason or ("deadline" if deadline and (item.ended or 0) >= deadline - 1 else "exited")
    changes: dict[str, object] = {
        "ended_at": _moment(item.ended),
        "settled_at": at,
        "failure": failure,
        "stop_reason": reason,
        "target_state": "ended",
    }
    if session.ready_at is None and ready_at is not None:
        changes |= {"ready_at": _moment(ready_at), "deadline": _moment(deadline)}
    new = S.FAILED if failure else S.ENDED
    if S(session.state) in (S.REQUESTED, S.QUEUED, S.STARTING) and not failure:
        # It was ready and over between two looks: walk it through.
        session_move(session, S.READY, Actor.SITE, ready_at=_moment(ready_at), deadline=_moment(deadline))
    session_move(session, new, Actor.SITE, **changes)
    words = CATALOGUE[failure].cause if failure else ENDS.get(reason, "It ended.")
    note_add(session, f"{words} {credits_text(charged)} credits charged.", at=at)


def _failure_of(session: Session, item: LookItem, ready_at: float | None) -> str:
    if item.reason.startswith(RUNNER_LOST):
        return "runner_lost"
    if ready_at is not None or session.stop_reason in (
        "person",
        "manager",
        "operator",
        "shutdown",
        "allocation_ended",
        "person_left",
    ):
        return ""
    if session.failure_detail:
        return failure_find(session.failure_detail)
    return {"boot_timeout": "boot_timeout", "exited": "boot_failed"}.get(item.reason, "site_error")


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None


def lost_long(session: Session, at: datetime) -> bool:
    """Whether a healthy site has had no record of the session for a day: then it is settled by when it was last seen."""
    return session.sent_at is not None and at - (session.seen_alive_at or session.sent_at) > timedelta(hours=24)
