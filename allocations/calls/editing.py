"""Writes about calls by programme staff: a working copy edited place by place, versions with a reason, pauses; rules freeze."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.dateparse import parse_datetime
from pydantic import ValidationError

from portal.accounts.models import Role, User
from portal.accounts.policies import check_role
from portal.audit import services as audit
from portal.core.errors import Malformed, Refusal

from .document import CallDocument
from .models import Call, CallDraft, CallVersion
from .places import Place, content_at, content_put
from .services import document_read, version_add

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SLUG_MAX = 60
TAKEN = ("check", "edit", "estimate", "new")  # addresses of pages beside the calls' own
# What is wrong in the kind of a value, not in what it says: no form could show it.
KIND_ERRORS = ("extra_forbidden", "union_tag_invalid", "union_tag_not_found", "model_attributes_type")
# What may still change while a call takes applications: words, never who may apply, how much, or who decides.
WORDS_ONLY = ("summary", "description", "sources")
LEAF_MAX = 400


@dataclass(frozen=True)
class Change:
    """One place where two documents differ."""

    path: str
    before: str
    after: str


@dataclass(frozen=True)
class Problem:
    """Why a working copy is not whole yet."""

    path: str
    words: str


@transaction.atomic
def call_begin(*, slug: str, document: dict[str, Any], by: User, at: datetime) -> Call:
    """
    Begin a call that is not published: it has a working copy and no version yet.

    :raises NotAllowed: not an officer
    :raises Malformed: a short name that cannot be one
    :raises Refusal: `call_exists`
    """
    check_role(by, Role.OFFICER)
    if not SLUG.fullmatch(slug) or len(slug) > SLUG_MAX or slug in TAKEN:
        raise Malformed(
            "A short name is small letters and numbers with hyphens between them, for example build-2027.", field="slug"
        )
    call, made = Call.objects.get_or_create(slug=slug, defaults={"created_at": at})
    if not made:
        raise Refusal("call_exists", f"There is a call {slug} already. Take another short name.", field="slug")
    CallDraft.objects.create(call=call, document=_plain(document), changed_at=at, changed_by=by)
    audit.event_record(kind="call.begun", actor=by, about=f"call:{slug}", at=at)
    return call


def draft_of(*, call: Call, by: User, at: datetime) -> CallDraft:
    """The working copy; made from the rules in force when there is none."""
    check_role(by, Role.OFFICER)
    document = call.current.document if call.current else {}
    draft, _ = CallDraft.objects.get_or_create(
        call=call, defaults={"document": document, "based_on": call.current, "changed_at": at, "changed_by": by}
    )
    return draft


@transaction.atomic
def draft_put(
    *, draft: CallDraft, place: Place, number: int | None, content: Any, revision: int, by: User, at: datetime
) -> None:
    """
    Put content at a place of the working copy.

    :param number: which item of a list; one more than there are adds one; None for a place that is no list
    :param content: None takes the item, or an optional part, out
    :param revision: the copy the person had before them
    :raises Refusal: `changed_meanwhile`; nothing was written
    :raises Malformed: a part within one that is not there
    """
    check_role(by, Role.OFFICER)
    value = content
    if place.shape == "many":
        rows = list(content_at(draft.document, place) or [])
        index = number or 0
        if not 0 <= index <= len(rows):
            raise Refusal("changed_meanwhile", "That line is not there any more. Load the page again.")
        value = [*rows[:index], *([content] if content is not None else []), *rows[index + 1 :]]
    try:
        document = _plain(content_put(draft.document, place, value))
    except KeyError as missing:
        parent = str(missing.args[0])
        raise Malformed(f"Fill in “{parent}” first; this is a part of it.", field=parent) from None
    if document == draft.document:
        return  # the second press of a double click
    rows_written = CallDraft.objects.filter(pk=draft.pk, revision=revision).update(
        document=document, revision=revision + 1, changed_at=at, changed_by=by
    )
    if not rows_written:
        raise Refusal(
            "changed_meanwhile",
            "Somebody else changed this call since you opened the page. What you wrote stands below. Open the page anew in "
            "another tab and put both together.",
        )
    draft.document, draft.revision = document, revision + 1


@transaction.atomic
def draft_write(*, draft: CallDraft, document: dict[str, Any], revision: int, by: User, at: datetime) -> None:
    """
    Write the whole working copy.

    :param revision: the copy the writer had before them
    :raises Malformed: something in it is of another kind than a call has there
    :raises Refusal: `changed_meanwhile`; nothing was written
    """
    check_role(by, Role.OFFICER)
    check_shape(document)
    whole = _plain(document)
    if whole == draft.document:
        return
    rows = CallDraft.objects.filter(pk=draft.pk, revision=revision)
    if not rows.update(document=whole, revision=revision + 1, changed_at=at, changed_by=by):
        raise Refusal("changed_meanwhile", "Somebody else changed this call meanwhile. Read the working copy again.")
    draft.document, draft.revision = whole, revision + 1


def check_shape(document: dict[str, Any]) -> None:
    """
    Let a document pass that may be unfinished or wrong, but whose parts are of the kinds a call has there.

    :raises Malformed: naming the first that is not
    """
    try:
        CallDocument.model_validate(document)
    except ValidationError as wrong:
        for row in wrong.errors():
            if row["type"].endswith("_type") or row["type"] in KIND_ERRORS:
                path = _path(row["loc"])
                raise Malformed(f"{path}: {_cause(row['msg'])}", field=path, code="call_malformed") from None


@transaction.atomic
def draft_discard(*, draft: CallDraft, by: User, at: datetime) -> None:
    """Throw a working copy away; the rules in force stay. A call that never had rules goes with it."""
    check_role(by, Role.OFFICER)
    call = draft.call
    audit.event_record(kind="call.draft_discarded", actor=by, about=f"call:{call.slug}", at=at)
    draft.delete()
    if call.current_id is None:
        call.delete()


@transaction.atomic
def draft_publish(*, draft: CallDraft, reason: str, revision: int, by: User, at: datetime) -> CallVersion:
    """
    Make the working copy the rules in force and show the call publicly.

    :raises Malformed: it is not whole, or there is no reason
    :raises Refusal: `rules_frozen` while the call takes applications, `changed_meanwhile`
    """
    check_role(by, Role.OFFICER)
    call = Call.objects.select_related("current").get(pk=draft.call_id)
    if draft.revision != revision or (draft.based_on_id or None) != (call.current_id or None):
        raise Refusal("changed_meanwhile", "This call was changed since you opened the page. Look at the changes again.")
    rules = document_read(draft.document)
    check_not_frozen(call=call, rules=rules, at=at)
    version = version_add(call=call, document=draft.document, reason=reason, by=by, at=at)
    Call.objects.filter(pk=call.pk).update(published=True)
    draft.delete()
    return version


def check_not_frozen(*, call: Call, rules: CallDocument, at: datetime) -> None:
    """
    Let a change pass that does not touch the rules of a call that takes applications.

    :raises Refusal: `rules_frozen`, naming what would change
    """
    if call.current is None or not call.intake(at).open:
        return
    touched = [change.path for change in frozen_changes(call.rules, rules)]
    if touched:
        raise Refusal(
            "rules_frozen",
            f"{call.rules.title} takes applications, so its rules are frozen. This would change {', '.join(touched[:5])}. "
            "Pause the call first; people with drafts are shown the new rules before they send.",
            touched=touched,
        )


def frozen_changes(old: CallDocument, new: CallDocument) -> list[Change]:
    """What differs beside words, and beside a closing day that moves later or a cap that rises."""
    return [
        change
        for change in changes(old.model_dump(mode="json"), new.model_dump(mode="json"))
        if not change.path.startswith(WORDS_ONLY)
        and not (change.path.startswith("form.") and change.path.endswith((".help", ".label")))
        and not (change.path == "intake.closes_at" and _later(change.before, change.after))
        and not (change.path == "intake.applications_max" and _more(change.before, change.after))
    ]


@transaction.atomic
def call_pause(*, call: Call, reason: str, by: User, at: datetime) -> None:
    """Take no more applications for a while; the reason stands on the call's page. What was sent goes on."""
    check_role(by, Role.OFFICER)
    if not reason.strip():
        raise Malformed("Say why the call is paused; it stands on its page.", field="reason")
    if Call.objects.filter(pk=call.pk, paused_at__isnull=True).update(paused_at=at, paused_reason=reason.strip()[:300]):
        audit.event_record(kind="call.paused", actor=by, about=f"call:{call.slug}", at=at, reason=reason.strip())


