"""What a look at a site says about our sessions. An incomplete look changes nothing; only a journal ends a session."""

from __future__ import annotations

import logging
import os
import socket
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from allocations.catalogue.models import Site
from allocations.usage.sources import Source
from notebooks_svc.wire import Look, LookItem
from portal.audit import services as audit
from portal.core.enqueue import enqueue
from portal.core.ids import CLUSTER_ID, LAUNCH_ID

from . import cluster_looks, clusters
from .doors.agent import AgentUnreachable, agent_door
from .doors.hub import HubUnreachable, hub_door
from .models import Cluster, ClusterState, Session
from .queue import QUEUE_FIELDS, queue_apply, queue_differs
from .services import note_add, session_move
from .settling import CORRECTED_FOR, is_news_of, session_correct, session_settle
from .states import BEFORE_READY, OPEN, OVER, Actor, S, Target

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=30)
SILENT_ALARM = timedelta(minutes=2)
ABSENT_LOOKS = 2  # complete looks without a trace before a stopped launch counts as never begun
ORPHAN_LOOKS, ORPHAN_AGE_S = 3, 120
SINCE_MARGIN_S = 600
LOST_AFTER = timedelta(hours=24)  # of a healthy site without a trace: then the last look that saw it decides
HEALTHY_GAP = timedelta(minutes=10)  # complete looks further apart than this are not one healthy stretch
WIDE_EVERY_S, WIDE_S = 600.0, 26 * 3600.0  # now and then a look reaches further back, for records that were corrected late
CHUNK = 200  # rows fetched whole at a time
HOLDER = f"{socket.gethostname()}:{os.getpid()}"

_wide: dict[str, float] = {}  # site → when it was last looked at so; lost with the process, which only looks once more
_orphans: dict[str, tuple[int, float]] = {}  # id → complete looks and first seen; lost with the process, which only delays


def site_look_soon(site: str) -> None:
    """Ask for a look now instead of at the next tick."""
    enqueue("notebooks_svc.sessions.tasks.site_look", site=site)


def site_look(*, slug: str, at: datetime) -> bool:
    """
    Look at one site once, under its lease, and apply what it says.

    :return: whether the look was complete
    """
    site = Site.objects.select_related("provider").filter(slug=slug, enabled=True).first()
    if site is None or not _lease_take(site, at):
        return False
    try:
        return _look_and_apply(site, at=at)
    finally:
        Site.objects.filter(pk=site.pk, lease_holder=HOLDER).update(lease_until=None)


def _lease_take(site: Site, at: datetime) -> bool:
    free = Q(lease_until=None) | Q(lease_until__lt=at)
    return bool(Site.objects.filter(free, pk=site.pk).update(lease_holder=HOLDER, lease_until=at + LEASE))


def _look_and_apply(site: Site, *, at: datetime) -> bool:
    sent = time.time()
    try:
        look = agent_door(site.agent_url).look(since=_since(site))
    except AgentUnreachable as error:
        _silent(site, str(error), at=at)
        return False
    received = time.time()
    if look.instance != settings.INSTANCE_ID:
        _silent(site, f"the agent serves another portal ({look.instance})", at=at)
        return False
    skew = look.now - (sent + received) / 2
    Site.objects.filter(pk=site.pk).update(looked_at=at, last_error="", clock_skew_s=skew, silent_since=None)
    look_apply(site=site, look=look, at=timezone.now())
    return look.complete


def _since(site: Site) -> float:
    """Ended journals are wanted back to the oldest launch that is not settled."""
    oldest = (
        Session.objects.filter(resource__site=site, state__in=OPEN)
        .order_by("requested_at")
        .values_list("requested_at", flat=True)
        .first()
    )
    cluster = (
        Cluster.objects.filter(session__resource__site=site)
        .exclude(state=ClusterState.ENDED)
        .order_by("granted_at")
        .values_list("granted_at", flat=True)
        .first()
    )
    # Settled without a journal or accounting: should one appear after all, it puts the charge right.
    guessed = (
        Session.objects.filter(resource__site=site, settled_at__gt=timezone.now() - CORRECTED_FOR)
        .filter(Q(evidence__startswith=f"{Source.LAST_SEEN}|") | Q(evidence__startswith=f"{Source.HUB}|"))
        .order_by("requested_at")
        .values_list("requested_at", flat=True)
        .first()
    )
    moments = [m.timestamp() for m in (oldest, cluster, guessed) if m]
    if time.time() - _wide.get(site.slug, 0.0) >= WIDE_EVERY_S:
        _wide[site.slug] = time.time()
        moments.append(time.time() - WIDE_S)
    return (min(moments) if moments else time.time()) - SINCE_MARGIN_S


