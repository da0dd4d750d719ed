from __future__ import annotations

from typing import Any, Literal

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema, Status

from notebooks_svc.agent.slurm.options import batch_account_name
from portal.api.paging import PageAsk, page
from portal.api.root import caller
from portal.core.quantities import credits_parse, credits_text

from . import selectors, services
from .models import BatchHold, BatchJob
from .states import ENDS
from .views import submit_line

router = Router(tags=["batch"])


class BatchIn(Schema):
    """How much to set aside, where; `people` are addresses of those who may submit, absent means yourself."""

    allocation: str
    resource: str
    credits: str | int
    people: list[str] | None = None


class CloseIn(Schema):
    """What becomes of jobs that run: they `finish` inside the hold, or are cancelled."""

    running: Literal["finish", "cancel"] = "finish"


@router.get("/batch-holds")
def batch_list(request: HttpRequest, ask: Query[PageAsk], allocation: str = "", state: str = "") -> dict[str, Any]:
    """Credits set aside for jobs submitted without the portal, as far as you may see them, newest first."""
    rows = selectors.batch_list_for_user(user=caller(request))
    if allocation:
        rows = rows.filter(allocation__code__iexact=allocation)
    if state:
        rows = rows.filter(state=state)
    return page(rows, ask, batch_row)


@router.post("/batch-holds", response={201: dict[str, Any]})
def batch_open(request: HttpRequest, body: BatchIn) -> Status[Any]:
    """Set credits aside for jobs you submit yourself with plain `sbatch`; `submit` is the line to use."""
    hold = services.batch_open(
        user=caller(request),
        allocation=body.allocation,
        resource=body.resource,
        amount=credits_parse(body.credits),
        people=body.people,
        at=timezone.now(),
    )
    return Status(201, batch_row(selectors.batch_get_for_user(user=caller(request), id=hold.pk)))


@router.get("/batch-holds/{id}")
def batch_get(request: HttpRequest, id: str) -> dict[str, Any]:
    """One batch hold, with what its jobs have cost so far and what accounting told but is not charged yet."""
    hold = selectors.batch_get_for_user(user=caller(request), id=id)
    return {**batch_row(hold), "unsettled": credits_text(min(selectors.unsettled(hold=hold), hold.hold_amount))}


@router.get("/batch-holds/{id}/jobs")
def batch_jobs(request: HttpRequest, id: str, ask: Query[PageAsk]) -> dict[str, Any]:
    """Its jobs, newest first: one row for each stretch from a submission to an end."""
    hold = selectors.batch_get_for_user(user=caller(request), id=id)
    return page(hold.jobs.select_related("user").order_by("-pk"), ask, job_row)


@router.post("/batch-holds/{id}/close")
def batch_close(request: HttpRequest, id: str, body: CloseIn) -> dict[str, Any]:
    """Close it: nothing new is taken, what is left returns once nothing of it runs any more."""
    user = caller(request)
    hold = selectors.batch_get_for_user(user=user, id=id)
    services.batch_close(hold=hold, by=user, let_finish=body.running == "finish", at=timezone.now())
    return batch_row(selectors.batch_get_for_user(user=user, id=id))


def batch_row(hold: BatchHold) -> dict[str, Any]:
    """A batch hold as programs see it."""
    name = batch_account_name(settings.INSTANCE_ID, hold.pk)
    return {
        "id": hold.pk,
        "state": hold.state,
        "allocation": hold.allocation.code,
        "resource": hold.resource.slug,
        "opened_by": hold.opened_by.email,
        "people": [
            {"user": person.user.email, "site_account": person.account, "left_at": person.left_at}
            for person in hold.people.all()
        ],
        "account": name,
        "qos": name,
        "partition": hold.resource.partition,
        "submit": submit_line(hold),
        "credits": credits_text(hold.amount),
        "held": credits_text(hold.hold_amount),
        "charged": credits_text(hold.charged),
        "opened_at": hold.opened_at,
        "admitted_at": hold.admitted_at,
        "close_asked_at": hold.close_asked_at,
        "closed_at": hold.closed_at,
        "settled_at": hold.settled_at,
        "end_reason": ENDS.get(hold.close_reason, ""),
    }


def job_row(job: BatchJob) -> dict[str, Any]:
    """A job as programs see it."""
    return {
        "id": job.pk,
        "record": job.record,
        "job": job.job,
        "user": job.user.email,
        "site_account": job.account,
        "name": job.name,
        "state": job.state,
        "waiting": job.waiting,
        "source": job.source,
        "started": job.started,
        "ended": job.ended,
        "cores": job.cores,
        "memory_mib": job.memory_mib,
        "gpus": job.gpus,
        "rate_per_hour": credits_text(job.rate_per_hour),
        "seconds": job.seconds,
        "charge": credits_text(job.charge),
        "overrun_seconds": job.overrun_seconds,
        "free_reason": job.free_reason,
        "settled": job.settled_at is not None and not job.is_behind,
    }
