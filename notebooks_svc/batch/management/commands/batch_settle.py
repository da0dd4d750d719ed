from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from allocations.catalogue.models import Site
from notebooks_svc.batch.collecting import site_collect
from notebooks_svc.batch.models import BatchHold
from notebooks_svc.batch.settling import batch_settle
from notebooks_svc.batch.states import LIVE
from notebooks_svc.sessions.doors.agent import AgentRefused, AgentUnreachable
from portal.core.quantities import credits_text


class Command(BaseCommand):
    """Settle batch holds now instead of at the end of their day."""

    help = "Read batch sites' accounting and charge what ended, now instead of once a day. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="*", metavar="ID", help="batch holds; none means all that are not closed")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = BatchHold.objects.filter(state__in=LIVE)
        if options["ids"]:
            rows = rows.filter(pk__in=options["ids"])
        rows.update(read_again_at=None)
        for site in Site.objects.filter(pk__in=rows.values("resource__site"), enabled=True):
            try:
                site_collect(site=site, at=timezone.now())
            except (AgentUnreachable, AgentRefused) as error:
                self.stderr.write(f"{site} does not answer; what is known already is settled: {error}")
        for hold in rows.order_by("pk"):
            charged = batch_settle(id=hold.pk, at=timezone.now())
            hold.refresh_from_db()
            left = credits_text(hold.hold_amount)
            self.stdout.write(
                f"{hold.pk}: {credits_text(charged)} credits charged now, {credits_text(hold.charged)} in all, {left} left"
            )
