"""Awards in parts: the rest waits out of the pool, is granted once by an officer, or goes back when the award ends."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.test import Client

from allocations.awards import rests
from allocations.awards.models import Rest
from allocations.calls import services as calls
from allocations.ledger.selectors import balance
from allocations.ledger.verify import verify
from allocations.projects import services as projects
from portal.core.errors import Malformed, NotAllowed, Refusal
from portal.core.quantities import MICRO
from portal.organisations.models import OrgRole
from tests.support import portal
from tests.support.programme import Programme, document

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def rest(programme: Programme) -> Rest:
    """An award of 300 credits of which 60 % came at once."""
    rules = document("build", release={"at_award_percent": 60})
    calls.version_add(call=programme.build, document=rules, reason="in parts", by=None, at=programme.now)
    programme.build.refresh_from_db()
    programme.award(programme.judged())
    return Rest.objects.select_related("allocation__organisation").get()


def test_it_is_set_aside_and_granted_once(programme: Programme, rest: Rest) -> None:
    account = rest.allocation.account
    assert (balance(code=account).available, rest.amount, programme.left()) == (180 * MICRO, 120 * MICRO, 700)
    grant: dict[str, Any] = {"rest": rest, "at": programme.now}
    for person in (programme.founder, programme.operator):
        with pytest.raises(NotAllowed):
            rests.rest_grant(**grant, reason="Good.", by=person)
    with pytest.raises(Malformed):
        rests.rest_grant(**grant, reason=" ", by=programme.officer)
    portal.member(programme.firm, programme.second_officer, OrgRole.MEMBER, at=programme.now)
    with pytest.raises(NotAllowed, match="another officer"):
        rests.rest_grant(**grant, reason="Ours.", by=programme.second_officer)
    assert balance(code=account).available == 180 * MICRO
    for _ in range(2):
        rests.rest_grant(**grant, reason="Good.", by=programme.officer)
    assert (balance(code=account).available, programme.left()) == (300 * MICRO, 700)
    verify(chain=True)


def test_what_was_not_granted_goes_back_when_the_award_ends(programme: Programme, rest: Rest) -> None:
    rests.rests_return(at=programme.now)
    assert Rest.objects.get().ended_at is None  # the award goes on
    projects.allocation_end(allocation=rest.allocation, reason="Done.", by=programme.officer, at=programme.now)
    for _ in range(2):
        rests.rests_return(at=programme.now)
    assert programme.left() == 1000
    rest.refresh_from_db()
    assert (rest.granted, rest.reason) == (False, "the allocation ended")
    with pytest.raises(Refusal, check=lambda refused: refused.code in ("rest_gone", "allocation_over")):
        rests.rest_grant(rest=rest, reason="Too late.", by=programme.officer, at=programme.now)
    assert programme.left() == 1000
    verify(chain=True)


def test_a_pool_that_holds_the_first_part_only_makes_no_award(programme: Programme) -> None:
    rules = document("build", release={"at_award_percent": 60})
    calls.version_add(call=programme.build, document=rules, reason="in parts", by=None, at=programme.now)
    programme.build.refresh_from_db()
    programme.award(programme.judged(credits=900, recommended=800), credits=800)
    second = programme.judged(by=programme.rival, credits=300)
    with pytest.raises(Refusal, check=lambda refused: refused.code == "exceeds_pool"):
        programme.award(second, credits=300)  # 180 at once would fit into the 200 left; what is promised must, too
    assert (programme.left(), Rest.objects.count()) == (200, 1)


def test_the_button_stands_on_the_application_for_officers(programme: Programme, rest: Rest) -> None:
    code = rest.allocation.application.code
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(programme.founder)
    page = client.get(f"/applications/{code}/").content.decode()
    assert "120 credits" in page
    assert "Grant the rest" not in page
    assert client.post(f"/applications/{code}/rest/", {"reason": "Mine."}).status_code == 403
    client.force_login(programme.officer)
    assert "Grant the rest" in client.get(f"/applications/{code}/").content.decode()
    assert client.post(f"/applications/{code}/rest/", {"reason": ""}).status_code == 422
    for _ in range(2):
        assert client.post(f"/applications/{code}/rest/", {"reason": "Good."}).status_code == 302
    assert balance(code=rest.allocation.account).available == 300 * MICRO


@pytest.mark.parametrize(
    ("name", "values"),
    [("awards_a_rest_has_an_amount", {"amount": 0}), ("awards_a_rest_ends_with_a_reason", {"ended_at": True})],
)
def test_the_database_keeps_the_promise_too(programme: Programme, rest: Rest, name: str, values: dict[str, Any]) -> None:
    changes = {key: programme.now if value is True else value for key, value in values.items()}
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Rest.objects.filter(pk=rest.pk).update(**changes)


def test_an_allocations_page_says_what_its_calls_rules_say(programme: Programme) -> None:
    reclaim = {"after_days": 10, "used_below_percent": 20, "take_percent": 50}
    duties = {**document("build")["duties"], "acknowledgement": "Made with Compute Commons."}
    rules = document("build", reclaim=reclaim, duties=duties)
    calls.version_add(call=programme.build, document=rules, reason="duties", by=None, at=programme.now)
    programme.build.refresh_from_db()
    allocation = programme.award(programme.judged()).allocation
    assert allocation is not None
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(programme.founder)

    def page() -> str:
        return client.get(f"/allocations/{allocation.code}/").content.decode()

    assert "0 % of 300 credits are used, 0 top-ups so far" in page()
    assert "Print with results: Made with Compute Commons." in page()
    idle = "% used after 10 days"
    assert idle not in page()
    programme.later(days=10)
    client.force_login(programme.founder)
    assert f"0 {idle}, so 150 credits." in page()
