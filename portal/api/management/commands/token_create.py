from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from portal.accounts.models import User
from portal.api.tokens import DAYS_DEFAULT, token_create


class Command(BaseCommand):
    """Print a token for a person, and nothing else, on stdout."""

    help = "Print an API token for the person with this e-mail address."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--days", type=int, default=DAYS_DEFAULT, help="how long it works")
        parser.add_argument("--name", default="from the command line")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email__iexact=options["email"]).first()
        if user is None:
            raise CommandError(f"Nobody here has the address {options['email']}.")
        self.stdout.write(token_create(user=user, name=options["name"], at=timezone.now(), days=options["days"]))
