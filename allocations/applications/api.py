from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from ninja import File, Query, Router, Schema, Status
from ninja.files import UploadedFile

from allocations.calls.answers import WrongAnswer, answer_read, questions
from allocations.calls.models import CallVersion
from allocations.calls.selectors import call_get_for_user
from portal.api.paging import PageAsk, page
from portal.api.root import caller
from portal.core.errors import Malformed, Refusal
from portal.core.quantities import credits_text
from portal.organisations.selectors import organisation_get_for_user
from portal.web.registry import cached_import

from . import drafts, files, screenings, selectors, services
from .asking import CREDITS, DATASETS, MONTHS, RESOURCES, UNIT, asked_read
from .models import Application, AttachedFile

router = Router(tags=["applications"])
# Upper rooms add to the row of an application: dotted paths of functions (applications) → {pk: {…}}.
EXTRAS: list[str] = []


class RequestedIn(Schema):
    """What is asked for. Credits as a decimal string."""

    credits: str | int | None = None
    units: dict[str, str | int] = {}
    months: int | None = None
    resources: list[str] | None = None
    datasets: list[str] | None = None


class ApplicationIn(Schema):
    """A new application."""

    call: str
    organisation: int
    title: str | None = None
    answers: dict[str, Any] = {}
    requested: RequestedIn = RequestedIn()


class ApplicationPatch(Schema):
    """What changes. With `revision`, an answer that somebody else changed since is refused, not overwritten."""

    title: str | None = None
    answers: dict[str, Any] = {}
    requested: RequestedIn = RequestedIn()
    revision: int | None = None


class EligibilityIn(Schema):
    """For which enterprise."""

    organisation: int


class ReturnIn(Schema):
    """What to correct."""

    message: str


class ScreeningIn(Schema):
    """Answers by question: yes, no or unsure."""

    answers: dict[str, str] = {}


@router.post("/calls/{slug}/eligibility")
def call_eligibility(request: HttpRequest, slug: str, body: EligibilityIn) -> dict[str, Any]:
    """Whether the enterprise may apply, with a reason for each rule."""
    user = caller(request)
    call = call_get_for_user(slug=slug, user=user)
    organisation = organisation_get_for_user(user=user, pk=body.organisation)
    found = selectors.eligibility_of(call=call, organisation=organisation, today=timezone.now().date())
    findings = [{"rule": f.kind, "passes": f.passes, "reason": f.reason} for f in found.findings]
    return {"eligible": found.eligible is not False, "reasons": found.reasons, "findings": findings}


@router.get("/applications")
def application_list(request: HttpRequest, ask: Query[PageAsk], state: str = "", call: str = "") -> dict[str, Any]:
    """Your enterprises' applications; for officers, everything that was sent."""
    rows = selectors.application_visible_for_user(user=caller(request))
    if state:
        rows = rows.filter(state=state)
    if call:
        rows = rows.filter(call__slug=call)
    found = page(rows, ask, lambda row: row)
    return {**found, "items": application_rows(found["items"])}


@router.post("/applications", response={201: dict[str, Any]})
def application_create(request: HttpRequest, body: ApplicationIn) -> Status[Any]:
    """Begin an application; what is given is checked, what is missing may follow by PATCH."""
    user, now = caller(request), timezone.now()
    call = call_get_for_user(slug=body.call, user=user)
    organisation = organisation_get_for_user(user=user, pk=body.organisation)
    assert call.current is not None  # noqa: S101 (the selector hands out calls with rules only)
    changes = _changes(call.current, body.title, body.answers, body.requested)
    application = drafts.draft_create(call=call, organisation=organisation, by=user, at=now)
    drafts.draft_save(application=application, changes=changes, base=None, by=user, at=now)
    return Status(201, application_row(application))


@router.get("/applications/{code}")
def application_get(request: HttpRequest, code: str) -> dict[str, Any]:
    """One application."""
    return application_row(selectors.application_get_for_user(user=caller(request), code=code))


@router.patch("/applications/{code}")
def application_patch(request: HttpRequest, code: str, body: ApplicationPatch) -> dict[str, Any]:
    """Change a draft or a returned application."""
    user, now = caller(request), timezone.now()
    application = selectors.application_get_for_user(user=user, code=code)
    drafts.draft_renew(application=application, by=user, at=now)
    changes = _changes(application.version, body.title, body.answers, body.requested)
    conflicts = drafts.draft_save(application=application, changes=changes, base=body.revision, by=user, at=now)
    if conflicts:
        raise Refusal(
            "changed_meanwhile",
            f"Somebody else changed {', '.join(sorted(conflicts))} since revision {body.revision}. Read it again.",
            conflicts=conflicts,
            revision=application.revision,
        )
    return application_row(application)


@router.get("/applications/{code}/files")
def file_list(request: HttpRequest, code: str) -> dict[str, Any]:
    """The files a call asks for, and what is attached."""
    application = selectors.application_get_for_user(user=caller(request), code=code)
    there = files.files_of(application)
    rows = [
        {
            "key": asked.key,
            "label": asked.label,
            "required": asked.required,
            "kinds": asked.kinds,
            "size_mb_max": asked.size_mb_max,
            "file": _file_row(there[asked.key]) if asked.key in there else None,
        }
        for asked in files.asked_files(application)
    ]
    return {"items": rows, "next": None}