@transaction.atomic
def call_resume(*, call: Call, by: User, at: datetime) -> None:
    """Take applications again."""
    check_role(by, Role.OFFICER)
    if Call.objects.filter(pk=call.pk, paused_at__isnull=False).update(paused_at=None, paused_reason=""):
        audit.event_record(kind="call.resumed", actor=by, about=f"call:{call.slug}", at=at)


def problems(document: dict[str, Any]) -> list[Problem]:
    """Why a document is no call yet, each with its place."""
    try:
        CallDocument.model_validate(document)
    except ValidationError as wrong:
        return [Problem(_path(row["loc"]), _cause(row["msg"])) for row in wrong.errors()[:40]]
    return []


def changes(old: Any, new: Any, path: str = "") -> list[Change]:
    """Where two documents differ, leaf by leaf; items of lists with a key are matched by it."""
    if isinstance(old, dict) and isinstance(new, dict):
        return _each({key: (old.get(key), new.get(key)) for key in [*old, *(k for k in new if k not in old)]}, path)
    if _keyed(old) and _keyed(new) and (old or new):
        before, after = ({row["key"]: row for row in rows} for rows in (old, new))
        found = _each(
            {key: (before.get(key), after.get(key)) for key in [*before, *(k for k in after if k not in before)]}, path
        )
        if not found and list(before) != list(after):
            return [Change(path, ", ".join(before), ", ".join(after))]
        return found
    return [] if old == new else [Change(path, _leaf(old), _leaf(new))]


def _each(pairs: dict[str, tuple[Any, Any]], path: str) -> list[Change]:
    return [row for key, (old, new) in pairs.items() for row in changes(old, new, f"{path}.{key}" if path else key)]


def _keyed(rows: Any) -> bool:
    return isinstance(rows, list) and all(isinstance(row, dict) and "key" in row for row in rows)


def _leaf(value: Any) -> str:
    if value is None:
        return "—"
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:LEAF_MAX]


def _later(before: str, after: str) -> bool:
    old, new = _moment(before), _moment(after)
    return old is not None and new is not None and new > old


def _moment(text: str) -> datetime | None:
    try:
        return parse_datetime(text)
    except ValueError:
        return None


def _more(before: str, after: str) -> bool:
    return before.isdigit() and (after == "—" or (after.isdigit() and int(after) > int(before)))


def _path(loc: tuple[int | str, ...]) -> str:
    known = [str(step) for step in loc]
    return ".".join(known) or "the whole"


def _cause(words: str) -> str:
    return words.removeprefix("Value error, ")


def _plain(document: Any) -> Any:
    """The document as JSON has it, so that equal documents are equal."""
    return json.loads(json.dumps(document, default=str))
