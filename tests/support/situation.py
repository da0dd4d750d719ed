"""One of everything that has an address, seen by one person of each kind: who may do what is asked of it, route by route."""

from __future__ import annotations

import hashlib
import io
from datetime import date, datetime, timedelta
from typing import Any

from allocations.applications.models import Application, AttachedFile
from allocations.awards import appeals
from allocations.awards import services as awards
from allocations.awards.calendar import calendar_token
from allocations.awards.rests import rest_set_aside
from allocations.calls.models import CallVersion
from allocations.catalogue.models import Site
from allocations.datasets import offering, publishing, uploading
from allocations.datasets import services as datasets
from allocations.datasets.agreements import agreement_add
from allocations.datasets.models import Dataset, Version
from allocations.datasets.states import V
from allocations.projects.models import Allocation
from allocations.reports.services import reports_owe
from allocations.reviews import services as reviews
from notebooks_svc.batch import services as batch
from notebooks_svc.batch.models import BatchHold
from notebooks_svc.sessions import outages
from notebooks_svc.sessions import services as sessions
from notebooks_svc.sessions.models import Cluster, Session
from portal.accounts.models import Role, User
from portal.api.models import ApiToken
from portal.api.tokens import token_create
from portal.core.ids import cluster_id_new
from portal.core.quantities import MICRO
from portal.objects.door import store
from portal.organisations import facts, years
from portal.organisations import services as organisations
from portal.organisations.models import FactChange, OrgRole
from tests.support import portal
from tests.support.programme import Programme, programme

FACTS: dict[str, Any] = {
    "title": "Solar yield",
    "summary": "Yield of forty roofs.",
    "access_class": "open",
    "commercial_use": True,
    "licence": "CC-BY-4.0",
    "domain": "Energy",
}
PDF = b"%PDF-1.7\n%%EOF\n"


