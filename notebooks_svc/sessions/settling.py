"""From a journal to a charge: one settlement per hold, the usage record, the end of the session; and what is righted later."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.db import transaction

from allocations.ledger import services as ledger
from allocations.usage.selectors import recorded
from allocations.usage.services import Used, usage_write
from allocations.usage.sources import Source
from notebooks_svc.metering.counting import Counted, Evidence, begin_of, seconds_counted, site_fault
from notebooks_svc.metering.paying import BY_RULE, Bill, Bought, holds_correct, holds_settle, shares
from notebooks_svc.wire import LookItem
from portal.audit import services as audit
from portal.core.quantities import credits_text

from .failures import CATALOGUE, ENDS, failure_find
from .models import Session, SessionHold
from .outages import outage_windows
from .services import note_add, session_move
from .states import OVER, Actor, S

RUNNER_LOST = "the site lost it"  # in `SITE_FAULTS`, what a lost runner is called
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
        _extension_taken(session, item)
        evidence = _evidence(session, item)
        counted = _count(session, evidence)
        _unconfirmed_void(session, at=at)
        charged = holds_settle(
            _bought(session), seconds=counted.seconds, bill=bill_of(session), reason=_why(session, counted), at=at
        )
        used = _used(session, evidence, counted, source=source, record_id=session.pk, accounting=item.record, at=at)
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
        if session.state not in OVER or not is_news_of(item, session.evidence):
            return 0
        session.evidence = evidence_key(item, source)
        changes = {"evidence": session.evidence, "ended_at": _moment(item.ended)}
        Session.objects.filter(pk=session.pk).update(**changes)
        reason = f"corrected by the {SOURCE_WORDS[source]}"
        return _recount(session, _evidence(session, item), source, reason=reason, by=BY_RULE, accounting=item.record, at=at)


def session_recount(*, session: Session, reason: str, by: str, at: datetime) -> int:
    """
    Count a settled session anew from the record it was settled by: a declared outage, say, has changed what counts.

    :param by: who answers for it, as the ledger names people
    :return: the difference charged, in micro-credits; below zero when refunded
    """
    with transaction.atomic():
        session = _locked(session.pk)
        if session.state not in OVER or not session.evidence:
            return 0
        source, evidence = _evidence_read(session.evidence)
        ready_at = session.ready_at.timestamp() if session.ready_at else evidence.ready_at
        evidence = replace(evidence, ready_at=ready_at)
        return _recount(session, evidence, source, reason=reason, by=by, at=at)


def _recount(
    session: Session, evidence: Evidence, source: Source, *, reason: str, by: str, at: datetime, accounting: str = ""
) -> int:
    before = recorded(launch=session.pk, kind="session")
    if before is None:
        return 0
    counted = _count(session, evidence)
    more, beyond = counted.seconds - before.unit_seconds, counted.overrun - before.overrun_seconds
    if more == 0 and beyond == 0:
        return 0
    number = before.corrections + 1
    words = f"{reason}: {counted.seconds} s instead of {before.unit_seconds} s"
    bill = bill_of(session)
    parts = [(one.hold, part) for one, part, _ in shares(_bought(session), counted.seconds, rate_per_hour=bill.rate_per_hour)]
    difference = holds_correct(parts, bill=bill, reason=words, number=number, by=by, at=at)
    record_id = f"{session.pk}:correction-{number}"
    kept = accounting or before.latest.accounting
    used = _used(session, evidence, Counted(more, beyond), source=source, record_id=record_id, accounting=kept, at=at)
    usage_write(used, charged=difference, at=at, corrects=before.latest, reason=words[:300])
    what = f"{credits_text(abs(difference))} credits {'charged' if difference > 0 else 'refunded'}"
    note_add(session, f"Corrected: {what}.", at=at)
    audit.event_record(
        kind="session.corrected", actor=None, about=session.subject, at=at, reason=words, difference=difference, by=by
    )
    return difference


SOURCE_WORDS = {
    Source.SCHEDULER: "scheduler's accounting",
    Source.JOURNAL: "site's journal",
    Source.GATEWAY: "gateway",
    Source.HUB: "hub",
    Source.LAST_SEEN: "site's last look",
}


def _evidence(session: Session, item: LookItem) -> Evidence:
    """A report as evidence. The hub's first "ready" stands; a record that lacks it borrows it."""
    assert item.ended is not None  # noqa: S101 (the caller looked)
    ready_at = session.ready_at.timestamp() if session.ready_at else item.ready_at
    return Evidence(item.started, ready_at, item.ended, item.reason)


def _count(session: Session, evidence: Evidence) -> Counted:
    begin = evidence.ready_at if evidence.ready_at is not None else evidence.ended
    return seconds_counted(
        evidence,
        deadline=session.deadline.timestamp() if session.deadline else _deadline_of(session, evidence.ready_at),
        stop_asked=session.stop_asked_at.timestamp() if session.stop_asked_at else None,
        stop_reason=session.stop_reason,
        outages=outage_windows(session.resource.site_id, begin=begin, end=max(begin, evidence.ended)),
    )


def _extension_taken(session: Session, item: LookItem) -> None:
    """An extension the engine took, though its answer never reached us: then its minutes were used, and count."""
    if session.deadline is None or item.deadline is None:
        return
    for hold in session.holds.filter(confirmed=False):
        deadline = session.deadline + timedelta(minutes=hold.minutes)
        if item.deadline < deadline.timestamp() - 1:
            return
        SessionHold.objects.filter(pk=hold.pk).update(confirmed=True)
        session.deadline, session.minutes = deadline, session.minutes + hold.minutes
        Session.objects.filter(pk=session.pk).update(deadline=deadline, minutes=session.minutes)


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


def _used(
    session: Session, evidence: Evidence, counted: Counted, *, source: Source, record_id: str, accounting: str, at: datetime
) -> Used:
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
        accounting=accounting,
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
    if fault := site_fault(item.reason):
        return "runner_lost" if fault == RUNNER_LOST else "node_lost"
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
    if item.reason.startswith("refused: "):
        return failure_find(item.reason.removeprefix("refused: "))
    known = {"exited": "boot_failed", "out of memory": "out_of_memory"}
    return known.get(item.reason) or failure_find(item.reason)


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None


def evidence_key(item: LookItem, source: Source) -> str:
    """A report in short, so that one that says nothing new is known without reading anything else."""
    return "|".join([source, *(_number(n) for n in (item.started, item.ready_at, item.ended)), item.reason[:80]])


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)


def _evidence_read(key: str) -> tuple[Source, Evidence]:
    source, started, ready_at, ended, reason = key.split("|", 4)
    return Source(source), Evidence(
        float(started) if started else None, float(ready_at) if ready_at else None, float(ended), reason
    )


def is_news_of(item: LookItem, known: str) -> bool:
    """Whether a report differs from the one a session was settled by, and is as good or better."""
    if not known:
        return False  # it was withdrawn before it was sent: there is nothing of it anywhere
    source, best = Source(item.source), Source(known.partition("|")[0])
    return source.rank <= best.rank and evidence_key(item, source) != known
