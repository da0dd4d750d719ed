"""An allocation's page with all that can stand on it at once, and the queries it takes."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from allocations.awards.models import Grown
from allocations.calls import services as calls
from allocations.catalogue.models import Profile, Resource, Site
from allocations.datasets.models import Access, Dataset
from allocations.datasets.states import A, AccessClass
from allocations.projects import services as projects
from allocations.projects.giving import Kind
from allocations.projects.models import Allocation, AllocationMember, DailyUse, MoreAsked, ReclaimNotice
from allocations.reports.models import Report
from notebooks_svc.batch.models import BatchHold, BatchPerson
from notebooks_svc.sessions.models import Session
from notebooks_svc.storage.models import Keeping
from portal.accounts.models import User
from portal.core.quantities import MICRO
from portal.threads.services import message_post
from tests.support.programme import Programme, document

pytestmark = pytest.mark.django_db(databases="__all__")
QUERIES_MAX = 14 if connections["default"].vendor == "sqlite" else 15  # the web session is among them on PostgreSQL
NUMBER = count(1)
WISHES = [MoreAsked.Wish.CREDITS, MoreAsked.Wish.TOPUP, MoreAsked.Wish.BURST, MoreAsked.Wish.EXTENSION]
SEEN = (
    "return to the programme on",
    "asked for more time",
    "Given so far",
    "Running now",
    "Your own batch jobs",
    "Files",
    "Reports",
    " new</span>",
)
RULES = {
    "topup": {"credits_max": "100", "times_max": 2, "decided_by": "rule"},
    "burst": {"credits_max": "50"},
}


@pytest.fixture
def full(programme: Programme) -> Allocation:
    """An award at a batch site: grown, used, idle, asked about, reported on, talked about, with a session, jobs and data."""
    known = {**document("build")["duties"], **RULES}
    calls.version_add(call=programme.build, document=document("build", duties=known), reason="r", by=None, at=programme.now)
    programme.build.refresh_from_db()
    allocation = programme.award(programme.judged()).allocation
    assert allocation is not None
    Site.objects.update(engine="slurm")
    return allocation


def filled(programme: Programme, allocation: Allocation, *, times: int) -> None:
    """All of it, so many times over where there can be more than one."""
    now, cpu = programme.now, Resource.objects.get(slug="cpu")
    for _ in range(times):
        number = next(NUMBER)
        tail = str(number).rjust(26, "0")
        projects.allocation_supplement(
            allocation=allocation, id=f"grow-{tail}", amount=MICRO, reason="Good.", by=programme.officer, at=now,
            kind=Kind.SUPPLEMENT,
        )  # fmt: skip
        hold = BatchHold.objects.create(
            id=f"b{tail}", allocation=allocation, resource=cpu, opened_by=programme.founder, amount=MICRO,
            rate_frozen=allocation.resources.get().rate_frozen, hold_amount=MICRO, opened_at=now, due_at=now,
        )  # fmt: skip
        for person in (programme.founder, programme.colleague):
            BatchPerson.objects.create(hold=hold, user=person)
        Session.objects.create(
            id=f"s{tail}", user=programme.founder, allocation=allocation, resource=cpu,
            profile=Profile.objects.get(slug="small"),
            cores=1, memory_gib=2, minutes=60, rate_per_hour=1, worker_rate_per_hour=1, rate_words="", requested_at=now,
            queue_until=now, due_at=now,
        )  # fmt: skip
        dataset = Dataset.objects.create(
            slug=f"d{tail}",
            title="Boats",
            access_class=AccessClass.REGISTERED,
            steward=programme.steward,
            created_at=now,
            commercial_use=True,
        )
        Access.objects.create(allocation=allocation, dataset=dataset, asked_at=now, state=A.AWAITING_TERMS)
        DailyUse.objects.get_or_create(allocation=allocation, day=now.date() - timedelta(days=number % 13 + 1), used=0)
        for wish in WISHES:
            asked = {"by": programme.founder, "at": now}
            MoreAsked.objects.get_or_create(allocation=allocation, wish=wish, answered_at=None, defaults=asked)
    Keeping.objects.get_or_create(
        allocation=allocation, defaults={"quota_bytes": 9, "free_bytes": 9, "gib_hour": 1, "due_at": now, "measured_at": now}
    )
    ReclaimNotice.objects.get_or_create(
        allocation=allocation, defaults={"amount": MICRO, "reason": "idle", "given_at": now, "due_on": now.date(), "seq": 1}
    )


def said(programme: Programme, allocation: Allocation, *, by: User, staff: bool) -> None:
    """Something new to read in its thread."""
    message_post(
        about=f"allocation:{allocation.code}", title="", url="", text="Well?", staff=staff, to=[], by=by, at=programme.now
    )


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("reader", ["founder", "colleague", "officer", "operator"])
def test_with_everything_on_it_the_page_stays_within_fifteen_queries(
    programme: Programme, full: Allocation, reader: str, named: bool
) -> None:
    if named:
        Allocation.objects.filter(pk=full.pk).update(named_people_only=True)
        for person in (programme.founder, programme.colleague):
            AllocationMember.objects.create(allocation=full, user=person, added_at=programme.now)
    user: User = getattr(programme, reader)
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(user)
    counts, pages = [], []
    for times in (1, 1, 3):  # opened for the first time, again, and with three times as much on it
        filled(programme, full, times=times)
        for one, staff in ((programme.second_officer, True), (programme.colleague, False), (programme.founder, False)):
            said(programme, full, by=one, staff=staff) if one != user else None
        with CaptureQueriesContext(connections["default"]) as seen:
            answer: Any = client.get(f"/allocations/{full.code}/")
        counts.append(len(seen))
        pages.append(answer.content.decode())
    if reader == "founder":  # the others see less
        for words in SEEN:
            assert all(words in page for page in pages), words
    assert Grown.objects.filter(allocation=full).count() == 5
    assert Report.objects.filter(allocation=full).exists()
    assert counts[2] == counts[1] == counts[0] <= QUERIES_MAX, "\n".join(one["sql"][:200] for one in seen.captured_queries)
