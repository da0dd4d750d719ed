"""Launch, stop, extend. Credits are held before anything starts; everything slow happens after the commit."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from allocations.ledger import services as ledger
from allocations.ledger.refusals import LedgerRefusal
from allocations.projects import policies as projects_policy
from allocations.projects import selectors as projects_read
from notebooks_svc.metering.counting import FREE_STOPS
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.enqueue import enqueue
from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal
from portal.core.ids import LAUNCH_ID, launch_id_new
from portal.core.quantities import charge, credits_text

from . import policies
from .data import check_choice
from .doors.agent import AgentUnreachable, agent_door
from .models import Session, SessionHold, SessionNote
from .quotes import Quote, check_minutes, quote
from .states import OPEN, OVER, Actor, S, Target, check_transition

HOLD_LIFE = timedelta(minutes=5)  # a launch that was not sent by then gives its credits back
QUEUE_LIFE = timedelta(hours=24)
BOOT_S = 120
OPEN_MAX_PER_PERSON = 20
EXTENSION_AGAIN = timedelta(seconds=5)


def session_launch(
    *,
    user: User,
    allocation: str,
    resource: str,
    profile: str,
    minutes: int,
    at: datetime,
    datasets: list[str] | None = None,
    id: str = "",
    workers_max: int | None = None,
) -> Session:
    """
    Hold the credits and write the session down; a task sends it to the site.

    :param id: a launch id made with the form, so that a double click launches once
    :param datasets: slugs to narrow what the session may read; None means all that are granted
    :param workers_max: most Dask workers, at most the profile's
    :raises Refusal: with the reason; then nothing was written
    """
    id = id or launch_id_new()
    if not LAUNCH_ID.fullmatch(id):
        raise Malformed("That is no launch id.", field="id")
    if done := Session.objects.filter(pk=id).first():
        if done.user_id != user.pk:
            raise NotYours("session")
        return done
    offer = quote(user=user, allocation=allocation, resource=resource, profile=profile, minutes=minutes, at=at)
    workers = offer.workers_max if workers_max is None else workers_max
    if not 0 <= workers <= offer.workers_max:
        raise Malformed(f"{offer.profile} has at most {offer.workers_max} Dask workers.", field="workers_max")
    check_choice(chosen=datasets, allocation=offer.allocation, at=at)
    session = _session_write(id=id, user=user, offer=offer, datasets=datasets, workers_max=workers, at=at)
    return session


@transaction.atomic
def _session_write(*, id: str, user: User, offer: Quote, datasets: list[str] | None, workers_max: int, at: datetime) -> Session:
    ledger.hold(
        id=id,
        allocation=offer.allocation.account,
        amount=offer.hold,
        resource=offer.resource.slug,
        subject=f"session:{id}",
        at=at,
        expires_at=at + HOLD_LIFE,
        by=f"person:{user.pk}",
        explanation={
            "text": f"session {id[-6:]} on {offer.resource.slug}, {offer.profile.slug}",
            "who": str(user),
            "formula": f"{offer.rate_words} × {offer.minutes} min = at most {credits_text(offer.hold)}",
        },
    )
    # The hold locked the allocation's row: the first of two clicks has written its session by now.
    if done := Session.objects.filter(pk=id).first():
        return done
    # Counted after the hold: two launches at once meet at the allocation's row, and the second sees the first.
    if Session.objects.filter(user=user, state__in=OPEN).count() >= OPEN_MAX_PER_PERSON:
        raise Refusal("too_many_sessions", f"You have {OPEN_MAX_PER_PERSON} sessions open. Stop one first.", status=429)
    if projects_read.not_usable_any_more([offer.allocation.code]):
        raise Refusal("allocation_not_active", f"{offer.allocation.code} has ended just now.")
    session = Session.objects.create(
        id=id,
        user=user,
        allocation=offer.allocation,
        resource=offer.resource,
        profile=offer.profile,
        cores=offer.profile.cores,
        memory_gib=offer.profile.memory_gib,
        gpus=offer.profile.gpus,
        workers_max=workers_max,
        minutes=offer.minutes,
        boot_s=BOOT_S,
        rate_per_hour=offer.rate_per_hour,
        worker_rate_per_hour=offer.worker_rate_per_hour,
        rate_words=offer.rate_words,
        datasets=datasets,
        requested_at=at,
        queue_until=at + QUEUE_LIFE,
        due_at=at,
    )
    SessionHold.objects.create(session=session, transfer=id, number=0, minutes=offer.minutes, amount=offer.hold)
    note_add(session, f"{credits_text(offer.hold)} credits set aside.", at=at)
    audit.event_record(kind="session.requested", actor=user, about=f"session:{id}", at=at, allocation=offer.allocation.code)
    enqueue("notebooks_svc.sessions.tasks.session_advance", session_id=id)
    return session


def session_stop(*, session: Session, by: User | None, reason: str, at: datetime) -> None:
    """
    Ask for a session's end. What runs is charged until it stops, at most a minute more. Safe to repeat.

    :param reason: a key of `failures.ENDS`
    :raises NotAllowed: unless the person may stop it
    """
    if by is not None:
        if not policies.may_stop(user=by, session=session):
            raise NotAllowed("Only its owner, a manager of the enterprise or an operator may stop this session.")
        if reason == "person" and by.pk != session.user_id:
            reason = "manager" if projects_policy.may_manage(user=by, allocation=session.allocation) else "operator"
    with transaction.atomic():
        asked = (
            Session.objects.filter(pk=session.pk, target_state=Target.READY)
            .exclude(state__in=OVER)
            .update(target_state=Target.ENDED, stop_asked_at=at, stop_reason=reason, due_at=at, attempts=0)
        )
        if not asked:
            return
        note_add(session, "Stop asked for.", at=at)
        audit.event_record(kind="session.stop_asked", actor=by, about=session.subject, at=at, reason=reason)
        clusters_stop_with(session=session, reason=reason, at=at)
        enqueue("notebooks_svc.sessions.tasks.session_advance", session_id=session.pk)
    session.refresh_from_db()


def session_extend(*, session: Session, by: User, minutes: int, at: datetime) -> Session:
    """
    Buy more minutes for a running session: hold, tell the engine, confirm; what the engine refuses is voided.

    :raises Refusal: `not_running`, `exceeds_available`, `site_silent`, `exceeds_allocation_end`
    """
    policies.check_owner(user=by, session=session, what="extend it")
    check_minutes(minutes)
    wish = _extension_write(session=session, by=by, minutes=minutes, at=at)
    session.refresh_from_db()
    return extension_confirm(session=session, wish=wish, at=at)


@transaction.atomic
def _extension_write(*, session: Session, by: User, minutes: int, at: datetime) -> SessionHold:
    quote(
        user=by,
        allocation=session.allocation.code,
        resource=session.resource.slug,
        profile=session.profile.slug,
        minutes=minutes,
        at=at,
    )
    row = Session.objects.select_for_update().get(pk=session.pk)
    if row.state != S.READY or row.target_state != Target.READY or row.deadline is None or row.deadline <= at:
        raise Refusal("not_running", "Only a running session can be extended. Launch a new one; your files are there.")
    if row.holds.filter(confirmed=False).exists():
        raise Refusal("extension_pending", "An extension is being confirmed. Try again in a few seconds.")
    number = row.holds.count()
    transfer = f"{row.pk}-x{number}"
    amount = charge(rate_per_hour=row.rate_per_hour, unit_seconds=minutes * 60)
    ledger.hold(
        id=transfer,
        allocation=session.allocation.account,
        amount=amount,
        resource=session.resource.slug,
        subject=row.subject,
        at=at,
        expires_at=None,
        by=f"person:{by.pk}",
        explanation={
            "text": f"session {row.pk[-6:]} extended by {minutes} min",
            "who": str(by),
            "formula": f"{row.rate_words} × {minutes} min = at most {credits_text(amount)}",
        },
    )
    Session.objects.filter(pk=row.pk).update(due_at=at + EXTENSION_AGAIN)  # should this process die now, the sweep goes on
    return SessionHold.objects.create(
        session=row, transfer=transfer, number=number, minutes=minutes, amount=amount, confirmed=False
    )


def extension_confirm(*, session: Session, wish: SessionHold, at: datetime) -> Session:
    """Tell the engine the new deadline and keep its answer; no answer leaves the wish for the next look."""
    assert session.deadline is not None  # noqa: S101 (an extension is only written for a ready session)
    deadline = session.deadline + timedelta(minutes=wish.minutes)
    try:
        moved = agent_door(session.resource.site.agent_url).extend(session.pk, deadline=deadline.timestamp())
    except AgentUnreachable as error:
        raise Refusal(
            "site_silent",
            "The site does not answer just now. The extension is tried again by itself; its credits stay set aside.",
        ) from error
    with transaction.atomic():
        row = Session.objects.select_for_update().get(pk=session.pk)
        if row.state in OVER:
            moved = False  # it was settled meanwhile, and the extension with it
        elif not moved:
            _extension_void(session, wish, at=at)
        elif SessionHold.objects.filter(pk=wish.pk, confirmed=False).update(confirmed=True):
            # Who buys more time is there.
            changes = {"minutes": F("minutes") + wish.minutes, "deadline": deadline, "kept_at": at, "idle_end": None}
            Session.objects.filter(pk=session.pk).update(**changes)
            note_add(session, f"Extended by {wish.minutes} minutes.", at=at)
    if not moved:
        raise Refusal("not_running", "The session had ended already; the credits were returned.")
    session.refresh_from_db()
    return session


def _extension_void(session: Session, wish: SessionHold, *, at: datetime) -> None:
    ledger.void(id=f"{wish.transfer}-void", hold=wish.transfer, at=at, reason="the extension was not taken by the site")
    wish.delete()
    note_add(session, "The extension came too late; its credits returned.", at=at)


def session_move(session: Session, new: S, actor: Actor, **changes: object) -> bool:
    """
    Compare-and-set a session's state.

    :return: False when it was no longer where the caller saw it
    :raises Refusal: `move_not_allowed` for a move that does not exist
    """
    old = S(session.state)
    check_transition(old=old, new=new, actor=actor)
    moved = Session.objects.filter(pk=session.pk, state=old).update(state=new, **changes)
    if moved:
        session.state = new
        for name, value in changes.items():
            setattr(session, name, value)
    return bool(moved)


def session_withdraw(*, session: Session, failure: str, at: datetime) -> None:
    """End a session that was never sent: its hold is voided, or has lapsed already."""
    with transaction.atomic():
        Session.objects.select_for_update().get(pk=session.pk)  # before the account, as settling does
        try:
            ledger.void(id=f"{session.pk}-void", hold=session.pk, at=at, reason="never started, not charged")
        except LedgerRefusal as refusal:
            if refusal.code != "hold_not_open":
                raise
        new = S.FAILED if failure else S.ENDED
        if session_move(session, new, Actor.PORTAL, failure=failure, settled_at=at, target_state=Target.ENDED):
            note_add(session, "Withdrawn before it started. 0 credits charged.", at=at)


def clusters_stop_with(*, session: Session, reason: str, at: datetime) -> None:
    """Ask for the end of a session's clusters; what is free for the session is free for them."""
    kept = reason if reason in FREE_STOPS else "session_ended"
    asked = session.clusters.filter(target_state=Target.READY).update(
        target_state=Target.ENDED, stop_asked_at=at, stop_reason=kept, due_at=at
    )
    if asked:
        enqueue("notebooks_svc.sessions.tasks.clusters_advance")


def note_add(session: Session, text: str, *, at: datetime) -> None:
    """Add a line to the session's story."""
    SessionNote.objects.create(session=session, at=at, text=text[:600])


def sessions_stop_all(*, at: datetime, reason: str) -> int:
    """Ask for the end of everything that runs, for an orderly shutdown. Returns how many are still open."""
    for session in Session.objects.filter(state__in=OPEN, target_state=Target.READY).select_related("allocation"):
        session_stop(session=session, by=None, reason=reason, at=at)
    return Session.objects.filter(state__in=OPEN).count()
