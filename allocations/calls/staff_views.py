"""Pages of programme staff: begin a call, edit it place by place, see it as applicants will, publish a version."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST
from pydantic import ValidationError

from allocations.catalogue.models import Resource
from allocations.ledger.selectors import pool_list
from portal.accounts.models import Role, User
from portal.accounts.policies import check_role
from portal.core.errors import NotYours, Refusal
from portal.core.words import whole_number

from . import editing, selectors
from .document import CallDocument
from .forms import BeginForm, PauseForm, PublishForm
from .intake import intake_state
from .models import Call, CallDraft
from .part_forms import PartForm, fields_shown, name_words
from .places import PLACES, Place, content_at, place_find
from .presets import preset_document, preset_get, preset_list

PAGE, SUMMARY_MAX = 25, 240
EMPTY: dict[str, Any] = {"title": "", "summary": "", "form": [], "eligibility": [], "promise_working_days": 10}


@login_required
def staff_list(request: HttpRequest) -> HttpResponse:
    """Every call with its state, and those begun."""
    page = Paginator(selectors.call_list_for_staff(user=_user(request)), PAGE).get_page(request.GET.get("page"))
    now = timezone.now()
    rows = [(call, call.badge(now) if call.current else None, getattr(call, "draft", None)) for call in page]
    return render(request, "calls/staff.html", {"rows": rows, "page": page})


@login_required
def begin(request: HttpRequest) -> HttpResponse:
    """Begin a call from a programme's rules or an empty page."""
    user = _user(request)
    check_role(user, Role.OFFICER)
    resources = list(Resource.objects.order_by("slug").values_list("slug", "name"))
    presets = [(preset.slug, preset.name) for preset in preset_list()]
    form = BeginForm([account.code for account in pool_list()], resources, presets, request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            call = editing.call_begin(slug=given["slug"], document=_first_document(given), by=user, at=timezone.now())
        except Refusal as refusal:
            field = refusal.facts.get("field")
            form.add_error(field if field in form.fields else None, refusal.message)
        else:
            return redirect("calls:edit", slug=call.slug)
    context = {"form": form, "presets": preset_list()}
    return render(request, "calls/begin.html", context, status=422 if form.errors else 200)


def _first_document(given: dict[str, Any]) -> dict[str, Any]:
    if given["preset"]:
        return preset_document(
            preset_get(given["preset"]),
            pool=given["pool"],
            resources=given["resources"],
            credits_each=given["credits_each"],
        )
    amounts = {"credits_min": "1", "credits_max": "100", "months": [3], "resources": given["resources"]}
    return {**EMPTY, "pool": given["pool"], "amounts": amounts}


@login_required
def overview(request: HttpRequest, slug: str) -> HttpResponse:
    """The working copy: every place with what it holds, what is wrong, what changed, and the button that publishes."""
    return _overview(request, *_draft(request, slug))


def _overview(
    request: HttpRequest, call: Call, draft: CallDraft, publish: PublishForm | None = None, status: int = 200
) -> HttpResponse:
    wrong = editing.problems(draft.document)
    changed = editing.changes(call.current.document, draft.document) if call.current else []
    frozen: list[editing.Change] = []
    if call.current and not wrong and call.intake(timezone.now()).open:
        frozen = editing.frozen_changes(call.rules, CallDocument.model_validate(draft.document))
    groups: dict[str, list[dict[str, Any]]] = {}
    for place in PLACES:
        groups.setdefault(place.group, []).append(_place_row(draft, place, wrong))
    return render(
        request,
        "calls/editor.html",
        {
            "call": call,
            "draft": draft,
            "title": draft.document.get("title") or call.slug,
            "groups": groups,
            "wrong": wrong,
            "changed": changed,
            "frozen": frozen,
            "open": call.current is not None and call.intake(timezone.now()).open,
            "publish_form": publish or PublishForm(initial={"revision": draft.revision}),
            "pause_form": PauseForm(),
        },
        status=status,
    )


def _place_row(draft: CallDraft, place: Place, wrong: list[editing.Problem]) -> dict[str, Any]:
    content = content_at(draft.document, place)
    own = place.path + "."
    deeper = tuple(other.path + "." for other in PLACES if other.path.startswith(own))
    mine = [
        one
        for one in wrong
        if (one.path == place.path or one.path.startswith(own)) and not (deeper and one.path.startswith(deeper))
    ]
    items = [_item_words(item) for item in content or []] if place.shape == "many" else []
    parent = place.path.rpartition(".")[0]
    possible = not parent or isinstance(draft.document.get(parent), dict) or parent == "duties"
    summary = "" if place.shape == "many" else _summary(content, place)
    return {
        "summary": summary,
        "place": place,
        "items": items,
        "there": content is not None,
        "wrong": mine,
        "possible": possible,
    }


def _rule_words(item: dict[str, Any]) -> str:
    """A rule of eligibility as applicants read it; unfinished ones by their kind."""
    place = place_find("eligibility")
    try:
        return str(place.model(item["kind"]).model_validate(item).words) if place else ""  # type: ignore[attr-defined]
    except ValidationError:
        return str(item["kind"]).replace("_", " ")


def _summary(content: Any, place: Place) -> str:
    """What a place holds, in a line: everything that differs from how it begins."""
    if not isinstance(content, dict):
        return ""
    parts = []
    for name, info in fields_shown(place.models[0]):
        value = content.get(name)
        default = None if info.is_required() else info.get_default(call_default_factory=True)
        dull = str(value) == str(default) and name != "kind"
        if value in (None, "", [], False) or dull or name in ("sources", "description"):
            continue
        shown = ", ".join(str(one) for one in value[:6]) if isinstance(value, list) else str(value)
        parts.append(f"{name_words(name)}: {shown.replace('_', ' ') if name in ('kind', 'formula', 'control') else shown}")
    text = " · ".join(parts)
    return text if len(text) <= SUMMARY_MAX else text[:SUMMARY_MAX].rsplit(" ", 1)[0] + " …"


def _item_words(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    if "why" in item and "kind" in item:
        return _rule_words(item)
    words = item.get("label") or item.get("title") or item.get("words") or item.get("pool") or ""
    kind = str(item.get("kind") or item.get("key") or "").replace("_", " ")
    rest = item.get("any_of") or item.get("calls") or ""
    return (
        ": ".join(part for part in (kind, words or (", ".join(map(str, rest)) if isinstance(rest, list) else "")) if part)
        or "…"
    )


@login_required
def part(request: HttpRequest, slug: str, place: str, number: int | None = None) -> HttpResponse:
    """One place of the working copy as a form. What is wrong is said beside it and nothing is lost."""
    call, draft = _draft(request, slug)
    found = _place(place)
    content = content_at(draft.document, found)
    rows = list(content or []) if found.shape == "many" else []
    item = (rows[number] if number is not None and number < len(rows) else None) if found.shape == "many" else content
    kind = request.POST.get("part-kind") or request.GET.get("kind") or (item or {}).get("kind", "")
    model = found.model(kind)
    form = PartForm(model, item if isinstance(item, dict) else None, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            _save(draft, found, number, form, request)
        except Refusal as refusal:
            form.add_error(None, refusal.message)
        except ValidationError as wrong:
            for row in wrong.errors():
                _complain(form, row)
        else:
            messages.success(request, f"{found.title}: kept in the working copy.")
            return redirect("calls:edit", slug=slug)
    context = {
        "call": call,
        "draft": draft,
        "place": found,
        "form": form,
        "kind": kind,
        "kinds": found.kinds,
        "number": number,
        "exists": item is not None,
        "words": (model.__doc__ or "").strip(),
    }
    return render(request, "calls/part.html", context, status=422 if form.errors else 200)


def _save(draft: CallDraft, place: Place, number: int | None, form: PartForm, request: HttpRequest) -> None:
    """Check the part by itself where it can be, then put it. Parts whose lists are elsewhere are checked as a whole later."""
    content = form.content()
    if place.shape == "many" or (place.path not in ("about", "amounts", "review", "duties")):
        form.model.model_validate(content)
    editing.draft_put(
        draft=draft,
        place=place,
        number=number,
        content=content,
        revision=_revision(request),
        by=_user(request),
        at=timezone.now(),
    )


def _complain(form: PartForm, row: Any) -> None:
    name = str(row["loc"][0]) if row["loc"] else ""
    words = str(row["msg"]).removeprefix("Value error, ")
    for field in (name, f"{name}-{row['loc'][1]}" if len(row["loc"]) > 1 else ""):
        if field in form.fields:
            form.add_error(field, words)
            return
    form.add_error(None, f"{name}: {words}" if name else words)


@login_required
@require_POST
def remove(request: HttpRequest, slug: str, place: str, number: int | None = None) -> HttpResponse:
    """Take an item or an optional part out of the working copy."""
    _, draft = _draft(request, slug)
    found = _place(place)
    if found.shape == "whole" or (found.shape == "many") != (number is not None):
        raise NotYours("part")
    editing.draft_put(
        draft=draft,
        place=found,
        number=number,
        content=None,
        revision=_revision(request),
        by=_user(request),
        at=timezone.now(),
    )
    messages.success(request, f"{found.title}: taken out of the working copy.")
    return redirect("calls:edit", slug=slug)


@login_required
def preview(request: HttpRequest, slug: str) -> HttpResponse:
    """The working copy as an applicant will see it: the call's page and its form."""
    call, draft = _draft(request, slug)
    if editing.problems(draft.document):
        messages.warning(request, "The call is not whole yet; it can be seen as soon as nothing is marked.")
        return redirect("calls:edit", slug=slug)
    rules = CallDocument.model_validate(draft.document)
    state = intake_state(intake=rules.intake, at=timezone.now(), submitted=call.submitted_count)
    context = {"call": call, "rules": rules, "state": state, "previewed": True, "document": draft.document}
    return render(request, "calls/preview.html", context)


@login_required
@require_POST
def publish(request: HttpRequest, slug: str) -> HttpResponse:
    """Make the working copy the rules in force. A second press finds it done."""
    user = _user(request)
    call = selectors.call_get_for_staff(slug=slug, user=user)
    draft = CallDraft.objects.filter(call=call).select_related("call").first()
    if draft is None:
        return redirect("calls:detail", slug=slug)
    form = PublishForm(request.POST)
    if form.is_valid():
        try:
            version = editing.draft_publish(draft=draft, by=user, at=timezone.now(), **form.cleaned_data)
        except Refusal as refusal:
            form.add_error("reason" if refusal.facts.get("field") == "reason" else None, refusal.message)
        else:
            messages.success(request, f"Version {version.number} is in force.")
            return redirect("calls:detail", slug=slug)
    return _overview(request, call, draft, form, status=422)


@login_required
@require_POST
def discard(request: HttpRequest, slug: str) -> HttpResponse:
    """Throw the working copy away."""
    user = _user(request)
    call = selectors.call_get_for_staff(slug=slug, user=user)
    draft = CallDraft.objects.filter(call=call).select_related("call").first()
    if draft is not None:
        editing.draft_discard(draft=draft, by=user, at=timezone.now())
        messages.success(request, "The working copy is gone. The rules in force stay as they are.")
    return redirect("calls:staff")


@login_required
@require_POST
def pause(request: HttpRequest, slug: str) -> HttpResponse:
    """Take no more applications for a while."""
    user, form = _user(request), PauseForm(request.POST)
    reason = form.cleaned_data["reason"] if form.is_valid() else ""
    call = selectors.call_get_for_staff(slug=slug, user=user)
    editing.call_pause(call=call, reason=reason, by=user, at=timezone.now())
    messages.success(request, "The call is paused. What was sent goes on.")
    return redirect("calls:edit", slug=slug)


@login_required
@require_POST
def resume(request: HttpRequest, slug: str) -> HttpResponse:
    """Take applications again."""
    user = _user(request)
    editing.call_resume(call=selectors.call_get_for_staff(slug=slug, user=user), by=user, at=timezone.now())
    messages.success(request, "The call takes applications again.")
    return redirect("calls:edit", slug=slug)


def _revision(request: HttpRequest) -> int:
    found = whole_number(request.POST.get("revision", ""))
    return -1 if found is None else found


def _user(request: HttpRequest) -> User:
    user: Any = request.user
    return user


def _draft(request: HttpRequest, slug: str) -> tuple[Call, CallDraft]:
    user = _user(request)
    call = selectors.call_get_for_staff(slug=slug, user=user)
    return call, editing.draft_of(call=call, by=user, at=timezone.now())


def _place(url_path: str) -> Place:
    place = place_find(url_path)
    if place is None:
        raise NotYours("part of a call")
    return place
