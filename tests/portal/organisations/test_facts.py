"""Facts of enterprises: their history and proof, related firms, subsidies over three years, declarations signed once."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as portal_settings
from django.db import IntegrityError, transaction
from django.test import Client

from portal.accounts.models import Role, User
from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal
from portal.organisations import declarations, facts, selectors, services
from portal.organisations.models import Declaration, FactChange, Organisation, OrgRole, RelatedFirm, Subsidy
from portal.organisations.subsidies import aid_total
from tests.support import portal

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture(autouse=True)
def _plain_static_files(settings: Any) -> None:
    """Static files are not collected in unit tests."""
    settings.STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


@pytest.fixture
def owner(now: datetime) -> User:
    return portal.person("owner", at=now)


@pytest.fixture
def firm(owner: User, now: datetime) -> Organisation:
    return services.organisation_create(
        by=owner,
        name="Savanna",
        country="TZ",
        registry_id="X-1",
        headcount=30,
        turnover_eur=4_000_000,
        balance_sheet_eur=None,
        evidence="Accounts 2025",
        at=now,
    )


@pytest.fixture
def officer(now: datetime) -> User:
    return portal.person("officer", Role.OFFICER, at=now)


def browser(user: User) -> Client:
    client = Client(headers={"host": portal_settings.PORTAL_HOST})
    client.force_login(user)
    return client


RELATED: dict[str, Any] = {"name": "Mother", "share_percent": Decimal("60"), "headcount": 230, "turnover_eur": 1}


# --- history ------------------------------------------------------------------------------------------------------------
def test_every_fact_keeps_what_it_was_who_changed_it_and_what_proves_it(firm: Organisation, owner: User, now: datetime) -> None:
    services.organisation_update(organisation=firm, by=owner, at=now, headcount=31, evidence="Payroll of May")
    newest = selectors.fact_history(organisation=firm).first()
    assert newest is not None
    assert (newest.field, newest.before, newest.after, newest.evidence) == ("headcount", "30", "31", "Payroll of May")
    entered = {row.field: row.evidence for row in FactChange.objects.filter(organisation=firm).exclude(pk=newest.pk)}
    assert entered["turnover_eur"] == "Accounts 2025"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("legal_form", "club"),
        ("sector", "Z"),
        ("founded_on", date(2026, 3, 3)),
        ("headcount", -1),
        ("country", "Atlantis"),
        ("registry_id", " "),
        ("name", ""),
    ],
)
def test_a_wrong_fact_is_refused_by_its_name_and_nothing_changes(
    firm: Organisation, owner: User, now: datetime, field: str, value: Any
) -> None:
    with pytest.raises(Malformed) as refused:
        services.organisation_update(organisation=firm, by=owner, at=now, **{field: value})
    assert refused.value.facts["field"] == field
    assert FactChange.objects.filter(organisation=firm, before="").count() == FactChange.objects.count()


def test_an_officer_from_elsewhere_verifies_with_proof_and_a_new_number_must_be_verified_anew(
    firm: Organisation, owner: User, officer: User, now: datetime
) -> None:
    change = FactChange.objects.get(organisation=firm, field="registry_id")
    assert list(selectors.facts_to_verify()) == [change]
    with pytest.raises(NotAllowed):
        facts.fact_verify(change=change, note="I know them", by=owner, at=now)
    with pytest.raises(Malformed):
        facts.fact_verify(change=change, note=" ", by=officer, at=now)
    for note in ("Register of Tanzania, page of today", "a second press"):
        facts.fact_verify(change=change, note=note, by=officer, at=now)
    change.refresh_from_db()
    firm.refresh_from_db()
    assert change.verified_note.startswith("Register")
    assert firm.registry_words == "confirmed by a person"
    services.organisation_update(organisation=firm, by=owner, at=now, registry_id="X-2")
    firm.refresh_from_db()
    assert firm.registry_words == "a person will check"
    with pytest.raises(Refusal, check=lambda refused: refused.code == "fact_outdated"):
        facts.fact_verify(change=change, note="again", by=officer, at=now)
    portal.member(firm, officer, OrgRole.MEMBER, at=now)
    newest = FactChange.objects.filter(organisation=firm, field="registry_id").first()
    assert newest is not None
    with pytest.raises(NotAllowed, match="another officer"):
        facts.fact_verify(change=newest, note="ours", by=officer, at=now)


# --- related firms ------------------------------------------------------------------------------------------------------
def test_a_linked_firm_changes_the_size_class_and_taking_it_out_changes_it_back(
    firm: Organisation, owner: User, now: datetime
) -> None:
    assert firm.size.size == "small"
    related = facts.related_firm_add(organisation=firm, by=owner, at=now, **RELATED)
    assert firm.size.size == "large"
    assert any("linked, all of it counts" in line for line in firm.size.working)
    with pytest.raises(Malformed, match="named already"):
        facts.related_firm_add(organisation=firm, by=owner, at=now, **RELATED)
    for _ in range(2):
        facts.related_firm_remove(organisation=firm, pk=related.pk, by=owner, at=now)
    assert Organisation.objects.get(pk=firm.pk).size.size == "small"
    assert FactChange.objects.filter(organisation=firm, field="related_firm").count() == 2


def test_only_an_owner_names_firms_tells_of_subsidies_and_signs(firm: Organisation, owner: User, now: datetime) -> None:
    manager, stranger = portal.person("manager", at=now), portal.person("stranger", at=now)
    portal.member(firm, manager, OrgRole.MANAGER, at=now)
    aid: dict[str, Any] = {"granted_on": now.date(), "amount_eur": 5, "granted_by": "Town"}
    for person, refusal in ((manager, NotAllowed), (stranger, NotYours)):
        with pytest.raises(refusal):
            facts.related_firm_add(organisation=firm, by=person, at=now, **RELATED)
        with pytest.raises(refusal):
            facts.subsidy_add(organisation=firm, by=person, at=now, **aid)
        with pytest.raises(refusal):
            declarations.declaration_sign(organisation=firm, kind="civil_use", version=1, by=person, at=now)
    assert not RelatedFirm.objects.exists()
    assert not Subsidy.objects.exists()
    assert not Declaration.objects.exists()
    facts.subsidy_add(organisation=firm, by=owner, at=now, **aid)
    assert Subsidy.objects.count() == 1


# --- subsidies ----------------------------------------------------------------------------------------------------------
def test_subsidies_count_for_three_years_to_the_day(firm: Organisation, owner: User, now: datetime) -> None:
    today = now.date()
    for granted_on, amount in ((date(2023, 3, 2), 1), (date(2023, 3, 3), 10), (today, 100)):
        facts.subsidy_add(organisation=firm, granted_on=granted_on, amount_eur=amount, granted_by="Town", by=owner, at=now)
    total = aid_total(organisation=firm, today=today)
    assert (total.total_eur, total.room_eur) == (110, 299_890)
    told = Subsidy.objects.get(amount_eur=100)
    facts.subsidy_withdraw(organisation=firm, pk=told.pk, by=owner, at=now)
    assert aid_total(organisation=firm, today=today).total_eur == 10
    with pytest.raises(Malformed, match="has been"):
        facts.subsidy_add(
            organisation=firm, granted_on=today + timedelta(days=1), amount_eur=1, granted_by="Town", by=owner, at=now
        )


def test_what_an_award_wrote_only_an_officer_can_right(firm: Organisation, owner: User, now: datetime) -> None:
    for _ in range(2):
        facts.subsidy_from_award(
            organisation=firm, amount_eur=7, on=now.date(), granted_by="Here", purpose="", about="allocation:A-1", at=now
        )
    row = Subsidy.objects.get()
    with pytest.raises(NotAllowed):
        facts.subsidy_withdraw(organisation=firm, pk=row.pk, by=owner, at=now)
    assert aid_total(organisation=firm, today=now.date()).total_eur == 7


# --- declarations -------------------------------------------------------------------------------------------------------
def test_a_declaration_is_signed_once_reused_and_runs_out(firm: Organisation, owner: User, now: datetime) -> None:
    sign: dict[str, Any] = {"organisation": firm, "kind": "export_control", "by": owner}
    first = declarations.declaration_sign(**sign, version=1, at=now)
    assert declarations.declaration_sign(**sign, version=1, at=now) == first
    assert first.text == declarations.texts()["export_control"].text
    last = first.expires_on
    assert set(declarations.in_force(organisation=firm, today=last)) == {"export_control"}
    assert not declarations.in_force(organisation=firm, today=last + timedelta(days=1))
    with pytest.raises(Refusal, check=lambda refused: refused.code == "declaration_changed"):
        declarations.declaration_sign(**sign, version=2, at=now)
    later = declarations.declaration_sign(**sign, version=1, at=now + timedelta(days=800))
    assert later.pk != first.pk
    declarations.declaration_withdraw(organisation=firm, kind="export_control", by=owner, at=now)
    assert not declarations.in_force(organisation=firm, today=now.date())


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("organisations_a_share_is_a_percentage", lambda firm, at: RelatedFirm(name="X", share_percent=101, added_at=at)),
        ("organisations_a_subsidy_has_an_amount", lambda firm, at: Subsidy(granted_on=at, amount_eur=0, written_at=at)),
        (
            "organisations_a_verified_fact_says_by_what",
            lambda firm, at: FactChange(field="name", at=at, verified_at=at),
        ),
    ],
)
def test_the_database_keeps_the_promise_too(firm: Organisation, now: datetime, name: str, make: Any) -> None:
    row = make(firm, now)
    row.organisation = firm
    if isinstance(row, RelatedFirm):
        row.headcount = row.turnover_eur = 0
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        row.save()


# --- the pages ----------------------------------------------------------------------------------------------------------
def test_the_facts_page_for_each_who_may_see_it(
    firm: Organisation, owner: User, officer: User, now: datetime, django_assert_max_num_queries: Any
) -> None:
    at = f"/enterprise/{firm.pk}/facts/"
    with django_assert_max_num_queries(15):
        page = browser(owner).get(at).content.decode()
    assert "Name a firm" in page
    assert "Sign for Savanna" in page
    seen = browser(officer).get(at).content.decode()
    assert "What did you look at?" in seen
    assert "Sign for Savanna" not in seen
    assert browser(portal.person("stranger", at=now)).get(at).status_code == 404


def test_hostile_forms_are_answered_in_words_and_change_nothing(firm: Organisation, owner: User) -> None:
    client, at = browser(owner), f"/enterprise/{firm.pk}/facts/"
    bad = client.post(at + "firm/", {**RELATED, "share_percent": "-5", "direction": "sideways"})
    assert bad.status_code == 422
    assert "details open" in bad.content.decode()
    assert client.post(at + "subsidy/", {"granted_on": "soon", "amount_eur": "0", "granted_by": ""}).status_code == 422
    assert client.post(at + "sign/", {"kind": "civil_use", "version": "77"}).status_code == 409
    assert client.post(at + "sign/", {"kind": "nonsense", "version": "1"}).status_code == 422
    assert not RelatedFirm.objects.exists()
    assert not Declaration.objects.exists()
    for _ in range(2):
        assert client.post(at + "sign/", {"kind": "civil_use", "version": "1"}).status_code == 302
    assert Declaration.objects.count() == 1
    assert client.post(at + "firm/", {**RELATED, "direction": "holder"}).status_code == 302
    assert "<h2>Size class: large</h2>" in client.get(at).content.decode()


def test_a_leaver_is_gone_everywhere_at_once(firm: Organisation, owner: User, now: datetime) -> None:
    colleague = portal.person("colleague", at=now)
    portal.member(firm, colleague, OrgRole.OWNER, at=now)
    client = browser(colleague)
    assert client.get(f"/enterprise/{firm.pk}/facts/").status_code == 200
    services.member_remove(organisation=firm, user=colleague, by=owner, at=now)
    assert client.get(f"/enterprise/{firm.pk}/facts/").status_code == 404
    assert client.post(f"/enterprise/{firm.pk}/facts/sign/", {"kind": "civil_use", "version": "1"}).status_code == 404
