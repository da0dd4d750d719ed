"""The AI Act screening: versioned questions, answers and outcome kept with reasons; it informs and decides nothing."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from allocations.applications import screenings, services
from allocations.applications.models import Application, Screening
from allocations.applications.screening.questionnaire import Questionnaire, dates_of, questionnaire, walk
from allocations.calls import services as calls
from portal.accounts.models import User
from portal.api.tokens import token_create
from portal.core.errors import Malformed, NotAllowed, Refusal
from tests.support.programme import Programme, document

ASKED = questionnaire()
KEYS = [question.key for question in ASKED.questions]


# --- the walk -----------------------------------------------------------------------------------------------------------
# Busy machines are slow to draw; that says nothing about the rule.
@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["yes", "no", "unsure", "maybe", None])))
def test_every_walk_ends_at_a_question_or_an_outcome_and_its_reasons_are_its_answers(answers: dict[str, Any]) -> None:
    found = walk(ASKED, answers)
    assert (found.asks is None) == (found.outcome in ASKED.outcomes)
    assert len(found.reasons) == len(found.steps)
    # Walking again by the answers on the way alone comes to the same end.
    assert walk(ASKED, found.answers) == found
    for step, reason in zip(found.steps, found.reasons, strict=True):
        assert step.words in reason
        assert step.question.source in reason


AI = {"ai_system": "yes", "in_union": "yes", "research_only": "no", "prohibited": "no", "safety_part": "no"}
NO_AREA = dict.fromkeys(["biometrics", "infrastructure", "education", "work", "services", "state"], "no")


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ({"ai_system": "no"}, "not_ai"),
        ({"ai_system": "yes", "in_union": "no"}, "outside"),
        ({**AI, "research_only": "yes"}, "research"),
        ({**AI, "prohibited": "yes"}, "prohibited"),
        ({**AI, "safety_part": "yes"}, "high_product"),
        ({**AI, **NO_AREA, "work": "yes", "narrow": "no"}, "high"),
        ({**AI, **NO_AREA, "work": "unsure", "narrow": "unsure"}, "high"),  # unsure never makes it lighter
        ({**AI, **NO_AREA, "services": "yes", "narrow": "yes"}, "high_excepted"),
        ({**AI, **NO_AREA, "people": "yes"}, "transparency"),
        ({**AI, **NO_AREA, "people": "no"}, "minimal"),
    ],
)
def test_where_answers_lead(answers: dict[str, str], outcome: str) -> None:
    assert walk(ASKED, answers).outcome == outcome


def test_the_laws_dates_are_data() -> None:
    assert [day.on for day in dates_of(ASKED, "high")] == [date(2027, 12, 2)]
    assert [day.on for day in dates_of(ASKED, "high_product")] == [date(2028, 8, 2)]
    assert [day.on for day in dates_of(ASKED, "prohibited")] == [date(2025, 2, 2), date(2026, 12, 2)]


@pytest.mark.parametrize(
    ("target", "words"), [("=nowhere", "no outcome"), ("ai_system", "does not come after"), ("moon", "does not come after")]
)
def test_a_questionnaire_that_could_go_astray_is_refused(target: str, words: str) -> None:
    whole = ASKED.model_dump(mode="json")
    whole["questions"][0]["next"]["yes"] = target
    with pytest.raises(ValidationError, match=words):
        Questionnaire.model_validate(whole)


# --- kept with an application -------------------------------------------------------------------------------------------
@pytest.fixture
def draft(programme: Programme) -> Application:
    rules = document("build", ai_screening=True)
    calls.version_add(call=programme.build, document=rules, reason="law", by=None, at=programme.now)
    programme.build.refresh_from_db()
    return programme.draft()


def give(programme: Programme, row: Application, key: str, answer: str, **by: Any) -> Any:
    who = by.get("by", programme.founder)
    return screenings.answer_give(application=row, key=key, answer=answer, by=who, at=programme.now)


@pytest.mark.django_db(databases="__all__")
def test_it_must_be_answered_and_the_outcome_stops_nobody(programme: Programme, draft: Application) -> None:
    with pytest.raises(Refusal) as refused:
        services.application_submit(application=draft, by=programme.founder, at=programme.now)
    assert list(refused.value.facts["problems"]) == ["screening"]
    for key, answer in {**AI, **NO_AREA, "biometrics": "yes"}.items():
        if key in ("infrastructure", "education", "work", "services", "state"):
            continue
        give(programme, draft, key, answer)
    give(programme, draft, "narrow", "no")
    result = screenings.result_of(draft)
    assert result is not None
    assert (result.row.outcome, result.row.questionnaire, result.outdated) == ("high", "ai-act-2026-09", False)
    assert any("Annex III 1" in reason for reason in result.row.reasons)
    services.application_submit(application=draft, by=programme.founder, at=programme.now)
    assert draft.state == "submitted"
    with pytest.raises(Refusal, check=lambda refused: refused.code == "not_editable"):
        give(programme, draft, "narrow", "yes")


@pytest.mark.django_db(databases="__all__")
def test_changing_an_answer_asks_anew_what_follows_and_keeps_what_was_said(programme: Programme, draft: Application) -> None:
    give(programme, draft, "ai_system", "no")
    assert screenings.result_of(draft) is not None
    for _ in range(2):  # a double press is one answer
        give(programme, draft, "ai_system", "yes")
    assert screenings.result_of(draft) is None
    assert Screening.objects.filter(application=draft).count() == 2
    with pytest.raises(Refusal, check=lambda refused: refused.code == "not_asked"):
        give(programme, draft, "narrow", "yes")  # a stale tab
    with pytest.raises(Malformed):
        give(programme, draft, "in_union", "perhaps")
    with pytest.raises(NotAllowed):
        give(programme, draft, "in_union", "yes", by=programme.colleague)


@pytest.mark.django_db(databases="__all__")
def test_the_questions_come_one_by_one_on_a_page(programme: Programme, draft: Application) -> None:
    client, at = Client(headers={"host": settings.PORTAL_HOST}), f"/applications/{draft.code}/screening/"
    client.force_login(programme.founder)
    assert "Is what you build an AI system" in client.get(at).content.decode()
    assert client.post(at, {"question": "ai_system"}).status_code == 422
    client.post(at, {"question": "ai_system", "answer": "yes"})
    assert "European Union" in client.get(at).content.decode()
    client.post(at, {"question": "in_union", "answer": "no"})
    assert "Outside the Union" in client.get(at).content.decode()
    assert "Outside the Union" in client.get(f"/applications/{draft.code}/check/").content.decode()
    client.post(at, {"restart": "1"})
    assert "Is what you build an AI system" in client.get(at).content.decode()


@pytest.mark.django_db(databases="__all__")
def test_programs_answer_it_in_one_call_and_what_is_wrong_keeps_none_of_it(programme: Programme, draft: Application) -> None:
    def post(user: User, answers: Any) -> tuple[int, Any]:
        token = token_create(user=user, name="t", at=programme.now)
        answer = Client(headers={"host": settings.PORTAL_HOST}).post(
            f"/api/v1/applications/{draft.code}/screening",
            json.dumps({"answers": answers}),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )
        return answer.status_code, answer.json()

    status, found = post(programme.founder, {})
    assert (status, found["asks"]["key"], found["outcome"]) == (200, "ai_system", None)
    for person, refusal in ((programme.colleague, 403), (programme.rival, 404), (programme.operator, 404)):
        assert post(person, {"ai_system": "no"})[0] == refusal
    for wrong, code in (
        ({"ai_system": "yes", "narrow": "yes"}, "not_asked"),
        ({"ai_system": "yes", "in_union": "perhaps"}, "malformed"),
    ):
        assert post(programme.founder, wrong)[1]["code"] == code
    assert post(programme.founder, ["ai_system"])[0] == 422
    assert not Screening.objects.filter(application=draft).exists()
    status, found = post(programme.founder, {"ai_system": "no"})
    assert (status, found["asks"], bool(found["outcome"]), bool(found["reasons"])) == (200, None, True, True)
    services.application_submit(application=draft, by=programme.founder, at=programme.now)
    assert post(programme.founder, {"ai_system": "yes"})[1]["code"] == "not_editable"