class Situation:
    """
    The enterprise's people are member, manager and owner; `inside` is an officer who belongs to it. Of the reviewers,
    `assigned` reviews its application, `conflicted` declared a conflict, `unassigned` was not asked. Officers are the
    programme's staff.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        p = self.programme = programme(now)
        member = portal.person("member", at=now)
        portal.member(p.firm, member, OrgRole.MEMBER, at=now)
        manager = portal.person("manager", at=now)
        portal.member(p.firm, manager, OrgRole.MANAGER, at=now)
        inside = portal.person("inside", Role.OFFICER, at=now)
        portal.member(p.firm, inside, OrgRole.MEMBER, at=now)
        self.people: dict[str, User | None] = {
            "anonymous": None,
            "member": member,
            "manager": manager,
            "owner": p.founder,
            "rival": p.rival,
            "assigned": p.reviewers[0],
            "conflicted": p.reviewers[1],
            "unassigned": portal.person("reviewer-c", Role.REVIEWER, at=now),
            "officer": p.officer,
            "inside": inside,
            "steward": p.steward,
            "operator": p.operator,
        }
        self.values = {**self._programme(p), **self._enterprise(p), **self._work(member), **self._datasets(p)}

    def _programme(self, p: Programme) -> dict[str, Any]:
        row, (first, second) = p.in_review()
        reviews.conflict_declare(review=first, has_conflict=False, by=first.reviewer, at=p.now)
        reviews.conflict_declare(review=second, has_conflict=True, kind="employer", by=second.reviewer, at=p.now)
        self.draft, self.decided, self.rejected = p.draft(), p.judged(), p.judged()
        p.award(self.decided, by=p.second_officer)
        reason = "The plan is not sound yet."
        awards.application_reject(application=self.rejected, reason=reason, by=p.second_officer, at=p.now)
        appeal = appeals.appeal_create(application=self.rejected, text="It was misread.", by=p.founder, at=p.now)
        allocation = self.decided.allocation
        assert allocation is not None
        rest_set_aside(allocation=allocation, amount=MICRO, by=p.second_officer, at=p.now)
        reports_owe(allocation=allocation, final_days=60, midterm_days=None, blocks=False)
        self.allocation, self.application = allocation, row
        version = self.draft.version
        asked = {"key": "plan", "label": "Your plan", "kinds": ["pdf"]}
        CallVersion.objects.filter(pk=version.pk).update(document={**version.document, "attachments": [asked]})
        return {
            "applications/code": row.code,
            "applications/pk": self._file(row).pk,
            "applications/step": 1,
            "applications/key": "plan",
            "allocations/code": allocation.code,
            "allocations/form": "csv",
            "allocations/name": "ask",
            "allocations/kind": "extension",
            "apply/slug": "build",
            "calls/slug": "build",
            "calls/place": "about",
            "queue/slug": "build",
            "reviews/pk": first.pk,
            "reports/pk": allocation.reports.get().pk,
            "appeals/pk": appeal.pk,
            "calendar/token": calendar_token(p.founder),
        }

    def _file(self, row: Application) -> AttachedFile:
        key = f"applications/{row.pk}/plan.pdf"
        store().put(key, io.BytesIO(PDF))
        return AttachedFile.objects.create(
            application=row,
            key="plan",
            name="plan.pdf",
            kind="pdf",
            size=len(PDF),
            sha256=hashlib.sha256(PDF).hexdigest(),
            object_key=key,
            added_by=row.created_by,
            added_at=self.now,
        )

    def _enterprise(self, p: Programme) -> dict[str, Any]:
        firm, by = p.firm, {"by": p.founder, "at": self.now}
        related = {"name": "Holding", "direction": "holder", "share_percent": 30, "headcount": 1, "turnover_eur": 1}
        told = {"granted_on": self.now.date(), "amount_eur": 5, "granted_by": "City"}
        facts.related_firm_add(organisation=firm, **by, **related)
        facts.subsidy_add(organisation=firm, **by, **told)
        organisations.organisation_update(organisation=firm, **by, accounts_end_on=date(2025, 12, 31))
        year = years.year_add(organisation=firm, ends_on=date(2024, 12, 31), headcount=1, turnover_eur=1, **by)
        url = organisations.invitation_create(organisation=firm, email="a@b.example", role=OrgRole.MEMBER, **by)
        ids = {
            "pk": firm.pk,
            "firm": firm.related_firms.get().pk,
            "year": year.pk,
            "subsidy": firm.subsidies.get().pk,
            "change": FactChange.objects.filter(organisation=firm).latest("pk").pk,
            "user_pk": p.colleague.pk,
        }
        token = url.rstrip("/").rsplit("/", 1)[1]
        return {
            **{f"{first}/{name}": value for name, value in ids.items() for first in ("enterprise", "organisations")},
            "people/pk": p.stranger.pk,
            "me/pk": self._token(p),
            "token": token,
        }

    def _token(self, p: Programme) -> int:
        token_create(user=p.founder, name="nightly", at=self.now)
        return ApiToken.objects.get(user=p.founder).pk

    def _work(self, member: User) -> dict[str, Any]:
        asked = {"allocation": self.allocation.code, "resource": "cpu", "profile": "small", "minutes": 60}
        self.session: Session = sessions.session_launch(user=member, at=self.now, **asked)
        cluster = Cluster.objects.create(
            id=cluster_id_new(),
            session=self.session,
            workers_max=1,
            worker_cores=1,
            worker_memory_gib=2,
            rate_per_hour=MICRO,
            hold="none",
            hold_amount=0,
            granted_at=self.now,
            rolled_at=self.now,
            lease_end=self.now + timedelta(hours=1),
            due_at=self.now + timedelta(hours=1),
        )
        self.other = portal.award(self.programme.firm, at=self.now)
        outage = outages.outage_tell(
            site=self.session.resource.site,
            begin=self.now - timedelta(hours=2),
            end=self.now - timedelta(hours=1),
            reason="power",
            by=self.programme.operator,
            at=self.now,
        )
        ids = {
            "batch-holds/id": self._batch_hold(member).pk,
            "outages/pk": outage.pk,
            "sessions/id": self.session.pk,
            "site/launch": self.session.pk,
            "clusters/id": cluster.pk,
        }
        return {**ids, "sites/slug": "room"}

    def _batch_hold(self, member: User) -> BatchHold:
        """Set aside while the room had a batch scheduler."""
        room = Site.objects.filter(slug="room")
        room.update(engine="slurm")
        made = batch.batch_open(user=member, allocation=self.allocation.code, resource="cpu", amount=MICRO, at=self.now)
        room.update(engine="local")
        return made

    def _datasets(self, p: Programme) -> dict[str, Any]:
        faces = self._published("faces", steward=p.steward)
        wanted: Allocation = self.allocation
        terms = {"terms_number": 1, "by": p.founder, "at": self.now}
        access = datasets.access_request(dataset=faces, allocation=wanted, purpose="To see.", **terms)
        document = agreement_add(organisation=p.firm, title="Signed", body=PDF, by=p.founder, at=self.now)
        version, waiting = self._offered("solar"), self._offered("wind")
        Version.objects.filter(pk=waiting.pk).update(state=V.IN_REVIEW, submitted_at=self.now, submitted_by=p.founder)
        upload = uploading.upload_begin(version=version, path="new.csv", size_bytes=9, by=p.founder, at=self.now)
        return {
            "datasets/slug": "faces",
            "datasets/name": "1",
            "datasets/path": "table.csv",
            "data/slug": "faces",
            "dataset-requests/pk": access.pk,
            "dataset-uploads/pk": upload.pk,
            "agreements/pk": document.pk,
        }

    def _published(self, slug: str, *, steward: User) -> Dataset:
        said = {**FACTS, "access_class": "controlled", "publisher": "City"}
        made = publishing.dataset_create(by=None, at=self.now, slug=slug, steward=steward, **said)
        publishing.terms_publish(dataset=made, text="Do not look for whom.", by=None, at=self.now)
        version = publishing.version_create(dataset=made, name="1", notes="", by=None, at=self.now)
        publishing.file_add(version=version, facts=publishing.FileFacts("table.csv"), source=io.BytesIO(b"a,b\n1,2\n"))
        publishing.version_publish(version=version, by=None, at=self.now)
        made.refresh_from_db()
        return made

    def _offered(self, slug: str) -> Version:
        p = self.programme
        made = offering.dataset_offer(organisation=p.firm, slug=slug, by=p.founder, at=self.now, **FACTS)
        return publishing.version_create(dataset=made, name="1", notes="", by=p.founder, at=self.now)
