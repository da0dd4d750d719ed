"""Dask clusters of a session: grant, claim, roll, end. Each is paid from one hold at a time."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from allocations.ledger import services as ledger
from allocations.ledger.refusals import LedgerRefusal
from allocations.ledger.selectors import balance
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.enqueue import enqueue
from portal.core.errors import NotAllowed, NotYours, Refusal
from portal.core.ids import cluster_id_new
from portal.core.quantities import charge, credits_text

from . import policies
from .cluster_books import cluster_roll
from .doors.agent import AgentUnreachable, agent_door
from .doors.gateway import GatewayUnreachable, gateway_door
from .models import Cluster, ClusterState, Session
from .services import clusters_stop_with, note_add
from .states import S, Target

log = logging.getLogger(__name__)
GRANT_LIFE = timedelta(minutes=2)
ROLL_EVERY = timedelta(minutes=10)
CLAIM = timedelta(seconds=20)
AGAIN = timedelta(seconds=10)
CANCEL_AFTER = timedelta(seconds=12)
LEASE_MIN_S = 60

# --- what the gateway asks --------------------------------------------------------------------------------------------


def cluster_grant(*, launch: str, hub_username: str, at: datetime) -> Cluster:
    """
    Hold the credits of a cluster for a running session, with as many workers as they cover, at least one.

    :raises Refusal: `session_not_running`, `cluster_exists`, `cluster_stopping`, `exceeds_available`, `no_workers`
    """
    session = (
        Session.objects.select_related("user", "allocation", "resource__site", "profile")
        .filter(pk=launch, user__hub_username=hub_username)
        .first()
    )
    if session is None:
        raise NotYours("session")
    if session.state != S.READY or session.target_state != Target.READY or session.deadline is None:
        raise Refusal("session_not_running", "This session is not running any more. Launch a new one from the portal.")
    if session.workers_max < 1:
        raise Refusal("no_workers", "This session was launched without Dask workers. Launch one with workers.")
    _check_no_other(session)
    seconds = int(session.deadline.timestamp() - at.timestamp())
    if seconds < LEASE_MIN_S:
        raise Refusal("session_ending", "The session ends in less than a minute. Extend it first, then make the cluster.")
    return _grant_write(session, seconds=seconds, lease_end=session.deadline, at=at)


def _check_no_other(session: Session) -> None:
    other = session.clusters.exclude(state=ClusterState.ENDED).first()
    if other is None:
        return
    if other.target_state == Target.ENDED:
        raise Refusal("cluster_stopping", "The cluster before is still stopping. Try again in a few seconds.")
    raise Refusal(
        "cluster_exists",
        f"This session has a cluster already: Gateway().connect({other.gateway_name!r}) joins it, or shut it down first.",
    )


@transaction.atomic
def _grant_write(session: Session, *, seconds: int, lease_end: datetime, at: datetime) -> Cluster:
    # Under the session's lock, taken before the account's as settling does: it may have been stopped since it was looked at.
    row = Session.objects.select_for_update().get(pk=session.pk)
    if row.state != S.READY or row.target_state != Target.READY or row.deadline != lease_end:
        raise Refusal("session_not_running", "The session was stopped or extended just now. Try again.")
    rate = session.worker_rate_per_hour
    workers = session.workers_max
    while (
        workers > 1
        and charge(rate_per_hour=rate, unit_seconds=(workers + 1) * seconds)
        > balance(code=session.allocation.account).available
    ):
        workers -= 1
    amount = charge(rate_per_hour=rate, unit_seconds=(workers + 1) * seconds)
    id = cluster_id_new()
    ledger.hold(
        id=id,
        allocation=session.allocation.account,
        amount=amount,
        resource=session.resource.slug,
        subject=f"cluster:{id}",
        at=at,
        expires_at=at + GRANT_LIFE,
        by=f"person:{session.user_id}",
        explanation={
            "text": f"Dask cluster {id[-6:]} of session {session.pk[-6:]}",
            "who": str(session.user),
            "formula": f"({workers} workers + scheduler) × {credits_text(rate)} credits per hour × {seconds} s "
            f"= at most {credits_text(amount)}",
        },
    )
    if session.clusters.exclude(state=ClusterState.ENDED).exists():
        raise Refusal("cluster_exists", "This session has a cluster already.")
    cluster = Cluster.objects.create(
        id=id,
        session=session,
        workers_max=workers,
        worker_cores=session.profile.worker_cores,
        worker_memory_gib=session.profile.worker_memory_gib,
        rate_per_hour=rate,
        hold=id,
        hold_amount=amount,
        granted_at=at,
        lease_end=lease_end,
        rolled_at=at,
        due_at=at + GRANT_LIFE,
    )
    note_add(session, f"{credits_text(amount)} credits set aside for a Dask cluster of up to {workers} workers.", at=at)
    return cluster


def cluster_claim(*, id: str, gateway_name: str, at: datetime) -> None:
    """
    The gateway is about to start a granted cluster: from here on only settlement closes its hold. Safe to repeat.

    :raises Refusal: `hold_not_open` when the grant has lapsed: then nothing may be started
    """
    with transaction.atomic():
        cluster = Cluster.objects.select_for_update().filter(pk=id).first()
        if cluster is None:
            raise NotYours("cluster")
        if cluster.state == ClusterState.RUNNING and cluster.gateway_name == gateway_name:
            return
        if cluster.state != ClusterState.GRANTED or cluster.target_state != Target.READY:
            raise Refusal("cluster_over", "This grant is over.")
        if Session.objects.filter(pk=cluster.session_id).exclude(state=S.READY, target_state=Target.READY).exists():
            raise Refusal("cluster_over", "Its session has ended.")
        ledger.hold_mark_sent(id=cluster.hold)
        Cluster.objects.filter(pk=id).update(
            state=ClusterState.RUNNING, gateway_name=gateway_name, claimed_at=at, due_at=at + ROLL_EVERY
        )


# --- what people ask --------------------------------------------------------------------------------------------------


def cluster_stop(*, cluster: Cluster, by: User | None, reason: str, at: datetime) -> None:
    """
    Ask for a cluster's end. Safe to repeat.

    :raises NotAllowed: unless the person may stop its session
    """
    if by is not None and not policies.may_stop(user=by, session=cluster.session):
        raise NotAllowed("Only its owner, a manager of the enterprise or an operator may stop this cluster.")
    asked = (
        Cluster.objects.filter(pk=cluster.pk, target_state=Target.READY)
        .exclude(state=ClusterState.ENDED)
        .update(target_state=Target.ENDED, stop_asked_at=at, stop_reason=reason, due_at=at)
    )
    if asked:
        audit.event_record(kind="cluster.stop_asked", actor=by, about=cluster.subject, at=at, reason=reason)
        enqueue("notebooks_svc.sessions.tasks.clusters_advance")


# --- the clock --------------------------------------------------------------------------------------------------------


def clusters_advance_due(*, at: datetime) -> int:
    """Take a step with every cluster that is due."""
    due = Cluster.objects.exclude(state=ClusterState.ENDED).filter(due_at__lte=at)
    rows = list(due.select_related("session__user", "session__allocation", "session__resource__site__provider")[:200])
    for cluster in rows:
        if not Cluster.objects.filter(pk=cluster.pk, due_at=cluster.due_at).update(due_at=at + CLAIM):
            continue
        cluster.due_at = at + CLAIM
        try:
            _advance(cluster, at=at)
        except Exception:
            log.exception("cluster %s could not be advanced", cluster.pk)
    return len(rows)


def _advance(cluster: Cluster, *, at: datetime) -> None:
    if cluster.state == ClusterState.GRANTED:
        if cluster.target_state == Target.ENDED or at >= cluster.granted_at + GRANT_LIFE:
            _void_unclaimed(cluster, at=at)
        return
    if cluster.target_state == Target.READY and at >= cluster.lease_end + timedelta(seconds=10):
        cluster_stop(cluster=cluster, by=None, reason="lease_over", at=at)
        return
    if cluster.target_state == Target.ENDED:
        _cluster_to_stopped(cluster, at=at)
        return
    if at >= cluster.rolled_at + ROLL_EVERY:
        cluster_roll(cluster=cluster, at=at)
    _again(cluster, at, ROLL_EVERY)


def _again(cluster: Cluster, at: datetime, wait: timedelta) -> None:
    Cluster.objects.filter(pk=cluster.pk, due_at=cluster.due_at).update(due_at=at + wait)


@transaction.atomic
def _void_unclaimed(cluster: Cluster, *, at: datetime) -> None:
    row = Cluster.objects.select_for_update().get(pk=cluster.pk)
    if row.state != ClusterState.GRANTED:
        return
    try:
        ledger.void(id=f"{row.hold}-void", hold=row.hold, at=at, reason="granted but never started, not charged")
    except LedgerRefusal as refusal:
        if refusal.code != "hold_not_open":  # it lapsed by the ledger's own clock
            raise
    Cluster.objects.filter(pk=row.pk).update(
        state=ClusterState.ENDED, target_state=Target.ENDED, ended_at=at, stop_reason="not_claimed"
    )


def _cluster_to_stopped(cluster: Cluster, *, at: datetime) -> None:
    """Ask the gateway to stop it, and the agent when the gateway does not; only a look ends it."""
    if cluster.state == ClusterState.RUNNING:
        Cluster.objects.filter(pk=cluster.pk, state=ClusterState.RUNNING).update(state=ClusterState.STOPPING)
    try:
        gateway_door(settings.GATEWAY_INTERNAL_URL).cluster_stop(cluster.pk)
        answers = True
    except GatewayUnreachable as error:
        log.warning("gateway: %s", error)
        answers = False
    asked = cluster.stop_asked_at or at
    if not answers or at > asked + CANCEL_AFTER:
        door = agent_door(cluster.session.resource.site.agent_url)
        for process in cluster.processes.filter(ended=None):
            try:
                door.cancel(process.name, reason=cluster.stop_reason)
            except AgentUnreachable as error:
                log.warning("agent: %s", error)
                break
    _again(cluster, at, AGAIN)
    enqueue("notebooks_svc.sessions.tasks.site_look", site=cluster.session.resource.site.slug)


def clusters_end_with(*, session: Session, at: datetime) -> None:
    """A session has ended: so do its clusters."""
    clusters_stop_with(session=session, reason=session.stop_reason, at=at)
