"""What teams are told about their files: that the quota is passed, that they will be deleted, that they are."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from allocations.projects.letters import day, leaders
from portal.audit import services as audit

from .models import Keeping


def page_of(keeping: Keeping) -> str:
    """The address of the page of a project's files."""
    return f"{settings.PORTAL_URL}/allocations/{keeping.allocation.code}/files/"


def quota_passed(keeping: Keeping, *, at: datetime) -> None:
    """More is kept than the quota."""
    gib = keeping.quota_bytes / 2**30
    text = (
        f"Your project keeps more than its quota of {gib:g} GiB. Nothing is deleted. Until something is removed, nothing more "
        "is taken into its bucket, and only notebooks of the smallest size are launched: reading and deleting go on. Delete "
        "what you do not need, or ask for a larger quota."
    )
    _write(keeping, "quota_passed", "The quota of your files is passed", text, at=at)


def deletion_near(keeping: Keeping, *, at: datetime) -> None:
    """The files are deleted soon."""
    assert keeping.delete_on is not None  # noqa: S101 (the caller looked)
    text = (
        f"Your allocation has ended. On {day(keeping.delete_on)} the files of the project are deleted for good: what lies in "
        "its bucket, notebooks and folders. Take with you what you want to keep; one button on the page downloads everything."
    )
    _write(keeping, "deletion_near", f"Your files are deleted on {day(keeping.delete_on)}", text, at=at)


def deleted(keeping: Keeping, *, left_at_site: bool, at: datetime) -> None:
    """They are gone."""
    text = "As announced, the files of your project were deleted. Its statement stays."
    if left_at_site:
        text += " Home folders on the provider's own disks are deleted by the provider, by its own rules."
    _write(keeping, "deleted", "Your files were deleted", text, at=at)


def _write(keeping: Keeping, kind: str, subject: str, text: str, *, at: datetime) -> None:
    allocation = keeping.allocation
    for person in leaders(allocation):
        audit.letter_queue(
            kind=f"storage.{kind}",
            to=person,
            subject=f"{subject} ({allocation.code})",
            body=f"Hello {person.short_name},\n\n{text}\n\n{allocation.title} ({allocation.code}): {page_of(keeping)}\n",
            at=at,
            about=f"allocation:{allocation.code}",
        )
