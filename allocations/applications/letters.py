"""What applicants are told by mail: few letters, each with one link and what happens next."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from portal.audit import services as audit

from .models import Application, AttachedFile


def address(application: Application) -> str:
    """Where the application is read."""
    return f"{settings.PORTAL_URL}/applications/{application.code}/"


def submitted(application: Application, *, at: datetime) -> None:
    """The receipt, with the promised day."""
    _letter(
        application,
        kind="submitted",
        at=at,
        subject=f"We have your application {application.code}",
        body=f"“{application.title}” was sent to {application.version.rules.title}.\n\n"
        f"You will be answered by {application.promised_on:%A %-d %B %Y}. Until then you need do nothing.\n\n"
        f"Whose turn it is, at any time: {address(application)}\n",
    )


def returned(application: Application, *, at: datetime) -> None:
    """What to correct, and by when."""
    _letter(
        application,
        kind="returned",
        at=at,
        subject=f"Please correct your application {application.code}",
        body=f"An officer looked at “{application.title}” and asks you to correct it:\n\n{application.returned_message}\n\n"
        f"It is your turn. Please send it again by {application.answer_by:%-d %B %Y}; our clock stands still until then.\n\n"
        f"{address(application)}\n",
    )


def file_stopped(row: AttachedFile, finding: str, *, at: datetime) -> None:
    """To whoever added it: a scanner stopped a file; what to do."""
    if row.added_by is None:
        return
    application = row.application
    audit.letter_queue(
        kind="security.malware",
        to=row.added_by,
        at=at,
        about=f"application:{application.code}",
        subject=f"A file of {application.code} was stopped",
        body=f"A malware scanner knows “{row.name}” ({finding}). Its bytes were deleted; nobody had read it.\n\n"
        "Look at the machine it came from, make the file anew on a clean one, and attach it again:\n"
        f"{address(application)}files/\n",
    )


def _letter(application: Application, *, kind: str, at: datetime, subject: str, body: str) -> None:
    if application.submitted_by is None:
        return
    audit.letter_queue(
        kind=f"application.{kind}",
        to=application.submitted_by,
        at=at,
        about=f"application:{application.code}",
        subject=subject,
        body=body,
    )