@router.post("/applications/{code}/files/{key}", response={201: dict[str, Any]})
def file_add(request: HttpRequest, code: str, key: str, file: File[UploadedFile]) -> Status[Any]:
    """Attach a file; its type is found from its content."""
    user = caller(request)
    application = selectors.application_get_for_user(user=user, code=code)
    row = files.file_add(
        application=application,
        key=key,
        name=file.name or "",
        source=file.file,  # type: ignore[arg-type]
        size=file.size or 0,
        by=user,
        at=timezone.now(),
    )
    return Status(201, _file_row(row))


@router.post("/applications/{code}/screening")
def screening(request: HttpRequest, code: str, body: ScreeningIn) -> dict[str, Any]:
    """Answer questions of the AI Act screening in their order; answers which question is open, or what came out."""
    user, now = caller(request), timezone.now()
    application = selectors.application_get_for_user(user=user, code=code)
    with transaction.atomic():  # one that is refused leaves none of them kept
        for key, answer in body.answers.items():
            screenings.answer_give(application=application, key=key, answer=answer, by=user, at=now)
    found = screenings.current_walk(application)
    return {
        "questionnaire": screenings.CURRENT,
        "answers": found.answers,
        "asks": found.asks.model_dump() if found.asks else None,
        "outcome": found.outcome or None,
        "reasons": found.reasons,
    }


@router.post("/applications/{code}/submit")
def application_submit(request: HttpRequest, code: str) -> dict[str, Any]:
    """Send it; answers with the promised day."""
    user = caller(request)
    application = selectors.application_get_for_user(user=user, code=code)
    services.application_submit(application=application, by=user, at=timezone.now())
    return application_row(application)


@router.post("/applications/{code}/withdraw")
def application_withdraw(request: HttpRequest, code: str) -> dict[str, Any]:
    """Take it back for good."""
    user = caller(request)
    application = selectors.application_get_for_user(user=user, code=code)
    services.application_withdraw(application=application, by=user, at=timezone.now())
    return application_row(application)


@router.post("/applications/{code}/return")
def application_return(request: HttpRequest, code: str, body: ReturnIn) -> dict[str, Any]:
    """Officer: give it back to be corrected."""
    user = caller(request)
    application = selectors.application_get_for_user(user=user, code=code)
    services.application_return(application=application, message=body.message, by=user, at=timezone.now())
    return application_row(application)


def _file_row(row: AttachedFile) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "kind": row.kind,
        "size": row.size,
        "sha256": row.sha256,
        "added_at": row.added_at,
        "scan": row.scan or None,
    }


def application_row(application: Application) -> dict[str, Any]:
    """One application for programs."""
    return application_rows([application])[0]


def application_rows(applications: list[Application]) -> list[dict[str, Any]]:
    """Applications for programs, with what upper rooms add, in a constant number of queries."""
    rows = {application.pk: _row(application) for application in applications}
    for extra in EXTRAS:
        for pk, more in cached_import(extra)(applications).items():
            rows[pk] |= more
    return list(rows.values())


def _row(application: Application) -> dict[str, Any]:
    asked = application.requested
    published = application.published_at is not None
    return {
        "id": application.code,
        "call": application.call.slug,
        "call_version": application.version.number,
        "organisation": application.organisation_id,
        "state": application.shown_state,
        "turn": application.turn,
        "revision": application.revision,
        "title": application.title,
        "answers": application.answers,
        "requested": {
            "credits": credits_text(asked[CREDITS]) if asked[CREDITS] else None,
            "units": application.requested_units,
            "months": asked[MONTHS],
            "resources": asked[RESOURCES],
            "datasets": asked[DATASETS],
        },
        "submitted_at": application.submitted_at,
        "promised_on": application.promised_on,
        "returned_message": application.returned_message or None,
        "outcome": (application.outcome or None) if published else None,
        "decided_at": application.decided_at if published else None,
        "allocation": application.allocation.code if published and application.allocation else None,
    }


def _changes(version: CallVersion, title: str | None, answers: dict[str, Any], asked: RequestedIn) -> dict[str, Any]:
    """Every given value in its kind; wrong ones are refused together, by key."""
    known = {question.key: question for question in questions(version.rules)}
    given: dict[str, Any] = {**answers, **({"title": title} if title is not None else {})}
    wants = {
        **{UNIT + key: amount for key, amount in asked.units.items()},
        CREDITS: asked.credits,
        MONTHS: asked.months,
        RESOURCES: asked.resources,
        DATASETS: asked.datasets,
    }
    changes: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for key, value in given.items():
        if key not in known:
            problems[key] = "This call does not ask that."
            continue
        try:
            changes[key] = answer_read(known[key], value)
        except WrongAnswer as wrong:
            problems[key] = str(wrong)
    for key, value in wants.items():
        if value is None:
            continue
        try:
            changes[key] = asked_read(version.rules, key, value)
        except WrongAnswer as wrong:
            problems[key.replace("ask-", "requested.")] = str(wrong)
    if problems:
        field, message = next(iter(problems.items()))
        refusal = Malformed(f"{field}: {message}", field=field)
        refusal.facts["problems"] = problems
        raise refusal
    return changes
