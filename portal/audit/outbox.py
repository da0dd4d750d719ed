"""Mail of the evaluation mode: printed to the log and kept for the outbox page; nothing leaves the machine."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import EmailMessage

from .models import OutboxMail

log = logging.getLogger("commons.mail")


class OutboxBackend(BaseEmailBackend):
    """Keep each mail as a row."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for mail in email_messages:
            OutboxMail.objects.create(to=", ".join(mail.to), subject=str(mail.subject), body=str(mail.body))
            log.info("mail to %s: %s", ", ".join(mail.to), mail.subject)
        return len(email_messages)
