from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import AwareDatetime, Field

from allocations.catalogue.carbon import intensity
from allocations.catalogue.models import Resource, Site
from allocations.catalogue.selectors import profile_list, resource_list
from allocations.projects import selectors as projects_read
from allocations.projects.states import S as AllocationState
from portal.api.paging import PageAsk, page
from portal.api.root import caller
from portal.core.errors import NotYours, Refusal
from portal.core.quantities import credits_text

from . import clusters, outages, policies, selectors, services
from .doors.agent import AgentUnreachable, agent_door
from .doors.hub import HubUnreachable, hub_door
from .estimates import STARTS_IN_S
from .failures import CATALOGUE, ENDS
from .models import Cluster, Session
from .quotes import quote
from .states import OPEN, S

router = Router(tags=["notebooks"])
LOG_TAIL_BYTES = 20_000


class QuoteIn(Schema):
    """What a launch would be."""

    allocation: str
    resource: str
    profile: str
    minutes: int


class SessionIn(QuoteIn):
    """What to launch; `datasets` narrows what it may read, absent means all that are granted."""

    datasets: list[str] | None = None
    workers_max: int | None = None


class MinutesIn(Schema):
    """How many minutes more."""

    minutes: int


@router.get("/resources")
def resources(request: HttpRequest) -> dict[str, Any]:
    """What there is to use; first what you can launch on now."""
    mine = _covered(caller(request))
    used = dict(
        Session.objects.filter(state__in=OPEN)
        .values_list("resource_id")
        .annotate(n=Sum("cores"))
        .values_list("resource_id", "n")
    )
    rows = [_resource_row(r, used.get(r.pk, 0), r.slug in mine) for r in resource_list()]
    rows.sort(key=lambda row: (not row["launchable"], row["slug"]))
    return {"items": rows, "next": None}


def _covered(user: Any) -> set[str]:
    rows = projects_read.allocation_list_for_user(user=user).filter(state=AllocationState.ACTIVE)
    return set(rows.values_list("resources__resource__slug", flat=True))


def _resource_row(resource: Resource, used: int, covered: bool) -> dict[str, Any]:
    free = max(0, resource.cores - used)
    up = resource.status == Resource.Status.UP and resource.site.enabled
    return {
        "slug": resource.slug,
        "name": resource.name,
        "provider": resource.site.provider.slug,
        "rates": {
            "core_hour": credits_text(resource.core_hour),
            "gib_hour": credits_text(resource.gib_hour),
            "gpu_hour": credits_text(resource.gpu_hour),
            "rule": resource.rule,
        },
        "free": free,
        "total": resource.cores,
        "starts_in_s": STARTS_IN_S if up and free else None,
        "carbon_gco2e_per_kwh": intensity(resource.site.provider.country),
        "status": resource.status,
        "launchable": covered and up and free > 0,
    }


