"""Calls for programs of programme staff: begun, edited as a working copy, published, paused; the same rules as on the pages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema, Status

from portal.accounts.models import User
from portal.api.root import caller
from portal.core.errors import Malformed, NotYours

from . import editing, selectors
from .document import CallDocument
from .models import Call, CallDraft
from .places import place_find
from .presets import preset_document, preset_get, preset_list

router = Router(tags=["calls: programme staff"])


class BeginIn(Schema):
    """A new call: from a whole or unfinished document, or from a preset on a pool and machines."""

    slug: str
    document: dict[str, Any] | None = None
    preset: str = ""
    pool: str = ""
    resources: list[str] = []
    credits_each: Decimal = Decimal(1)


class DraftIn(Schema):
    """The whole working copy; `revision` is the one that was read."""

    document: dict[str, Any]
    revision: int


class PlaceIn(Schema):
    """What stands at one place. `number` is the item of a list, one more than there are adds one; no content takes it out."""

    content: dict[str, Any] | None = None
    number: int | None = None
    revision: int


class PublishIn(Schema):
    """Why the rules change; `revision` is the working copy that was looked at."""

    reason: str
    revision: int


class PauseIn(Schema):
    """Why it takes no applications; it stands on the call's page."""

    reason: str


@router.get("/call-schema")
def call_schema(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001 (the framework gives it)
    """The JSON Schema every call's document is held against."""
    return CallDocument.model_json_schema()


@router.get("/call-presets")
def call_presets(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001 (the framework gives it)
    """Programmes' rules to begin from, each with its sources and what must be checked before use."""
    return {
        "items": [
            {"preset": preset.slug, "name": preset.name, "sources": preset.sources, "check": preset.check}
            for preset in preset_list()
        ]
    }


def call_begin(request: HttpRequest, body: BeginIn) -> Status[Any]:
    """Begin a call: it has a working copy and no rules in force yet. What is wrong in it is answered, not refused."""
    user, now = caller(request), timezone.now()
    document = body.document
    if body.preset:
        if not body.pool or not body.resources or document is not None:
            raise Malformed("A preset is named beside a pool and machines, and without a document.", field="preset")
        preset = preset_get(body.preset)
        document = preset_document(preset, pool=body.pool, resources=body.resources, credits_each=body.credits_each)
    editing.check_shape(document or {})
    call = editing.call_begin(slug=body.slug, document=document or {}, by=user, at=now)
    return Status(201, _row(call, editing.draft_of(call=call, by=user, at=now)))


@router.get("/calls/{slug}/draft")
def draft_get(request: HttpRequest, slug: str) -> dict[str, Any]:
    """The working copy, made from the rules in force where there is none: what is wrong, what it changes, what is frozen."""
    return _row(*_draft(caller(request), slug))


@router.put("/calls/{slug}/draft")
def draft_put(request: HttpRequest, slug: str, body: DraftIn) -> dict[str, Any]:
    """Write the whole working copy. It may be unfinished; only what is whole can be published."""
    user = caller(request)
    with transaction.atomic():  # a copy made for what is refused is not kept
        call, draft = _draft(user, slug)
        editing.draft_write(draft=draft, document=body.document, revision=body.revision, by=user, at=timezone.now())
    return _row(call, draft)


@router.put("/calls/{slug}/draft/{place}")
def draft_place_put(request: HttpRequest, slug: str, place: str, body: PlaceIn) -> dict[str, Any]:
    """Write one place of the working copy, for example `amounts`, `review-criteria`, `duties-topup`."""
    user = caller(request)
    found = place_find(place)
    if found is None:
        raise NotYours("part of a call")
    if (found.shape == "many") != (body.number is not None):
        raise Malformed("A list needs the number of the item; other places have none.", field="number")
    if body.content is None and found.shape == "whole":
        raise Malformed("This part cannot be taken out.", field="content")
    with transaction.atomic():
        call, draft = _draft(user, slug)
        editing.draft_put(
            draft=draft,
            place=found,
            number=body.number,
            content=body.content,
            revision=body.revision,
            by=user,
            at=timezone.now(),
        )
        editing.check_shape(draft.document)
    return _row(call, draft)


@router.delete("/calls/{slug}/draft", response={204: None})
def draft_discard(request: HttpRequest, slug: str) -> Status[Any]:
    """Throw the working copy away; the rules in force stay. A call that never had rules goes with it."""
    user = caller(request)
    call = selectors.call_get_for_staff(slug=slug, user=user)
    draft = CallDraft.objects.filter(call=call).select_related("call").first()
    if draft is not None:
        editing.draft_discard(draft=draft, by=user, at=timezone.now())
    return Status(204, None)


@router.post("/calls/{slug}/publish", response={201: dict[str, Any]})
def draft_publish(request: HttpRequest, slug: str, body: PublishIn) -> Status[Any]:
    """Make the working copy the rules in force and show the call publicly."""
    user = caller(request)
    call = selectors.call_get_for_staff(slug=slug, user=user)
    draft = CallDraft.objects.filter(call=call).select_related("call").first()
    if draft is None:
        raise NotYours("working copy")
    version = editing.draft_publish(draft=draft, reason=body.reason, revision=body.revision, by=user, at=timezone.now())
    return Status(201, {"slug": slug, "version": version.number, "reason": version.reason, "created_at": version.created_at})


@router.post("/calls/{slug}/pause")
def call_pause(request: HttpRequest, slug: str, body: PauseIn) -> dict[str, Any]:
    """Take no more applications for a while, so that rules may change."""
    user = caller(request)
    editing.call_pause(call=selectors.call_get_for_staff(slug=slug, user=user), reason=body.reason, by=user, at=timezone.now())
    return _state(selectors.call_get_for_staff(slug=slug, user=user))


@router.post("/calls/{slug}/resume")
def call_resume(request: HttpRequest, slug: str) -> dict[str, Any]:
    """Take applications again."""
    user = caller(request)
    editing.call_resume(call=selectors.call_get_for_staff(slug=slug, user=user), by=user, at=timezone.now())
    return _state(selectors.call_get_for_staff(slug=slug, user=user))


def _draft(user: User, slug: str) -> tuple[Call, CallDraft]:
    call = selectors.call_get_for_staff(slug=slug, user=user)
    return call, editing.draft_of(call=call, by=user, at=timezone.now())


def _state(call: Call) -> dict[str, Any]:
    state = call.intake(timezone.now()) if call.current else None
    return {
        "slug": call.slug,
        "published": call.published,
        "version": call.current.number if call.current else None,
        "open": bool(state and state.open),
        "intake": state.words if state else "Begun",
    }


def _row(call: Call, draft: CallDraft) -> dict[str, Any]:
    wrong = editing.problems(draft.document)
    changed = editing.changes(call.current.document, draft.document) if call.current else []
    frozen: list[editing.Change] = []
    if call.current and not wrong and call.intake(timezone.now()).open:
        frozen = editing.frozen_changes(call.rules, CallDocument.model_validate(draft.document))
    return {
        **_state(call),
        "revision": draft.revision,
        "document": draft.document,
        "problems": [{"path": one.path, "words": one.words} for one in wrong],
        "changes": [{"path": one.path, "before": one.before, "after": one.after} for one in changed],
        "frozen": [one.path for one in frozen],
    }
