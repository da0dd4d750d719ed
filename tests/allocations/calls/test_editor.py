"""Programme staff edit calls in forms: from a preset to a version in force; open rules are frozen; dry runs."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from allocations.calls import editing
from allocations.calls.document import CallDocument
from allocations.calls.models import Call, CallDraft, CallVersion
from allocations.calls.part_forms import PartForm
from allocations.calls.places import PLACES, content_at, place_find
from allocations.calls.presets import preset_document, preset_list
from portal.accounts.models import User
from portal.core.errors import Malformed, NotAllowed, Refusal
from tests.support.programme import Programme, document

pytestmark = pytest.mark.django_db(databases="__all__")


def browser(user: User) -> Client:
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(user)
    return client


def place(path: str) -> Any:
    found = place_find(path.replace(".", "-"))
    assert found is not None
    return found


def as_posted(form: PartForm) -> dict[str, Any]:
    """What a browser sends of a form that was opened and not touched."""
    sent = {}
    for name, field in form.fields.items():
        value = form.get_initial_for_field(field, name)
        if value is None or value is False:
            continue
        sent[name] = [str(v) for v in value] if isinstance(value, list) else "on" if value is True else str(value)
    return sent


# --- every part has a form that gives back what it was given ------------------------------------------------------------
@pytest.mark.parametrize("preset", preset_list(), ids=lambda preset: preset.slug)
def test_opening_and_saving_any_part_of_a_preset_changes_nothing(preset: Any) -> None:
    rules = CallDocument.model_validate(preset_document(preset, pool="pool:x", resources=["cpu"]))
    whole = rules.model_dump(mode="json")
    seen = 0
    for one in PLACES:
        content = content_at(whole, one)
        items = content if one.shape == "many" else [content]
        for item in items or []:
            if item is None:
                continue
            model = one.model(item.get("kind", ""))
            form = PartForm(model, item, as_posted(PartForm(model, item)))
            assert form.is_valid(), (one.path, form.errors)
            given = form.content()
            kept = {**item, **given}
            if one.path not in ("about", "amounts", "review", "duties"):
                assert model.model_validate(kept) == model.model_validate(item), one.path
            else:
                again = editing._plain({**whole, **kept} if one.path == "about" else {**whole, one.path: kept})
                assert CallDocument.model_validate(again) == rules, one.path
            seen += 1
    assert seen > 15


# --- a whole life -------------------------------------------------------------------------------------------------------
def test_from_a_preset_to_an_open_call_through_the_pages(programme: Programme) -> None:
    client = browser(programme.officer)
    begin = {"preset": "uk-airr-gateway", "slug": "gateway", "pool": "pool:build", "resources": ["cpu"], "credits_each": "2"}
    assert "Check before use" in client.get("/calls/new/").content.decode()
    assert client.post("/calls/new/", {**begin, "slug": "Not A Slug"}).status_code == 422
    assert client.post("/calls/new/", {**begin, "slug": "build"}).status_code == 422  # taken
    assert client.post("/calls/new/", begin).url == "/calls/gateway/edit/"
    page = client.get("/calls/gateway/edit/").content.decode()
    assert "The first version" in page
    assert browser(programme.founder).get("/calls/gateway/").status_code == 404

    # A place is changed; what is wrong is said beside it and kept.
    draft = CallDraft.objects.get(call__slug="gateway")
    at = "/calls/gateway/edit/part/amounts-units/0/"
    unit = {"key": "gpu_hour", "words": "GPU-hours", "credits_each": "2", "least": "10", "most": "5"}
    wrong = client.post(at, {**unit, "revision": draft.revision})
    assert (wrong.status_code, "most is below least" in wrong.content.decode()) == (422, True)
    assert client.post(at, {**unit, "most": "8000", "revision": draft.revision}).status_code == 302
    # The same press again is the same; a stale tab is told and its words stay in the form.
    assert client.post(at, {**unit, "most": "8000", "revision": draft.revision}).status_code == 302
    stale = client.post(at, {**unit, "most": "7000", "revision": draft.revision})
    assert stale.status_code == 422
    assert "Somebody else changed this call" in stale.content.decode()
    assert 'value="7000"' in stale.content.decode()
    draft.refresh_from_db()
    assert draft.document["amounts"]["units"][0]["most"] == "8000"

    preview = client.get("/calls/gateway/edit/preview/").content.decode()
    assert "What is it for?" in preview
    assert "8000 GPU-hours" in preview

    publish = {"reason": "first version", "revision": draft.revision}
    assert client.post("/calls/gateway/edit/publish/", {**publish, "reason": ""}).status_code == 422
    for _ in range(2):
        assert client.post("/calls/gateway/edit/publish/", publish).url == "/calls/gateway/"
    call = Call.objects.get(slug="gateway")
    assert (call.published, call.versions.count()) == (True, 1)
    assert "8000 GPU-hours" in browser(programme.founder).get("/calls/gateway/").content.decode()


def test_open_rules_are_frozen_words_are_not_and_a_pause_lets_them_change(programme: Programme) -> None:
    call = programme.build
    draft = editing.draft_of(call=call, by=programme.officer, at=programme.now)

    def put(path: str, content: Any) -> None:
        editing.draft_put(
            draft=draft,
            place=place(path),
            number=None,
            content=content,
            revision=draft.revision,
            by=programme.officer,
            at=programme.now,
        )

    def publish() -> CallVersion:
        return editing.draft_publish(
            draft=draft, reason="Clearer.", revision=draft.revision, by=programme.officer, at=programme.now
        )

    put("about", {"summary": "Clearer words."})
    assert publish().number == 2
    draft = editing.draft_of(call=Call.objects.get(pk=call.pk), by=programme.officer, at=programme.now)
    put("amounts", {"credits_max": "5"})
    with pytest.raises(Malformed, match="credits_max is below credits_min"):
        publish()
    put("amounts", {"credits_max": "500"})
    with pytest.raises(Refusal, match=r"amounts\.credits_max") as refused:
        publish()
    assert refused.value.code == "rules_frozen"
    assert CallVersion.objects.filter(call=call).count() == 2
    editing.call_pause(call=call, reason="We lower the limit.", by=programme.officer, at=programme.now)
    call.refresh_from_db()
    assert call.intake(programme.now).words == "Paused: We lower the limit."
    with pytest.raises(Refusal, match="takes no applications now"):
        programme.draft()
    assert publish().number == 3
    editing.call_resume(call=call, by=programme.officer, at=programme.now)
    assert Call.objects.get(pk=call.pk).intake(programme.now).open
    page = browser(programme.founder).get("/calls/build/versions/").content.decode()
    assert "amounts.credits_max" in page
    assert "Clearer." in page


def test_a_later_closing_day_and_a_higher_cap_are_no_change_of_rules() -> None:
    def rules(**intake: Any) -> CallDocument:
        whole = {"kind": "dated", "closes_at": "2026-05-01T16:00:00Z", "applications_max": 100, **intake}
        return CallDocument.model_validate(document("build", intake=whole))

    assert not editing.frozen_changes(rules(), rules(closes_at="2026-06-01T16:00:00Z"))
    assert editing.frozen_changes(rules(), rules(closes_at="2026-04-01T16:00:00Z"))
    assert not editing.frozen_changes(rules(), rules(applications_max=200))
    assert editing.frozen_changes(rules(), rules(applications_max=50))


def test_two_who_publish_at_once_one_wins(programme: Programme) -> None:
    editing.call_pause(call=programme.build, reason="x", by=programme.officer, at=programme.now)
    draft = editing.draft_of(call=programme.build, by=programme.officer, at=programme.now)
    other = CallDraft.objects.get(pk=draft.pk)
    terms: dict[str, Any] = {"reason": "x", "revision": draft.revision, "at": programme.now}
    editing.draft_publish(draft=draft, by=programme.officer, **terms)
    with pytest.raises(Refusal, check=lambda refused: refused.code == "changed_meanwhile"):
        editing.draft_publish(draft=other, by=programme.second_officer, **terms)


@pytest.mark.parametrize("path", ["/calls/edit/", "/calls/new/", "/calls/build/edit/", "/calls/build/edit/dry-run/"])
def test_only_officers_edit(programme: Programme, path: str) -> None:
    assert browser(programme.officer).get(path).status_code == 200
    for person in (programme.founder, programme.reviewers[0], programme.operator):
        assert browser(person).get(path).status_code == 403
    with pytest.raises(NotAllowed):
        editing.draft_of(call=programme.build, by=programme.founder, at=programme.now)


def test_discarding_keeps_the_rules_in_force(programme: Programme) -> None:
    client = browser(programme.officer)
    client.get("/calls/build/edit/")
    for _ in range(2):
        assert client.post("/calls/build/edit/discard/").status_code == 302
    assert Call.objects.filter(slug="build", current__isnull=False).exists()
    begun = editing.call_begin(slug="begun", document={}, by=programme.officer, at=programme.now)
    editing.draft_discard(draft=begun.draft, by=programme.officer, at=programme.now)  # type: ignore[attr-defined]
    assert not Call.objects.filter(slug="begun").exists()


def test_the_editor_asks_a_constant_number_of_questions(programme: Programme, django_assert_max_num_queries: Any) -> None:
    client = browser(programme.officer)
    for path in ("/calls/edit/", "/calls/build/edit/", "/calls/build/edit/preview/", "/calls/build/versions/"):
        client.get(path)
        with django_assert_max_num_queries(15):
            assert client.get(path).status_code == 200
