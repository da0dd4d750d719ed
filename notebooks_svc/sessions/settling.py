"""From a journal to a charge: one settlement per hold, the usage record, the end of the session; and what is righted later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction

from allocations.ledger import services as ledger
from allocations.usage.selectors import recorded
from allocations.usage.services import Used, usage_write
from allocations.usage.sources import Source
from notebooks_svc.metering.counting import Counted, Evidence, begin_of, seconds_counted, site_fault
from notebooks_svc.metering.paying import Bill, Bought, holds_correct, holds_settle
from notebooks_svc.wire import LookItem
from portal.audit import services as audit
from portal.core.quantities import credits_text

from .failures import CATALOGUE, ENDS, failure_find
from .models import Session
from .services import note_add, session_move
from .states import OVER, Actor, S

CORRECTED_FOR = timedelta(days=14)  # so long after the end accounting may still put a charge right


def session_settle(*, session: Session, item: LookItem, source: Source, at: datetime) -> bool:
    """
    Charge what was used, return the rest, write the usage record, and end the session. Happens once.

    :return: False when it was settled before
    """
    assert item.ended is not None  # noqa: S101 (the caller looked)
    with transaction.atomic():
        session = _locked(session.pk)
        if session.state in OVER:
            return False
        evidence, counted = _count(session, item)
        _unconfirmed_void(session, at=at)
        charged = holds_settle(
            _bought(session), seconds=counted.seconds, bill=bill_of(session), reason=_why(session, counted), at=at
        )
        used = _used(session, evidence, counted, source=source, record_id=session.pk, at=at)
        usage_write(used, charged=charged, at=at, reason=counted.free_reason)
        deadline = session.deadline.timestamp() if session.deadline else _deadline_of(session, evidence.ready_at)
        _over(session, item, charged, source=source, ready_at=evidence.ready_at, deadline=deadline, at=at)
    return True


def session_correct(*, session: Session, item: LookItem, at: datetime) -> int:
    """
    Put a settled session right by a record that came late or was corrected: adjusting transfers and a record of differences.

    Happens once per differing record; a weaker source than the one that was believed changes nothing.

    :return: the difference charged, in micro-credits; below zero when refunded
    """
    assert item.ended is not None  # noqa: S101 (the caller looked)
    source = Source(item.source)
    with transaction.atomic():
        session = _locked(session.pk)
        before = recorded(launch=session.pk, kind="session")
        if session.state not in OVER or before is None or not is_news_of(item, session.evidence):
            return 0
        Session.objects.filter(pk=session.pk).update(evidence=evidence_key(item, source), ended_at=_moment(item.ended))
        evidence, counted = _count(session, item)
        more, beyond = counted.seconds - before.unit_seconds, counted.overrun - before.overrun_seconds
        if more == 0 and beyond == 0:
            return 0
        number = before.corrections + 1
        reason = f"corrected by the {SOURCE_WORDS[source]}: {counted.seconds} s instead of {before.unit_seconds} s"
        bill = bill_of(session)
        difference = holds_correct(_bought(session), seconds=counted.seconds, bill=bill, reason=reason, number=number, at=at)
        used = _used(
            session,
            evidence,
            Counted(more, beyond),
            source=source,
            record_id=f"{session.pk}:correction-{number}",
            at=at,
        )
        usage_write(used, charged=difference, at=at, corrects=before.latest, reason=reason)
        note_add(
            session, f"Corrected: {credits_text(difference)} credits {'charged' if difference > 0 else 'refunded'}.", at=at
        )
        audit.event_record(
            kind="session.corrected", actor=None, about=session.subject, at=at, reason=reason, difference=difference
        )
    return difference


SOURCE_WORDS = {
    Source.SCHEDULER: "scheduler's accounting",
    Source.JOURNAL: "site's journal",
    Source.GATEWAY: "gateway",
    Source.HUB: "hub",
    Source.LAST_SEEN: "site's last look",
}


def _count(session: Session, item: LookItem) -> tuple[Evidence, Counted]:
    assert item.ended is not None  # noqa: S101 (the caller looked)
    # The hub's first "ready" stands; a record that lacks it borrows it.
    ready_at = session.ready_at.timestamp() if session.ready_at else item.ready_at
    evidence = Evidence(item.started, ready_at, item.ended, item.reason)
    deadline = session.deadline.timestamp() if session.deadline else _deadline_of(session, ready_at)
    stop = session.stop_asked_at.timestamp() if session.stop_asked_at else None
    return evidence, seconds_counted(evidence, deadline=deadline, stop_asked=stop, stop_reason=session.stop_reason)


def _unconfirmed_void(session: Session, *, at: datetime) -> None:
    for hold in session.holds.filter(confirmed=False):
        ledger.void(id=f"{hold.transfer}-void", hold=hold.transfer, at=at, reason="the extension was never taken up")


def _bought(session: Session) -> list[Bought]:
    """Holds in the order they were bought."""
    return [Bought(hold.transfer, hold.minutes * 60) for hold in session.holds.filter(confirmed=True)]


def bill_of(session: Session) -> Bill:
    """What the statement says of a session."""
    return Bill(
        text=f"session {session.pk[-6:]} on {session.resource.slug}, {session.profile.slug}",
        who=str(session.user),
        rate_words=session.rate_words,
        rate_per_hour=session.rate_per_hour,
        provider=session.resource.site.provider.account,
        facts={"launch": session.pk},
    )


def _locked(pk: str) -> Session:
    """The row as it is now: what the caller read may be older than the stop somebody asked for."""
    rows = Session.objects.select_for_update(of=("self",))
    return rows.select_related("user", "allocation", "resource__site__provider", "profile").get(pk=pk)


def _deadline_of(session: Session, ready_at: float | None) -> float | None:
    return ready_at + 60 * session.minutes if ready_at is not None else None


def _why(session: Session, counted: Counted) -> str:
    if counted.free_reason:
        return f"not charged: {counted.free_reason}"
    return ENDS.get(session.stop_reason, "it ended") if counted.seconds else "not charged: it ran for less than a second"


def _used(session: Session, evidence: Evidence, counted: Counted, *, source: Source, record_id: str, at: datetime) -> Used:
    start = begin_of(evidence) if evidence.ready_at is not None else None
    return Used(
        record_id=record_id,
        source=source,
        kind="session",
        user=session.user,
        allocation=session.allocation,
        resource=session.resource,
        launch=session.pk,
        size=session.size,
        start=_moment(start),
        end=_moment(evidence.ended) or at,
        unit_seconds=counted.seconds,
        overrun_seconds=counted.overrun,
        rate_per_hour=session.rate_per_hour,
    )


def _over(
    session: Session,
    item: LookItem,
    charged: int,
    *,
    source: Source,
    ready_at: float | None,
    deadline: float | None,
    at: datetime,
) -> None:
    failure = _failure_of(session, item, ready_at)
    reason = session.stop_reason or ("deadline" if deadline and (item.ended or 0) >= deadline - 1 else "exited")
    changes: dict[str, object] = {
        "ended_at": _moment(item.ended),
        "settled_at": at,
        "evidence": evidence_key(item, source),
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
    if site_fault(item.reason):
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


def evidence_key(item: LookItem, source: Source) -> str:
    """A report in short, so that one that says nothing new is known without reading anything else."""
    return f"{source}:{item.started}:{item.ready_at}:{item.ended}:{item.reason[:80]}"


def is_news_of(item: LookItem, known: str) -> bool:
    """Whether a report differs from the one a session was settled by, and is as good or better."""
    source, best = Source(item.source), Source(known.partition(":")[0] or Source.LAST_SEEN)
    return source.rank <= best.rank and evidence_key(item, source) != known