def _silent(site: Site, error: str, *, at: datetime) -> None:
    since = site.silent_since or at
    Site.objects.filter(pk=site.pk).update(last_error=error[:500], silent_since=since)
    if site.silent_since and at - site.silent_since > SILENT_ALARM:
        log.error("site %s has been silent since %s: %s", site, site.silent_since, error)
    else:
        log.warning("site %s: %s", site, error)


def look_apply(*, site: Site, look: Look, at: datetime) -> None:
    """Apply a look to the site's open sessions and clusters: rows are read in one query, and only what changed is touched."""
    items = {item.id: item for item in look.items}
    rows = Session.objects.filter(resource__site=site, state__in=OPEN, sent_at__isnull=False)
    changed = [
        pk
        for pk, ready_at, absent_looks, *queue in rows.values_list("pk", "ready_at", "absent_looks", *QUEUE_FIELDS)
        if _is_news(items.get(pk), look, known_ready=ready_at is not None, absent_looks=absent_looks)
        or queue_differs(items.get(pk), *queue)
    ]
    for start in range(0, len(changed), CHUNK):
        chunk = rows.filter(pk__in=changed[start : start + CHUNK])
        for session in chunk.select_related("user", "allocation", "resource__site__provider", "profile"):
            try:
                _apply(session, items.get(session.pk), look, site=site, at=at)
            except Exception:
                log.exception("look could not be applied to %s", session.pk)
    _late_reports(site, look, at=at)
    cluster_looks.look_apply(site=site, look=look, at=at)
    if look.complete:
        Site.objects.filter(pk=site.pk).update(seen_complete_at=datetime.fromtimestamp(look.now, UTC))
        _orphans_stop(site, look, at=at)


def _late_reports(site: Site, look: Look, *, at: datetime) -> None:
    """What the site says now of sessions that were settled: what differs and is as good or better corrects them."""
    gone = {item.id: item for item in look.items if item.state == "gone" and item.kind == "session" and item.ended is not None}
    ids = sorted(gone)
    for start in range(0, len(ids), CHUNK):
        settled = Session.objects.filter(
            pk__in=ids[start : start + CHUNK], state__in=OVER, resource__site=site, settled_at__gt=at - CORRECTED_FOR
        )
        for pk, evidence in settled.values_list("pk", "evidence"):
            if not is_news_of(gone[pk], evidence):
                continue
            try:
                session_correct(session=Session(pk=pk), item=gone[pk], at=at)
            except Exception:
                log.exception("a late report could not be applied to %s", pk)


def _is_news(item: LookItem | None, look: Look, *, known_ready: bool, absent_looks: int) -> bool:
    if item is None:
        return look.complete
    if item.state == "unknown":
        return False
    return item.state == "gone" or absent_looks > 0 or (item.ready_at is not None and not known_ready)


def _apply(session: Session, item: LookItem | None, look: Look, *, site: Site, at: datetime) -> None:
    if item is None:
        _absent(session, look, site=site, at=at)
        return
    if session.absent_looks:
        Session.objects.filter(pk=session.pk).update(absent_looks=0, absent_since=None)
    if item.state == "unknown":
        return
    if item.state == "alive":
        queue_apply(session, item, at=at)
        if item.ready_at is not None and session.ready_at is None:
            session_ready(session, item.ready_at, at=at)
        return
    if session_settle(session=session, item=item, source=Source(item.source), at=at):
        clusters.clusters_end_with(session=session, at=at)


