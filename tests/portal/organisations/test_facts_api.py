"""Linked and partner firms and accounting years, told by programs: the same rules as on the page."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from portal.accounts.models import Role, User
from portal.api.tokens import token_create
from portal.organisations import services
from portal.organisations.models import AccountingYear, FactChange, Organisation, OrgRole, RelatedFirm
from tests.support import portal

pytestmark = pytest.mark.django_db(databases="__all__")
HOLDING = {"name": "Holding", "share_percent": "60", "headcount": 300, "turnover_eur": 90_000_000}
YEAR = {"ends_on": "2024-12-31", "headcount": 9, "turnover_eur": 1_000_000}


@pytest.fixture
def owner(db: None, now: datetime) -> User:
    return portal.person("asha", at=now)


@pytest.fixture
def firm(owner: User, now: datetime) -> Organisation:
    made = portal.firm(owner, at=now, turnover_eur=900_000)
    services.organisation_update(organisation=made, accounts_end_on=date(2025, 12, 31), by=owner, at=now)
    return made


def program(user: User) -> Any:
    token = token_create(user=user, name="t", at=timezone.now())
    return Client(headers={"host": settings.PORTAL_HOST, "Authorization": f"Bearer {token}"})


def test_a_firm_is_named_counted_and_taken_out_again(owner: User, firm: Organisation) -> None:
    api, address = program(owner), f"/api/v1/organisations/{firm.pk}/related-firms"
    assert api.get(f"/api/v1/organisations/{firm.pk}").json()["size_class"] == "micro"
    made = api.post(address, HOLDING, content_type="application/json")
    assert (made.status_code, made.json()["size_class"], made.json()["counts_as"]) == (201, "large", "linked")
    between = {**HOLDING, "name": "Above", "through": made.json()["id"], "share_percent": 30.5}
    above = api.post(address, between, content_type="application/json").json()
    assert [(one["name"], one["through"]) for one in api.get(address).json()["items"]] == [
        ("Holding", None),
        ("Above", made.json()["id"]),
    ]
    refused = api.delete(f"{address}/{made.json()['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "firm_in_between")
    for pk in (above["id"], made.json()["id"], made.json()["id"]):  # a second time is harmless
        assert api.delete(f"{address}/{pk}").status_code == 204
    assert api.get(address).json()["items"] == []
    assert FactChange.objects.filter(field="related_firm").count() == 4  # what was named stays in the history


def test_a_year_is_entered_and_taken_out_again(owner: User, firm: Organisation) -> None:
    api, address = program(owner), f"/api/v1/organisations/{firm.pk}/accounting-years"
    made = api.post(address, {**YEAR, "evidence": "Accounts, filed."}, content_type="application/json")
    assert (made.status_code, made.json()["with_related_firms"]["headcount"]) == (201, 9)
    twice = api.post(address, YEAR, content_type="application/json")
    assert (twice.status_code, twice.json()["field"], "entered already" in twice.json()["detail"]) == (422, "ends_on", True)
    assert [one["ends_on"] for one in api.get(address).json()["items"]] == ["2024-12-31"]
    for _ in range(2):
        assert api.delete(f"{address}/{made.json()['id']}").status_code == 204
    assert api.get(address).json()["items"] == []


def test_owners_write_members_and_officers_read_others_learn_nothing(owner: User, firm: Organisation, now: datetime) -> None:
    member, officer, rival = portal.person("m", at=now), portal.person("o", Role.OFFICER, at=now), portal.person("r", at=now)
    portal.member(firm, member, OrgRole.MANAGER, at=now)
    kept = RelatedFirm.objects.create(organisation=firm, added_at=now, **HOLDING)
    for what, body, one in (("related-firms", HOLDING, kept.pk), ("accounting-years", YEAR, 1)):
        address = f"/api/v1/organisations/{firm.pk}/{what}"
        for person, reads, writes in ((member, 200, 403), (officer, 200, 404), (rival, 404, 404)):
            api = program(person)
            assert api.get(address).status_code == reads
            assert api.post(address, {**body, "name": "Other"}, content_type="application/json").status_code == writes
            assert api.delete(f"{address}/{one}").status_code == writes
    mine = portal.firm(rival, at=now)
    # Under an enterprise of one's own another's firm is not found, and stays.
    assert program(rival).delete(f"/api/v1/organisations/{mine.pk}/related-firms/{kept.pk}").status_code == 204
    assert (RelatedFirm.objects.count(), AccountingYear.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    ("what", "wrong", "field"),
    [
        ("related-firms", {"name": ""}, "name"),
        ("related-firms", {"name": " "}, "name"),
        ("related-firms", {"name": "x" * 161}, "name"),
        ("related-firms", {"share_percent": 0}, "share_percent"),
        ("related-firms", {"share_percent": "100.01"}, "share_percent"),
        ("related-firms", {"share_percent": "NaN"}, "share_percent"),
        ("related-firms", {"share_percent": "33.333"}, "share_percent"),
        ("related-firms", {"direction": "sideways"}, "direction"),
        ("related-firms", {"headcount": -1}, "headcount"),
        ("related-firms", {"headcount": 10**7 + 1}, "headcount"),
        ("related-firms", {"turnover_eur": 10**30}, "turnover_eur"),
        ("related-firms", {"balance_sheet_eur": "much"}, "balance_sheet_eur"),
        ("related-firms", {"since": "2999-01-01"}, "since"),
        ("related-firms", {"since": "0000-13-01"}, "since"),
        ("related-firms", {"through": 4_000_000}, "through"),
        ("related-firms", {"through": 2**70}, "through"),
        ("related-firms", {"exempt": True, "dominant": True}, "exempt"),
        ("accounting-years", {"ends_on": "2025-12-31"}, "ends_on"),
        ("accounting-years", {"ends_on": None}, "ends_on"),
        ("accounting-years", {"headcount": 1.5}, "headcount"),
        ("accounting-years", {"turnover_eur": -1}, "turnover_eur"),
        ("accounting-years", {"balance_sheet_eur": 10**15}, "balance_sheet_eur"),
        ("accounting-years", {"evidence": "x" * 501}, "evidence"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_kept(
    owner: User, firm: Organisation, what: str, wrong: dict[str, Any], field: str
) -> None:
    body = {**(HOLDING if what == "related-firms" else YEAR), **wrong}
    address = f"/api/v1/organisations/{firm.pk}/{what}"
    answer = program(owner).post(address, body, content_type="application/json")
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert answer.json()["detail"]
    assert not RelatedFirm.objects.exists()
    assert not AccountingYear.objects.exists()
