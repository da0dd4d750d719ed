"""Writes of contributors and of those who review them: offer a dataset, upload files, submit, return, publish."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Sum

from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.enqueue import enqueue
from portal.core.errors import Malformed, Refusal
from portal.objects.door import store
from portal.objects.keys import key_check
from portal.organisations.models import Organisation
from portal.organisations.policies import MAY_APPLY, check_org_role

from . import letters, policies, publishing, search
from .models import Dataset, Upload, Version
from .states import AccessClass, Hand, U, V, check_version_transition

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
RESERVED = {"offer", "sitemap", "catalogue", "many", "delegate"}
PART_BYTES, PARTS_MAX = 8 * 2**20, 10_000
FILE_BYTES_MAX = 512 * 2**30
ENTERPRISE_BYTES_MAX = 2**40  # drafts and published together
UPLOAD_LIFE = timedelta(days=7)  # an upload nobody went on with is given up
LINK_LIFE = timedelta(hours=6)
EDITABLE = (
    "title",
    "summary",
    "description",
    "access_class",
    "commercial_use",
    "commercial_note",
    "licence",
    "licence_url",
    "domain",
    "keywords",
    "country",
    "duo_codes",
    "publisher",
    "source",
    "source_url",
    "citation",
    "preview_public",
    "needs_agreement",
    "agreement_text",
)
# Asked of every version. `people` decides whether the others matter.
PERSONAL_QUESTIONS = [
    ("people", "Is it about people, or could somebody be recognised in it?"),
    ("special", "Does it tell of health, origin, belief, opinion, sexuality, or offences?"),
    ("lawful", "May you pass it on (consent, law or contract)?"),
]


@transaction.atomic
def dataset_offer(*, organisation: Organisation, slug: str, by: User, at: datetime, terms: str = "", **values: Any) -> Dataset:
    """
    Begin a dataset of an enterprise. The person becomes its steward; nobody else sees it until a version is published.

    :raises NotAllowed: unless owner or manager
    :raises Malformed: a bad or taken slug, or a field that cannot be read
    """
    check_org_role(user=by, organisation=organisation, roles=MAY_APPLY, what="offer a dataset")
    if not SLUG.fullmatch(slug) or len(slug) > 60 or slug in RESERVED:
        raise Malformed(
            "A short name has lower-case letters, digits and single dashes, at most 60: solar-yield-2024.", field="slug"
        )
    facts = _facts_check({"publisher": organisation.name, **values})
    dataset = publishing.dataset_create(by=by, at=at, slug=slug, organisation=organisation, steward=by, **facts)
    if terms.strip():
        publishing.terms_publish(dataset=dataset, text=terms.strip(), by=by, at=at)
    return dataset


@transaction.atomic
def dataset_edit(*, dataset: Dataset, by: User, at: datetime, terms: str | None = None, **values: Any) -> Dataset:
    """
    Change what a dataset says of itself; what was before is kept in the record. New terms are a new number.

    :raises NotYours: unless the person keeps the dataset
    """
    policies.check_may_edit(user=by, dataset=dataset)
    facts = _facts_check({**{name: getattr(dataset, name) for name in EDITABLE}, **values})
    before = {name: getattr(dataset, name) for name in facts if getattr(dataset, name) != facts[name]}
    _check_loosening(dataset, facts["access_class"])
    for name in before:
        setattr(dataset, name, facts[name])
    dataset.save(update_fields=[*before, "slug"])
    publishing.newest_write(dataset) if dataset.published_at else search.index_write(dataset)
    last = dataset.terms.first()
    if terms is not None and terms.strip() and (last is None or last.text != terms.strip()):
        publishing.terms_publish(dataset=dataset, text=terms.strip(), by=by, at=at)
    if before:
        audit.event_record(kind="dataset.edited", actor=by, about=dataset.about, at=at, before=before)
    return dataset


@transaction.atomic
def version_begin(*, dataset: Dataset, name: str, notes: str, by: User, at: datetime) -> Version:
    """
    Begin a version to upload files into.

    :raises Malformed: a bad or taken name
    """
    policies.check_may_edit(user=by, dataset=dataset)
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.-]{0,19}", name):
        raise Malformed(
            "A version is named like 1, 2.1 or 2026-03: letters, digits, dots and dashes, at most 20.", field="version"
        )
    if dataset.versions.filter(name=name).exists():
        raise Malformed(
            f"There is a version {name} already; a published one never changes. Take the next name.", field="version"
        )
    return publishing.version_create(dataset=dataset, name=name, notes=notes, by=by, at=at)


def upload_begin(*, version: Version, path: str, size_bytes: int, by: User, at: datetime, sha256: str = "") -> Upload:
    """
    Begin, or go on with, the upload of a file. Ask again after a lost line: the same path and size is the same upload.

    :param sha256: what the sender worked out; a file that arrives differently is refused
    :raises Malformed: a bad name, nothing in it, or too large
    :raises Refusal: `version_closed`, `path_taken`, `storage_full`
    """
    policies.check_may_edit(user=by, dataset=version.dataset)
    _check_draft(version)
    key_check(f"datasets/{version.dataset.slug}/{version.name}/{path}")
    if size_bytes <= 0:
        raise Malformed(f"{path} is empty; there is nothing to publish in it.", field="size_bytes")
    if size_bytes > FILE_BYTES_MAX:
        raise Malformed(f"{path} is larger than {FILE_BYTES_MAX // 2**30} GiB. Split it.", field="size_bytes")
    if sha256 and not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise Malformed("A sha256 has 64 hexadecimal digits, in lower case.", field="sha256")
    known = version.uploads.filter(path=path, state=U.RECEIVING).first()
    if known is not None and known.size_bytes == size_bytes and known.sha256_said in ("", sha256):
        return known
    if known is not None:
        upload_give_up(upload=known, by=by, at=at)  # another file under that name: begin anew
    if version.uploads.filter(path=path, state=U.CHECKING).exists():
        raise Refusal("path_taken", f"{path} is being checked just now. Wait for it, or take another name.")
    _check_room(version.dataset, size_bytes)
    part_bytes = max(PART_BYTES, -(-size_bytes // PARTS_MAX))
    key = f"incoming/{version.pk}/{secrets.token_hex(8)}"
    name = store().upload_begin(key)
    try:
        with transaction.atomic():
            made = Upload.objects.create(
                version=version,
                path=path,
                size_bytes=size_bytes,
                part_bytes=part_bytes,
                sha256_said=sha256,
                key=key,
                store_upload=name,
                created_by=by,
                created_at=at,
                due_at=at + UPLOAD_LIFE,
            )
    except IntegrityError:  # a second click was faster: its upload is ours
        return version.uploads.get(path=path, state=U.RECEIVING)
    return made


def upload_parts(*, upload: Upload, at: datetime) -> list[dict[str, Any]]:
    """The parts of an upload: number, offset, size, whether it arrived, and where a missing one is to be put."""
    if upload.state != U.RECEIVING:
        return []
    arrived = store().upload_parts(upload.key, upload=upload.store_upload)
    parts = []
    for number in range(1, upload.part_count + 1):
        offset = (number - 1) * upload.part_bytes
        size = min(upload.part_bytes, upload.size_bytes - offset)
        done = arrived.get(number) == size
        parts.append(
            {
                "number": number,
                "offset": offset,
                "size": size,
                "done": done,
                "url": None if done else _part_link(upload, number, at),
            }
        )
    return parts


def upload_complete(*, upload: Upload, by: User, at: datetime) -> Upload:
    """
    All parts have arrived: check the file in the background. Asking again is the same.

    :raises Refusal: `parts_missing`, naming the first
    """
    policies.check_may_edit(user=by, dataset=upload.version.dataset)
    if upload.state != U.RECEIVING:
        return upload
    missing = [part["number"] for part in upload_parts(upload=upload, at=at) if not part["done"]]
    if missing:
        raise Refusal(
            "parts_missing",
            f"{len(missing)} parts of {upload.path} have not arrived, first part {missing[0]}.",
            parts=missing[:100],
        )
    if Upload.objects.filter(pk=upload.pk, state=U.RECEIVING).update(state=U.CHECKING, due_at=at, attempts=0):
        enqueue("allocations.datasets.tasks.upload_check", upload_id=upload.pk)
    upload.refresh_from_db()
    return upload


def upload_give_up(*, upload: Upload, by: User | None, at: datetime) -> None:
    """Forget an upload that has not been completed."""
    if by is not None:
        policies.check_may_edit(user=by, dataset=upload.version.dataset)
    if Upload.objects.filter(pk=upload.pk, state=U.RECEIVING).update(state=U.ABANDONED, due_at=at):
        store().upload_abort(upload.key, upload=upload.store_upload)


def file_remove(*, version: Version, path: str, by: User) -> None:
    """
    Take a file out of a draft.

    :raises Refusal: `version_closed`
    """
    policies.check_may_edit(user=by, dataset=version.dataset)
    _check_draft(version)
    for file in version.files.filter(path=path):
        file.delete()
        store().delete(file.key)


@transaction.atomic
def version_submit(*, version: Version, personal: dict[str, Any], by: User, at: datetime) -> Version:
    """
    Hand a version to a reviewer. Nothing in it changes until it comes back.

    :param personal: answers of `PERSONAL_QUESTIONS`, each "yes" or "no", and `note`
    :raises Refusal: `version_empty`, `uploads_open`, `personal_data`
    """
    policies.check_may_edit(user=by, dataset=version.dataset)
    if not version.files.exists():
        raise Refusal("version_empty", "Upload at least one file first.")
    if version.uploads.filter(state__in=[U.RECEIVING, U.CHECKING]).exists():
        raise Refusal("uploads_open", "Some files are still arriving or being checked. Wait for them, or give them up.")
    answers = _personal_check(personal, version.dataset)
    _move(version, V.IN_REVIEW, Hand.CONTRIBUTOR, personal_data=answers, submitted_at=at, submitted_by=by)
    letters.to_reviewers_submitted(version, at=at)
    _event("dataset.version_submitted", version, by, at)
    return version


@transaction.atomic
def version_review(*, version: Version, outcome: str, note: str, by: User, at: datetime) -> Version:
    """
    Publish a version, or return it with what is to be changed. The contributor is told.

    :param outcome: `publish` or `return`; returning needs a note
    :raises NotAllowed: unless a data steward from elsewhere
    """
    policies.check_may_review(user=by, dataset=version.dataset)
    if outcome not in ("publish", "return"):
        raise Malformed(f"{outcome!r} is no outcome; choose publish or return.", field="outcome")
    if outcome == "return" and not note.strip():
        raise Malformed("Write what is to be changed.", field="note")
    if outcome == "return":
        _move(version, V.DRAFT, Hand.REVIEWER, review_note=note.strip(), reviewed_by=by)
        _event("dataset.version_returned", version, by, at, note=note)
    else:
        publishing.version_publish(version=version, by=by, at=at, hand=Hand.REVIEWER)
        Version.objects.filter(pk=version.pk).update(review_note=note.strip())
        version.refresh_from_db()
    letters.to_contributor_reviewed(version, note=note.strip(), at=at)
    return version


@transaction.atomic
def version_take_back(*, version: Version, by: User, at: datetime) -> Version:
    """Take a submitted version back to change it."""
    policies.check_may_edit(user=by, dataset=version.dataset)
    _move(version, V.DRAFT, Hand.CONTRIBUTOR)
    _event("dataset.version_taken_back", version, by, at)
    return version


def withdraw(*, dataset: Dataset, version: Version | None, reason: str, by: User, at: datetime) -> None:
    """Withdraw a version, or the dataset: its keepers may, and reviewers."""
    keeper = policies.may_edit(user=by, dataset=dataset)
    if not keeper:
        policies.check_may_review(user=by, dataset=dataset)
    if version is None:
        publishing.dataset_withdraw(dataset=dataset, reason=reason, by=by, at=at)
    else:
        hand = Hand.CONTRIBUTOR if keeper else Hand.REVIEWER
        publishing.version_withdraw(version=version, reason=reason, by=by, at=at, hand=hand)


def ticket_check(words: str, *, key: str, at: datetime) -> None:  # noqa: ARG001 (every checker is asked alike)
    """
    Whether a part may still be put: the upload is receiving, and its sender keeps the dataset today.

    :raises Refusal: otherwise
    """
    user_pk, _, upload_pk = words.partition("-")
    upload = Upload.objects.select_related("version__dataset").filter(pk=int(upload_pk), state=U.RECEIVING).first()
    user = User.objects.filter(pk=int(user_pk)).first()
    if upload is None or user is None or upload.key != key or not policies.may_edit(user=user, dataset=upload.version.dataset):
        raise Refusal("upload_over", "This upload is complete, was given up, or is not yours any more.", status=403)


def _part_link(upload: Upload, number: int, at: datetime) -> str:
    ticket = f"u.{upload.created_by_id}-{upload.pk}"
    return store().upload_link(upload.key, upload=upload.store_upload, number=number, ticket=ticket, expires=at + LINK_LIFE)


def _check_draft(version: Version) -> None:
    if version.state != V.DRAFT:
        words = {V.IN_REVIEW: "in review; take it back to change it"}.get(
            V(version.state), "published and never changes; begin a new one"
        )
        raise Refusal("version_closed", f"Version {version.name} is {words}.")


def _check_room(dataset: Dataset, more: int) -> None:
    if dataset.organisation_id is None:
        return
    versions = Version.objects.filter(dataset__organisation=dataset.organisation_id)
    used = versions.aggregate(n=Sum("files__size_bytes"))["n"] or 0
    coming = (
        Upload.objects.filter(version__in=versions, state__in=[U.RECEIVING, U.CHECKING]).aggregate(n=Sum("size_bytes"))["n"]
        or 0
    )
    if used + coming + more > ENTERPRISE_BYTES_MAX:
        raise Refusal(
            "storage_full",
            f"Your enterprise has {(used + coming) / 1e9:.1f} GB of {ENTERPRISE_BYTES_MAX / 1e9:.0f} GB in datasets. "
            f"Remove drafts "
            "you do not need, or ask the operator for more.",
        )


def _facts_check(values: dict[str, Any]) -> dict[str, Any]:
    facts = {name: value for name, value in values.items() if name in EDITABLE and value is not None}
    if unknown := sorted(set(values) - set(EDITABLE)):
        raise Malformed(f"{unknown[0]} is no field of a dataset.", field=unknown[0])
    for name in ("title", "summary", "licence", "domain"):
        if not str(facts.get(name, "")).strip():
            raise Malformed(f"{name} must be said.", field=name)
    if facts.get("access_class") not in set(AccessClass):
        raise Malformed(f"access_class is one of {', '.join(AccessClass)}.", field="access_class")
    if "commercial_use" not in facts:
        raise Malformed("Say whether an enterprise may use it to earn money.", field="commercial_use")
    for name in (
        "title",
        "summary",
        "licence",
        "licence_url",
        "domain",
        "publisher",
        "source_url",
        "commercial_note",
        "country",
    ):
        limit: int = getattr(Dataset._meta.get_field(name), "max_length", 0)
        if len(str(facts.get(name, ""))) > limit:
            raise Malformed(f"{name} has more than {limit} characters.", field=name)
    for name in ("licence_url", "source_url"):
        if facts.get(name) and not str(facts[name]).startswith(("http://", "https://")):
            raise Malformed(f"{name} is no web address.", field=name)
    for name in ("keywords", "duo_codes"):
        words = facts.get(name, [])
        if not isinstance(words, list) or len(words) > 40 or not all(isinstance(w, str) and len(w) <= 60 for w in words):
            raise Malformed(f"{name} is a list of at most 40 short words.", field=name)
    return facts


def _check_loosening(dataset: Dataset, wanted: str) -> None:
    """What was reviewed as data about people for few readers is not opened to more without a reviewer."""
    order = [AccessClass.OPEN, AccessClass.REGISTERED, AccessClass.CONTROLLED]
    if order.index(AccessClass(wanted)) >= order.index(AccessClass(dataset.access_class)):
        return
    if any(version.personal_data.get("people") == "yes" for version in dataset.versions.filter(state=V.PUBLISHED)):
        raise Refusal(
            "personal_data",
            "It is about people and was reviewed for fewer readers. Withdraw it, and offer it anew with the wider access.",
            field="access_class",
        )


def _personal_check(personal: dict[str, Any], dataset: Dataset) -> dict[str, str]:
    answers = {name: str(personal.get(name, "")) for name, _ in PERSONAL_QUESTIONS}
    answers["note"] = str(personal.get("note", ""))[:2000]
    if answers["people"] not in ("yes", "no"):
        raise Malformed("Say whether it is about people.", field="people")
    if answers["people"] == "no":
        return answers
    if answers["special"] not in ("yes", "no"):
        raise Malformed("Say whether it tells of health, origin, belief, opinion, sexuality, or offences.", field="special")
    if answers["lawful"] != "yes":
        raise Refusal("personal_data", "Data about people can be offered only where you may pass it on. Nothing was submitted.")
    if answers["special"] == "yes" and dataset.access_class != AccessClass.CONTROLLED:
        raise Refusal(
            "personal_data",
            "Data of that kind is offered as controlled, so that a person decides who reads it. Change its access.",
        )
    return answers


def _move(version: Version, new: V, hand: Hand, **values: Any) -> None:
    """Compare-and-set, so that two who move at once cannot both succeed."""
    old = V(version.state)
    check_version_transition(old=old, new=new, hand=hand)
    if not Version.objects.filter(pk=version.pk, state=old).update(state=new, **values):
        raise Refusal("changed_meanwhile", "Somebody else changed this version just now. Look at it again.")
    version.state = new
    for name, value in values.items():
        setattr(version, name, value)


def _event(kind: str, version: Version, by: User | None, at: datetime, **facts: Any) -> None:
    audit.event_record(kind=kind, actor=by, about=version.dataset.about, at=at, version=version.name, **facts)