def session_ready(session: Session, ready_at: float, *, at: datetime) -> None:
    """Start the clock: charging begins when the site first saw the server answer, and the deadline follows from it."""
    if S(session.state) not in BEFORE_READY:
        return
    moment = datetime.fromtimestamp(ready_at, UTC)
    deadline = moment + timedelta(minutes=session.minutes)
    moved = session_move(session, S.READY, Actor.SITE, ready_at=moment, deadline=deadline, attempts=0)
    if moved:
        note_add(session, "Ready.", at=at)
        audit.event_record(kind="session.ready", actor=None, about=session.subject, at=at)


def _absent(session: Session, look: Look, *, site: Site, at: datetime) -> None:
    """
    No trace at the site. A launch the hub lost is asked for again (`advance`); one that should end and that neither hub nor
    site knows never began; one that ran is settled by when it was last seen, after a day.
    """
    changes: dict[str, Any] = {"absent_looks": F("absent_looks") + 1}
    if session.absent_looks == 0 and session.ready_at is not None:
        # It was there at the complete look before this one: that is when it was last seen alive.
        session.seen_alive_at = changes["seen_alive_at"] = max(site.seen_complete_at or session.ready_at, session.ready_at)
    since = session.absent_since
    if since is None or not _healthy_since_last_look(site, look):
        since = changes["absent_since"] = at  # only a healthy site's silence about it counts
    Session.objects.filter(pk=session.pk).update(**changes)
    looks = session.absent_looks + 1
    if session.ready_at is not None:
        if at - since >= LOST_AFTER and session.seen_alive_at:
            item = LookItem(
                id=session.pk,
                kind="session",
                parent="",
                state="gone",
                started=None,
                ready_at=session.ready_at.timestamp(),
                ended=session.seen_alive_at.timestamp(),
                reason="last seen",
            )
            session_settle(session=session, item=item, source=Source.LAST_SEEN, at=at)
        return
    if session.target_state == Target.ENDED and looks >= ABSENT_LOOKS and not _hub_knows(session):
        item = LookItem(id=session.pk, kind="session", parent="", state="gone", ended=look.now, reason="never began")
        session_settle(session=session, item=item, source=Source.HUB, at=at)


def _healthy_since_last_look(site: Site, look: Look) -> bool:
    seen = site.seen_complete_at
    return seen is not None and look.now - seen.timestamp() <= HEALTHY_GAP.total_seconds()


def _hub_knows(session: Session) -> bool:
    try:
        server = hub_door(session.resource.site.hub_url).server_get(session.user.hub_username, session.pk)
    except HubUnreachable:
        return True  # unknown is not gone
    return server is not None and (server.ready or bool(server.pending))


def _orphans_stop(site: Site, look: Look, *, at: datetime) -> None:
    """Stop what runs under our name without a row that is open, when it was seen so three times over two minutes."""
    alive = [item for item in look.items if item.state == "alive"]
    owners = {item.parent or item.id for item in alive}
    known = set(Session.objects.filter(pk__in=owners).exclude(state__in=OVER).values_list("pk", flat=True))
    known |= set(Cluster.objects.filter(pk__in=owners).exclude(state=ClusterState.ENDED).values_list("pk", flat=True))
    now = time.time()
    strange = [i for i in alive if (i.parent or i.id) not in known and _well_formed(i.parent or i.id)]
    for gone in set(_orphans) - {item.id for item in strange}:
        _orphans.pop(gone)
    ripe = []
    for item in strange:
        looks, first = _orphans.get(item.id, (0, now))
        _orphans[item.id] = (looks + 1, first)
        if looks + 1 >= ORPHAN_LOOKS and now - first >= ORPHAN_AGE_S:
            ripe.append(item)
    if len(ripe) > max(3, len(alive) // 10):
        log.error(
            "site %s: %s of %s groups have no open row; stopping none. An operator must look.", site, len(ripe), len(alive)
        )
        return
    for item in ripe:
        log.error("site %s: stopping %s, which has no open row", site, item.id)
        try:
            agent_door(site.agent_url).cancel(item.id, reason="no open row")
        except AgentUnreachable:
            return
        audit.event_record(kind="site.orphan_stopped", actor=None, about=f"site:{site.slug}", at=at, id=item.id)


def _well_formed(id: str) -> bool:
    return bool(LAUNCH_ID.fullmatch(id) or CLUSTER_ID.fullmatch(id))
