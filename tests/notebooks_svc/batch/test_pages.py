"""Pages and API of batch holds: the line to copy, the history, no more queries for more rows."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from notebooks_svc.agent.slurm.options import batch_account_name
from notebooks_svc.batch.models import BatchHold
from portal.accounts.models import User
from portal.api.tokens import token_create
from portal.core.ids import batch_id_new

from .conftest import Machine

pytestmark = pytest.mark.django_db(databases="__all__")
QUERIES_MAX = 15


@pytest.fixture(autouse=True)
def _plain_static(settings: Any) -> None:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # no collected files are needed
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}


def browser(user: User) -> Client:
    """A signed-in browser."""
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(user)
    return client


def program(user: User, machine: Machine) -> Client:
    """A program with a token."""
    token = token_create(user=user, name="t", at=machine.world.now)
    return Client(headers={"host": settings.PORTAL_HOST, "Authorization": f"Bearer {token}"})


def test_set_aside_in_the_browser_and_the_page_says_the_line_to_submit_with(machine: Machine) -> None:
    world = machine.world
    client = browser(world.colleague)
    code = world.allocation.code
    assert "Set credits aside" in client.get(f"/allocations/{code}/").content.decode()
    page = client.get(f"/allocations/{code}/batch-holds/new/").content.decode()
    assert "Who submits the jobs" not in page, "a member sets aside for their own jobs"
    id = batch_id_new()
    form = {"id": id, "resource": "cpu", "credits": "2,5"}
    for _ in range(2):  # a double click
        answer = client.post(f"/allocations/{code}/batch-holds/new/", form)
        assert answer.headers["Location"] == f"/batch-holds/{id}/"
    assert BatchHold.objects.get().amount == 2_500_000
    page = client.get(f"/batch-holds/{id}/").content.decode()
    assert "The site is being told" in page
    machine.run(20)
    hold = BatchHold.objects.get()
    job = machine.ran(hold, 360, name="<b>bold</b>")
    machine.run(30)
    page = client.get(f"/batch-holds/{id}/").content.decode()
    name = batch_account_name(settings.INSTANCE_ID, id)
    assert f"sbatch \\\n  --account={name} \\\n  --qos={name} \\\n  --partition=hpc \\\n  --time=01:00:00 job.sh" in page
    assert f"c{world.colleague.hub_username}" in page
    assert str(job.job) in page
    assert "<b>bold" not in page
    assert "0.5 to be charged with the next settlement" in page
    client.post(f"/batch-holds/{id}/close/", {"running": "cancel"})
    machine.run(60)
    assert "0.5 credits were charged, 2 returned" in client.get(f"/batch-holds/{id}/").content.decode()
    assert "Closed" in client.get(f"/allocations/{code}/batch-holds/").content.decode()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"credits": "many"}, "is not a number of credits"),
        ({"credits": "5000"}, "are left"),
        ({"credits": "0.0000001"}, "six decimal places"),
        ({"resource": "elsewhere"}, "Select a valid choice"),
        ({"id": "x"}, "no id of a batch hold"),
    ],
)
def test_a_bad_input_is_told_and_sets_nothing_aside(machine: Machine, given: dict[str, str], said: str) -> None:
    form = {"id": batch_id_new(), "resource": "cpu", "credits": "1", **given}
    answer = browser(machine.world.colleague).post(f"/allocations/{machine.world.allocation.code}/batch-holds/new/", form)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not BatchHold.objects.exists()


def test_the_api_opens_lists_and_closes(machine: Machine) -> None:
    world = machine.world
    api = program(world.colleague, machine)
    body = {"allocation": world.allocation.code, "resource": "cpu", "credits": "2"}
    made = api.post("/api/v1/batch-holds", body, content_type="application/json")
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["state"], row["credits"], row["held"], row["charged"]) == ("open", "2", "2", "0")
    assert row["submit"].startswith(f"sbatch --account={row['account']} --qos={row['qos']} --partition=hpc")
    machine.run(20)
    hold = BatchHold.objects.get()
    machine.ran(hold, 360)
    machine.run(30)
    one = api.get(f"/api/v1/batch-holds/{row['id']}").json()
    assert one["unsettled"] == "0.5"
    assert one["people"] == [
        {"user": "colleague@example.org", "site_account": f"c{world.colleague.hub_username}", "left_at": None}
    ]
    (job,) = api.get(f"/api/v1/batch-holds/{row['id']}/jobs").json()["items"]
    assert (job["seconds"], job["settled"], job["source"], job["rate_per_hour"]) == (360, False, "scheduler", "5")
    assert [r["id"] for r in api.get("/api/v1/batch-holds?state=open").json()["items"]] == [row["id"]]
    stranger = program(world.rival, machine)
    assert stranger.get(f"/api/v1/batch-holds/{row['id']}").status_code == 404
    assert stranger.get("/api/v1/batch-holds").json()["items"] == []
    closed = api.post(f"/api/v1/batch-holds/{row['id']}/close", {"running": "finish"}, content_type="application/json")
    assert closed.json()["state"] == "closing"
    machine.run(60)
    row = api.get(f"/api/v1/batch-holds/{row['id']}").json()
    assert (row["state"], row["charged"], row["held"], row["end_reason"]) == (
        "closed",
        "0.5",
        "0",
        "The person it belongs to closed it.",
    )
    (usage,) = api.get("/api/v1/usage").json()["items"]
    assert (usage["kind"], usage["launch"], usage["charge"]) == ("batch", row["id"], "0.5")
    for wrong in ({**body, "credits": "-1"}, {**body, "resource": "nothing"}, {**body, "people": ["rival@example.org"]}):
        assert 400 <= api.post("/api/v1/batch-holds", wrong, content_type="application/json").status_code < 500


def test_more_rows_make_no_more_queries(machine: Machine) -> None:
    world = machine.world
    client = browser(world.founder)
    code = world.allocation.code
    hold = machine.open(5, user=world.founder, people=["colleague@example.org", "founder@example.org"])
    machine.ran(hold, 60)
    machine.run(30)
    pages = [f"/allocations/{code}/batch-holds/", f"/batch-holds/{hold.pk}/", f"/allocations/{code}/batch-holds/new/"]
    card = asked(client, f"/allocations/{code}/")
    few = [asked(client, page) for page in pages]
    for number in range(4):
        other = machine.open(1, user=world.founder, people=["colleague@example.org", "founder@example.org"])
        machine.ran(other, 30)
        for _ in range(3):
            machine.ran(hold, 20 + number)
    machine.run(30)
    assert [asked(client, page) for page in pages] == few
    assert asked(client, f"/allocations/{code}/") <= card
    assert max(few) <= QUERIES_MAX


def asked(client: Client, page: str) -> int:
    """How many queries of the main database a page makes."""
    client.get(page)
    with CaptureQueriesContext(connections["default"]) as queries:
        assert client.get(page).status_code == 200
    return len(queries)