@router.get("/profiles")
def profiles(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001
    """Sizes of sessions, smallest first."""
    rows = [
        {
            "slug": p.slug,
            "name": p.name,
            "cores": p.cores,
            "memory_gib": p.memory_gib,
            "gpus": p.gpus,
            "workers_max": p.workers_max,
            "worker_cores": p.worker_cores,
            "worker_memory_gib": p.worker_memory_gib,
        }
        for p in profile_list()
    ]
    return {"items": rows, "next": None}


@router.post("/quotes")
def quote_make(request: HttpRequest, body: QuoteIn) -> dict[str, Any]:
    """The most a launch can cost, when it would start, and what is then left. Nothing is set aside."""
    return quote(user=caller(request), at=timezone.now(), ask_site=True, **body.dict()).as_dict()


@router.get("/sessions")
def session_list(request: HttpRequest, ask: Query[PageAsk], allocation: str = "", state: str = "") -> dict[str, Any]:
    """Sessions you may see, newest first."""
    rows = selectors.session_list_for_user(user=caller(request))
    if allocation:
        rows = rows.filter(allocation__code__iexact=allocation)
    if state:
        rows = rows.filter(state=state)
    return page(rows, ask, session_row)


@router.post("/sessions", response={201: dict[str, Any]})
def session_launch(request: HttpRequest, body: SessionIn) -> Status[Any]:
    """Hold the credits and launch. Answers at once; read the session until its state is `ready`."""
    session = services.session_launch(user=caller(request), at=timezone.now(), **body.dict())
    return Status(201, session_row(session))


@router.get("/sessions/{id}")
def session_get(request: HttpRequest, id: str) -> dict[str, Any]:
    """One session."""
    return session_row(selectors.session_get_for_user(user=caller(request), id=id))


@router.post("/sessions/{id}/stop")
def session_stop(request: HttpRequest, id: str) -> dict[str, Any]:
    """Stop a session; what was not used of its hold returns."""
    session = selectors.session_get_for_user(user=caller(request), id=id)
    services.session_stop(session=session, by=caller(request), reason="person", at=timezone.now())
    session.refresh_from_db()
    return session_row(session)


@router.post("/sessions/{id}/extend")
def session_extend(request: HttpRequest, id: str, body: MinutesIn) -> dict[str, Any]:
    """Buy more minutes for a running session."""
    session = selectors.session_get_for_user(user=caller(request), id=id)
    return session_row(services.session_extend(session=session, by=caller(request), minutes=body.minutes, at=timezone.now()))


@router.get("/sessions/{id}/log")
def session_log(request: HttpRequest, id: str) -> dict[str, Any]:
    """The session's story, and to its owner the end of the notebook server's log."""
    session = selectors.session_get_for_user(user=caller(request), id=id)
    lines = [{"at": note.at, "text": note.text} for note in session.notes.all()]
    server = _server_log(session) if session.user_id == caller(request).pk else ""
    return {"items": lines, "server": server, "next": None}


def _server_log(session: Session) -> str:
    if session.resource.site.engine != "local":
        try:
            return agent_door(session.resource.site.agent_url).log(session.pk)
        except AgentUnreachable:
            return ""
    path = Path(settings.HOME) / "logs" / "sessions" / f"{session.pk}.log"
    try:
        with path.open("rb") as handle:
            handle.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
            return handle.read().decode(errors="replace")
    except OSError:
        return ""


@router.post("/sessions/{id}/token", response={201: dict[str, Any]})
def session_token(request: HttpRequest, id: str) -> Status[Any]:
    """A token for this one notebook server's own Jupyter API, for its owner's programs; it ends with the session."""
    session = selectors.session_get_for_user(user=caller(request), id=id)
    policies.check_owner(user=caller(request), session=session, what="open it")
    if session.state != S.READY or session.deadline is None:
        raise Refusal("not_running", f"The session is {session.state}; a token is given while it is ready.")
    seconds = int((session.deadline - timezone.now()).total_seconds())
    if seconds <= 0:
        raise Refusal("not_running", "The session has just ended.")
    try:
        token = hub_door(session.resource.site.hub_url).token_create(
            session.user.hub_username, session.pk, expires_in_s=seconds
        )
    except HubUnreachable as error:
        raise Refusal("site_silent", "The site does not answer just now. Try again in a few seconds.", status=503) from error
    return Status(201, {"token": token, "expires": session.deadline, "url": server_url(session)})


@router.get("/clusters")
def cluster_list(request: HttpRequest, ask: Query[PageAsk], session: str = "") -> dict[str, Any]:
    """Dask clusters of sessions you may see, newest first."""
    rows = selectors.cluster_list_for_user(user=caller(request))
    return page(rows.filter(session_id=session) if session else rows, ask, cluster_row)


@router.get("/clusters/{id}")
def cluster_get(request: HttpRequest, id: str) -> dict[str, Any]:
    """One Dask cluster."""
    return cluster_row(selectors.cluster_get_for_user(user=caller(request), id=id))


@router.post("/clusters/{id}/stop")
def cluster_stop(request: HttpRequest, id: str) -> dict[str, Any]:
    """Stop a Dask cluster."""
    cluster = selectors.cluster_get_for_user(user=caller(request), id=id)
    clusters.cluster_stop(cluster=cluster, by=caller(request), reason="person", at=timezone.now())
    cluster.refresh_from_db()
    return cluster_row(cluster)


class OutageIn(Schema):
    """From when to when a site was not of use, and why: it will stand on every statement it touches."""

    begin: AwareDatetime
    end: AwareDatetime
    reason: Annotated[str, Field(max_length=300)]


@router.post("/sites/{slug}/outages", response={201: dict[str, Any]})
def outage_declare(request: HttpRequest, slug: str, body: OutageIn) -> Status[dict[str, Any]]:
    """An officer declares an outage that is over: nothing of that time is charged, and what was charged is refunded."""
    site = Site.objects.filter(slug=slug).first()
    if site is None:
        raise NotYours("site")
    refunded = outages.outage_declare(
        site=site, begin=body.begin, end=body.end, reason=body.reason, by=caller(request), at=timezone.now()
    )
    items = [{"id": one.of.id, "kind": one.of.kind, "refunded": credits_text(one.amount)} for one in refunded]
    return Status(201, {"site": slug, "begin": body.begin, "end": body.end, "reason": body.reason, "refunded": items})


def server_url(session: Session) -> str:
    """The notebook server's own address, under which Jupyter's API lies."""
    return f"{session.resource.site.notebooks_url}/user/{session.user.hub_username}/{session.pk}/"


def session_row(session: Session) -> dict[str, Any]:
    """A session as programs see it."""
    failure = CATALOGUE.get(session.failure)
    return {
        "id": session.pk,
        "state": session.state,
        "target_state": session.target_state,
        "allocation": session.allocation.code,
        "resource": session.resource.slug,
        "profile": session.profile.slug,
        "user": session.user.email,
        "minutes": session.minutes,
        "url": server_url(session),
        "hold": credits_text(sum(hold.amount for hold in session.holds.all())),
        "rate_per_hour": credits_text(session.rate_per_hour),
        "workers_max": session.workers_max,
        "datasets": session.datasets,
        "requested_at": session.requested_at,
        "ready_at": session.ready_at,
        "deadline": session.deadline,
        "idle_end": session.idle_end,
        "ended_at": session.ended_at,
        "end_reason": ENDS.get(session.stop_reason, ""),
        "failure": {"code": session.failure, "cause": failure.cause, "advice": failure.advice, "charged": not failure.free}
        if failure
        else None,
    }


def cluster_row(cluster: Cluster) -> dict[str, Any]:
    """A cluster as programs see it."""
    return {
        "id": cluster.pk,
        "session": cluster.session_id,
        "state": cluster.state,
        "target_state": cluster.target_state,
        "workers_max": cluster.workers_max,
        "name": cluster.gateway_name,
        "hold": credits_text(cluster.hold_amount),
        "charged": credits_text(cluster.charged),
        "lease_end": cluster.lease_end,
        "ended_at": cluster.ended_at,
    }
