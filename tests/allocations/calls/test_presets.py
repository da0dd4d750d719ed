"""Each preset is a call, says where it was read, and leads from the first answer to an award."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as portal_settings
from django.test import Client

from allocations.applications import drafts, files, screenings
from allocations.applications import services as applications
from allocations.applications.asking import UNIT
from allocations.applications.models import Application
from allocations.applications.selectors import eligibility_of
from allocations.awards import automatic, rests
from allocations.awards import services as awards
from allocations.awards.models import Rest
from allocations.awards.terms import asked_terms
from allocations.calls import services as calls
from allocations.calls.answers import questions, shown
from allocations.calls.document import CallDocument, Question
from allocations.calls.presets import preset_document, preset_get, preset_list
from allocations.ledger.selectors import balance
from allocations.ledger.verify import verify
from allocations.reviews import services as reviews
from allocations.reviews.steps import step_record, steps_planned
from portal.core.errors import NotYours, Refusal
from portal.core.quantities import MICRO
from portal.objects.door import store
from portal.organisations import declarations
from portal.organisations.models import Subsidy
from tests.support.programme import Programme, pool

pytestmark = pytest.mark.django_db(databases="__all__")

PRESETS = [
    "access-accelerate",
    "access-discover",
    "access-explore",
    "eurohpc-fast-lane",
    "eurohpc-playground",
    "nairr-start-up",
    "uk-airr-gateway",
    "uk-airr-rapid",
]
PDF = b"%PDF-1.7 a plan %%EOF"
FACTS: dict[str, dict[str, Any]] = {
    "access": {"country": "US", "legal_form": "research_organisation"},
    "nairr": {"country": "US", "legal_form": "company"},
    "uk": {"country": "GB", "legal_form": "company", "registry_scheme": "GB company number"},
    "eurohpc": {"country": "PT", "legal_form": "company"},
}


@pytest.fixture(autouse=True)
def _own_store(settings: Any, tmp_path: Path) -> Iterator[None]:
    """Files of these tests lie in a folder of their own."""
    settings.OBJECTS_ROOT = tmp_path
    store.cache_clear()
    yield
    store.cache_clear()


def test_the_eight_presets_are_there_and_name_their_source_and_what_to_check() -> None:
    assert sorted(preset.slug for preset in preset_list()) == PRESETS
    for preset in preset_list():
        assert preset.sources
        assert preset.check
        document = preset_document(preset, pool="pool:x", resources=["cpu"], credits_each=Decimal("2.5"))
        rules = CallDocument.model_validate(document)
        assert any(line.startswith("To check before use") for line in rules.sources)
        for unit in rules.amounts.units:
            assert rules.amounts.credits_max == unit.most * Decimal("2.5")
    with pytest.raises(NotYours):
        preset_get("access-maximize")


def answer(question: Question) -> Any:
    """Some right answer."""
    if question.kind in ("choice", "choices"):
        # The last class of activity is open to firms; the first choice of all others will do.
        key = question.choices[-1 if question.key == "activity_class" else 0][0]
        return [key] if question.kind == "choices" else key
    return {"yes_no": True, "number": 1, "date": "2031-01-01"}.get(question.kind, "Some words.")


def application_made(programme: Programme, slug: str) -> Application:
    """The preset as an open call, an enterprise that fits it, and a full application."""
    firm = programme.firm
    for name, value in FACTS[slug.split("-", maxsplit=1)[0]].items():
        setattr(firm, name, value)
    firm.save()
    document = preset_document(preset_get(slug), pool="pool:preset", resources=["cpu"])
    call = calls.call_create(slug=slug, document=document, by=None, at=programme.now, published=True)
    pool("pool:preset", 5_000_000, at=programme.now)
    row = drafts.draft_create(call=call, organisation=firm, by=programme.founder, at=programme.now)
    rules, given = row.version.rules, {}
    for question in questions(rules):
        if question.required and shown(question, given):
            given[question.key] = answer(question)
    amounts = rules.amounts
    asked: dict[str, Any] = {UNIT + unit.key: str(unit.most) for unit in amounts.units} or {
        "ask-credits": int(amounts.credits_max) * MICRO
    }
    asked |= {"ask-months": amounts.months[0], "ask-resources": ["cpu"]}
    drafts.draft_save(application=row, changes={**given, **asked}, base=None, by=programme.founder, at=programme.now)
    for asked in rules.attachments:
        files.file_add(
            application=row,
            key=asked.key,
            name="x.pdf",
            source=BytesIO(PDF),
            size=len(PDF),
            by=programme.founder,
            at=programme.now,
        )
    if rules.ai_screening:
        screenings.answer_give(application=row, key="ai_system", answer="no", by=programme.founder, at=programme.now)
    return row


def sign(programme: Programme) -> None:
    for kind, text in declarations.texts().items():
        declarations.declaration_sign(
            organisation=programme.firm, kind=kind, version=text.version, by=programme.founder, at=programme.now
        )


@pytest.mark.parametrize("slug", PRESETS)
def test_from_the_first_answer_to_an_award(programme: Programme, slug: str) -> None:
    sign(programme)
    row = application_made(programme, slug)
    rules = row.version.rules
    asked = row.requested_credits or 0
    assert asked == int(rules.amounts.credits_max) * MICRO
    applications.application_submit(application=row, by=programme.founder, at=programme.now)
    if rules.automatic:
        automatic.decide_due(at=programme.now)
    else:
        terms = asked_terms(row)
        with pytest.raises(Refusal, check=lambda refused: refused.code == "steps_missing"):
            awards.application_award(application=row, terms=terms, reason="Good.", by=programme.officer, at=programme.now)
        _take_steps(programme, row)
        awards.application_award(application=row, terms=terms, reason="Good.", by=programme.officer, at=programme.now)
    row.refresh_from_db()
    assert (row.state, row.outcome) == ("decided", "awarded")
    allocation = row.allocation
    assert allocation is not None
    held_back = asked // 2 if rules.release else 0
    assert balance(code=allocation.account).available == asked - held_back
    if rules.release:
        rest = Rest.objects.get(allocation=allocation)
        assert balance(code=rest.account).available == held_back
        for _ in range(2):  # a double press grants once
            rests.rest_grant(rest=rest, reason="The report is good.", by=programme.officer, at=programme.now)
        assert balance(code=allocation.account).available == asked
    aid = Subsidy.objects.filter(organisation=programme.firm)
    assert aid.exists() is (rules.aid is not None)
    verify(chain=True)


def _take_steps(programme: Programme, row: Application) -> None:
    for plan in steps_planned(row):
        if plan.step.kind == "review":
            made = reviews.reviewers_assign(
                application=row, reviewers=programme.reviewers, by=programme.officer, at=programme.now
            )
            for review in made:
                programme.judge(review)
        elif plan.applies:
            step_record(
                application=row, key=plan.step.key, passed=True, note="Looked at.", by=programme.officer, at=programme.now
            )


def test_what_the_rules_make_of_an_application_stands_on_its_page(programme: Programme) -> None:
    sign(programme)
    row = application_made(programme, "eurohpc-fast-lane")
    client = Client(headers={"host": portal_settings.PORTAL_HOST})
    client.force_login(programme.founder)
    page = client.get(f"/applications/{row.code}/").content.decode()
    assert "Free of charge for micro, small or medium enterprises." in page
    assert "Administrative check: taken, for every application." in page


def test_without_the_declarations_the_uk_and_eurohpc_presets_say_so_before_anything_is_written(programme: Programme) -> None:
    with pytest.raises(Refusal, match="Not signed yet: civil use, export control") as refused:
        application_made(programme, "uk-airr-gateway")
    assert refused.value.code == "not_eligible"
    sign(programme)
    call = calls.Call.objects.get(slug="uk-airr-gateway")
    found = eligibility_of(call=call, organisation=programme.firm, today=programme.now.date())
    assert found.eligible is True


def test_a_second_award_beyond_the_ceiling_of_aid_is_refused_with_the_sum(programme: Programme) -> None:
    sign(programme)
    row = application_made(programme, "uk-airr-gateway")
    Subsidy.objects.create(
        organisation=programme.firm,
        granted_on=programme.now.date(),
        amount_eur=350_000,
        granted_by="Elsewhere",
        written_at=programme.now,
    )
    with pytest.raises(Refusal) as refused:
        applications.application_submit(application=row, by=programme.founder, at=programme.now)
    assert refused.value.code == "incomplete"
    assert "€ 365,000" in str(refused.value.facts["problems"])
    row.refresh_from_db()
    assert row.state == "draft"
