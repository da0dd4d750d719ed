"""Size class over years and through chains of firms, by Articles 3, 4 and 6 of the annex to Recommendation 2003/361/EC."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as portal_settings
from django.db import IntegrityError, transaction
from django.test import Client

from portal.accounts.models import User
from portal.core.errors import Malformed, NotAllowed, Refusal
from portal.organisations import facts, services, years
from portal.organisations.models import AccountingYear, FactChange, Organisation, OrgRole, RelatedFirm
from portal.organisations.size_class import Related, size_class
from portal.organisations.size_years import Year, size_over_years
from tests.support import portal

# A hundred, a thousand and ten thousand people make visible in the sum whose figures count, and how much.
PEOPLE = {"A": 1, "B": 100, "C": 10_000, "D": 1_000_000}


def firm(name: str, share: str, **changes: Any) -> Related:
    return Related(name, Decimal(share), headcount=PEOPLE[name], turnover_eur=0, **changes)


def total(*firms: Related) -> int:
    """People of my enterprise A with the firms given."""
    return size_class(headcount=PEOPLE["A"], turnover_eur=0, balance_sheet_eur=None, related=firms).sums[0]


# --- whose figures count --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("firms", "people"),
    [
        # Partners only: A has 33 % of C and 49 % of D, B has 25 % of A: 100 % A + 25 % B + 33 % C + 49 % D.
        ([firm("B", "25"), firm("C", "33"), firm("D", "49")], 1 + 25 + 3_300 + 490_000),
        # Linked only: A has 51 % of C and all of D, B has 60 % of A: all of the four.
        ([firm("B", "60"), firm("C", "51"), firm("D", "100")], 1 + 100 + 10_000 + 1_000_000),
        # B has 60 % of A, and partners C (32 % of B) and D (25 % of B): A + B + 32 % C + 25 % D.
        ([firm("B", "60"), firm("C", "32", through="B"), firm("D", "25", through="B")], 1 + 100 + 3_200 + 250_000),
        # B has 38 % of A and is linked to C (60 %); D has 40 % of B: A + 38 % (B + C); a partner's partner does not count.
        ([firm("B", "38"), firm("C", "60", through="B"), firm("D", "40", through="B")], 1 + 38 + 3_800),
        # A university B (25 %) and an institutional investor D (25 %) are exempt; C is an ordinary partner: A + 30 % C.
        ([firm("B", "25", exempt=True), firm("C", "30"), firm("D", "25", exempt=True)], 1 + 3_000),
        # The same, linked to each other with 55 % together: not exempt.
        ([firm("B", "25"), firm("C", "25"), firm("D", "30")], 1 + 25 + 2_500 + 300_000),
        # Linked through two others, whatever the order in which they are named.
        ([firm("D", "51", through="C"), firm("C", "51", through="B"), firm("B", "51")], 1 + 100 + 10_000 + 1_000_000),
        # An exempt holder of more than half controls it all the same.
        ([firm("B", "51", exempt=True)], 101),
    ],
)
def test_partners_count_by_their_share_and_linked_firms_whole_along_the_chain(firms: list[Related], people: int) -> None:
    assert total(*firms) == people


def test_a_circle_of_firms_ends_and_counts_none_of_them() -> None:
    circle = [firm("B", "60", through="D"), firm("C", "60", through="B"), firm("D", "60", through="C")]
    found = size_class(headcount=1, turnover_eur=0, balance_sheet_eur=None, related=circle)
    assert (found.sums[0], found.size) == (1, "micro")
    assert total(firm("B", "60", through="nobody")) == 1


def test_the_words_say_of_every_firm_how_much_of_it_counts() -> None:
    found = size_class(
        headcount=1,
        turnover_eur=0,
        balance_sheet_eur=None,
        related=[firm("B", "38"), firm("C", "60", through="B"), firm("D", "40", through="B")],
    )
    words = "\n".join(found.working)
    for said in (
        "B (partner, 38 % counts)",
        "C (linked to B, counts as that does: 38 %)",
        "D (partner of the partner B, does not",
    ):
        assert said in words
    assert "Together: 3839 people" in words


def test_public_bodies_are_added_up_and_an_exempt_town_is_left_out() -> None:
    def held(**changes: Any) -> str:
        holders = [firm("B", "15", public_body=True), firm("C", "10", public_body=True, **changes)]
        return size_class(headcount=1, turnover_eur=0, balance_sheet_eur=None, related=holders).size

    assert (held(), held(exempt=True)) == ("large", "micro")


# --- two years in a row ---------------------------------------------------------------------------------------------------
def over(*people: int, gap: int = 1, related: list[Related] | None = None) -> str:
    """The class after years with so many people, the last one being 2025."""
    before = [Year(date(2025 - gap * (len(people) - 1 - place), 12, 31), number, 0) for place, number in enumerate(people[:-1])]
    return size_over_years(
        years=before[::-1],
        ends_on=date(2025, 12, 31),
        headcount=people[-1],
        turnover_eur=0,
        balance_sheet_eur=None,
        related=related or [],
    ).size


@pytest.mark.parametrize(
    ("people", "size"),
    [
        ((220, 260), "medium"),  # over for one year
        ((220, 260, 255), "large"),  # over for two
        ((220, 260, 240, 260), "medium"),  # never two in a row
        ((260, 260, 240), "large"),  # below for one year
        ((260, 260, 240, 230), "medium"),
        ((5, 60, 300), "medium"),  # both years were beyond small; only one beyond medium
        ((5, 300, 60), "medium"),
        ((300, 300, 5, 60), "medium"),
        ((300, 300, 60, 5), "medium"),
        ((5, 12), "micro"),
        ((5, 12, 12), "small"),
        ((12,), "small"),
    ],
)
def test_a_class_changes_after_two_years_in_a_row_and_only_so_far_as_both_went(people: tuple[int, ...], size: str) -> None:
    assert over(*people) == size


def test_a_gap_between_the_years_begins_anew() -> None:
    assert over(220, 260, gap=2) == "large"


def test_who_was_bought_by_a_group_is_what_the_group_is_at_once() -> None:
    bought = Related("Group", Decimal(80), headcount=900, turnover_eur=0, since=date(2025, 6, 1))
    long_ago = Related("Group", Decimal(80), headcount=900, turnover_eur=0)
    assert over(40, 40, related=[bought]) == "large"
    assert over(40, 40, related=[long_ago]) == "small"  # its figures were in the years before: they say 40
    assert over(40, 240, related=[bought]) == "large"


def test_the_words_say_why_a_class_stays() -> None:
    found = size_over_years(
        years=[Year(date(2024, 12, 31), 220, 0)],
        ends_on=date(2025, 12, 31),
        headcount=260,
        turnover_eur=1_000,
        balance_sheet_eur=None,
    )
    assert found.reason.startswith("medium as before: 260 people, turnover € 1,000 would be large, but a class changes only")
    assert "Year to 31 December 2024: 220 people, turnover € 0: medium" in found.working


# --- kept, shown, refused -------------------------------------------------------------------------------------------------
@pytest.fixture
def owner(db: None, now: datetime) -> User:
    return portal.person("owner", at=now)


@pytest.fixture
def mine(owner: User, now: datetime) -> Organisation:
    return services.organisation_create(
        by=owner,
        name="Savanna",
        country="DE",
        registry_id="X-1",
        headcount=220,
        turnover_eur=4_000_000,
        balance_sheet_eur=None,
        accounts_end_on=date(2024, 12, 31),
        region="Bayern",
        at=now,
    )


def again(organisation: Organisation) -> Organisation:
    return Organisation.objects.get(pk=organisation.pk)


@pytest.mark.django_db(databases="__all__")
def test_newer_accounts_leave_those_of_the_year_before_with_their_group(mine: Organisation, owner: User, now: datetime) -> None:
    change: dict[str, Any] = {"organisation": mine, "by": owner, "at": now}
    services.organisation_update(**change, headcount=225)  # a correction of the same year
    assert not AccountingYear.objects.exists()
    facts.related_firm_add(**change, name="Partner", share_percent=Decimal(30), headcount=50, turnover_eur=100)
    services.organisation_update(**change, headcount=260, accounts_end_on=date(2025, 12, 31))
    kept = AccountingYear.objects.get()
    assert (kept.ends_on, kept.headcount, kept.group_headcount) == (date(2024, 12, 31), 225, 240)
    assert (again(mine).size.size, "medium as before" in again(mine).size.reason) == ("medium", True)
    years.year_remove(**change, pk=kept.pk)
    assert again(mine).size.size == "large"
    assert FactChange.objects.filter(field="accounting_year").count() == 1
    assert FactChange.objects.filter(field="accounts_end_on").first().after == "2025-12-31"  # type: ignore[union-attr]


@pytest.mark.django_db(databases="__all__")
def test_years_are_entered_by_owners_once_and_before_the_newest(mine: Organisation, owner: User, now: datetime) -> None:
    colleague = portal.person("colleague", at=now)
    portal.member(mine, colleague, OrgRole.MANAGER, at=now)
    year: dict[str, Any] = {"organisation": mine, "headcount": 9, "turnover_eur": 1, "at": now}
    with pytest.raises(NotAllowed):
        years.year_add(**year, ends_on=date(2023, 12, 31), by=colleague)
    for wrong in (date(2024, 12, 31), date(2026, 1, 1)):
        with pytest.raises(Malformed, match="ended before"):
            years.year_add(**year, ends_on=wrong, by=owner)
    years.year_add(**year, ends_on=date(2023, 12, 31), by=owner)
    with pytest.raises(Malformed, match="entered already"):
        years.year_add(**year, ends_on=date(2023, 12, 31), by=owner)
    assert again(mine).size.size == "micro"
    Organisation.objects.update(accounts_end_on=None)
    with pytest.raises(Malformed, match="Say first"):
        years.year_add(**{**year, "organisation": again(mine)}, ends_on=date(2022, 12, 31), by=owner)
    with pytest.raises(IntegrityError), transaction.atomic():
        AccountingYear.objects.create(**{**_columns(mine, now), "ends_on": date(2023, 12, 31)})


def _columns(organisation: Organisation, now: datetime) -> dict[str, Any]:
    figures = {"headcount": 1, "turnover_eur": 1, "group_headcount": 1, "group_turnover_eur": 1}
    return {"organisation": organisation, "written_at": now, **figures}


@pytest.mark.django_db(databases="__all__")
def test_firms_are_named_through_others_and_those_in_between_stay(mine: Organisation, owner: User, now: datetime) -> None:
    named: dict[str, Any] = {"organisation": mine, "headcount": 10, "turnover_eur": 1, "by": owner, "at": now}
    mother = facts.related_firm_add(**named, name="Mother", share_percent=Decimal(60))
    aunt = facts.related_firm_add(**named, name="Aunt", share_percent=Decimal(30), through=mother.pk)
    assert again(mine).size.sums[0] == 220 + 10 + 3
    with pytest.raises(Refusal, match="related through Mother"):
        facts.related_firm_remove(organisation=mine, pk=mother.pk, by=owner, at=now)
    for wrong in ({"through": 999}, {"exempt": True, "dominant": True}, {"since": date(2027, 1, 1)}):
        with pytest.raises(Malformed):
            facts.related_firm_add(**named, name="Wrong", share_percent=Decimal(30), **wrong)
    facts.related_firm_remove(organisation=mine, pk=aunt.pk, by=owner, at=now)
    facts.related_firm_remove(organisation=mine, pk=mother.pk, by=owner, at=now)
    assert not RelatedFirm.objects.exists()


@pytest.mark.django_db(databases="__all__")
def test_a_region_is_one_of_the_countrys(mine: Organisation, owner: User, now: datetime) -> None:
    assert (mine.region, mine.region_name) == ("DE-BY", "Bayern")
    for given, code in (("de-he", "DE-HE"), ("HE", "DE-HE"), ("Bay", "DE-BY"), ("", "")):
        assert services.organisation_update(organisation=mine, by=owner, at=now, region=given).region == code
    with pytest.raises(Malformed, match=r"no region of DE. Write a code or a name, for example"):
        services.organisation_update(organisation=mine, by=owner, at=now, region="Nairobi")


@pytest.mark.django_db(databases="__all__")
def test_the_page_takes_years_and_chains_and_shows_the_working(
    mine: Organisation, owner: User, now: datetime, settings: Any
) -> None:
    settings.STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    client = Client(headers={"host": portal_settings.PORTAL_HOST})
    client.force_login(owner)
    address = f"/enterprise/{mine.pk}/facts/"
    given = {"ends_on": "2023-12-31", "headcount": "40", "turnover_eur": "1", "with_related": "on"}
    assert client.post(f"{address}year/", {**given, "ends_on": "2030-01-01"}).status_code == 422
    assert client.post(f"{address}year/", given).status_code == 302
    share = {"headcount": "1", "turnover_eur": "1", "direction": "holder", "share_percent": "60"}
    assert client.post(f"{address}firm/", {**share, "name": "Mother"}).status_code == 302
    mother = RelatedFirm.objects.get()
    assert client.post(f"{address}firm/", {**share, "name": "Aunt", "through": "999"}).status_code == 422
    assert client.post(f"{address}firm/", {**share, "name": "Aunt", "through": str(mother.pk)}).status_code == 302
    page = client.get(address).content.decode()
    for words in ("small as before", "It holds a part of Mother", "Year to 31 December 2023", "linked to Mother"):
        assert words in page
    year = AccountingYear.objects.get()
    for _ in range(2):
        assert client.post(f"{address}year/{year.pk}/remove/").status_code == 302
    assert not AccountingYear.objects.exists()
