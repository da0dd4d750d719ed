"""A portal on a real object store: rows in the test's database, bytes in buckets of its own, tools in their own process."""

from __future__ import annotations

import io
import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.db import connections
from django.test.testcases import LiveServerThread
from django.utils import timezone

from allocations.datasets import publishing, services
from allocations.datasets.models import Access, Dataset
from allocations.projects.models import Allocation
from notebooks_svc.agent.home import aws_config_write, aws_environment
from notebooks_svc.sessions.models import Cluster, Session
from notebooks_svc.sessions.spec import _data_env
from notebooks_svc.sessions.tokens import cluster_token, session_token
from notebooks_svc.storage import denials
from portal.accounts.models import Role, User
from portal.core.ids import cluster_id_new, launch_id_new
from portal.core.quantities import MICRO
from portal.objects import door, s3_connection
from portal.objects.credentials import Vendor
from portal.objects.door import Store
from portal.objects.s3_connection import S3Connection
from tests.support import portal
from tests.support.needs import needed
from tests.support.objectstore import ObjectStore, ObjectStoreMissing
from tests.support.up import environments_ready

TABLE = b"a,b\n1,2\n3,4\n"


@pytest.fixture(scope="package")
def objectstore() -> Iterator[ObjectStore]:
    """A real object store (Ceph RGW) of this run's own, until its last test; each test uses names of its own."""
    with needed(ObjectStoreMissing):
        server = ObjectStore()
    with server:
        yield server


@pytest.fixture
def connection(objectstore: ObjectStore) -> S3Connection:
    """Buckets and a role of this test's own, on the shared store."""
    mark = secrets.token_hex(4)
    made = replace(objectstore.connection(), bucket_prefix=f"t{mark}-", role=f"reader-{mark}")
    made.buckets_prepare()
    return made


@pytest.fixture
def vendor(connection: S3Connection, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """The installation is set to the store."""
    settings.OBJECTS_URL, settings.OBJECTS_BUCKET_PREFIX = connection.url, connection.bucket_prefix
    monkeypatch.setattr(s3_connection, "connection_from_settings", lambda: connection)
    door.vendor.cache_clear()
    door.store.cache_clear()
    made = door.vendor()
    assert made is not None
    yield made
    door.vendor.cache_clear()
    door.store.cache_clear()


@dataclass
class Ground:
    """Two enterprises with an award each, a steward, and the portal's own address."""

    vendor: Vendor
    store: Store
    url: str
    home: Path
    steward: User
    founder: User
    rival: User
    allocation: Allocation
    rivals: Allocation
    over_tls: S3Connection
    env_of: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def bucket(self) -> str:
        """Where datasets lie."""
        return self.vendor.connection.bucket("datasets")

    @property
    def scratch(self) -> str:
        """Where the founders write."""
        return self.vendor.connection.team_bucket(self.allocation.code)

    def dataset(
        self, slug: str, access_class: str, *, body: bytes = TABLE, name: str = "table.csv", draft: bool = False
    ) -> Dataset:
        """A dataset with one version of one file; `draft` leaves a second one unpublished beside it."""
        made = publishing.dataset_create(
            by=None,
            at=timezone.now(),
            slug=slug,
            steward=self.steward,
            title=slug,
            summary=slug,
            access_class=access_class,
            commercial_use=True,
            licence="CC0-1.0",
            domain="Climate",
            publisher="Somebody",
        )
        for number in range(2 if draft else 1):
            version = publishing.version_create(dataset=made, name=str(number + 1), notes="", by=None, at=timezone.now())
            publishing.file_add(version=version, facts=publishing.FileFacts(name), source=io.BytesIO(body))
            if number == 0:
                publishing.version_publish(version=version, by=None, at=timezone.now())
        made.refresh_from_db()
        return made

    def version(self, dataset: Dataset, name: str) -> None:
        """Publish one more version."""
        made = publishing.version_create(dataset=dataset, name=name, notes="", by=None, at=timezone.now())
        publishing.file_add(version=made, facts=publishing.FileFacts("table.csv"), source=io.BytesIO(TABLE))
        publishing.version_publish(version=made, by=None, at=timezone.now())

    def ask(self, dataset: Dataset, allocation: Allocation | None = None) -> Access:
        """A request of the founders, or of the rivals."""
        by = self.rival if allocation == self.rivals else self.founder
        return services.access_request(
            dataset=dataset, allocation=allocation or self.allocation, purpose="To read it.", by=by, at=timezone.now()
        )

    def grant(self, dataset: Dataset, allocation: Allocation | None = None) -> Access:
        """A request that was granted."""
        asked = self.ask(dataset, allocation)
        return services.access_decide(access=asked, outcome="grant", reason="", by=self.steward, at=timezone.now())

    def revoke(self, access: Access) -> None:
        """The steward ends it; what runs at the commit runs."""
        services.access_revoke(access=access, reason="Over.", by=self.steward, at=timezone.now())
        self.committed()

    def committed(self) -> None:
        """What the portal does once the transaction of a test would have been committed."""
        database = connections["default"]
        hooks, database.run_on_commit = database.run_on_commit, []
        assert any("_tell" in repr(hook) for _, hook, _ in hooks), "nobody was told"
        denials.denials_now()

    def session(self, allocation: Allocation | None = None, **values: Any) -> Session:
        """A running session."""
        allocation = allocation or self.allocation
        resource = allocation.resources.select_related("resource").first().resource
        now = timezone.now()
        facts: dict[str, Any] = {
            "id": launch_id_new(),
            "user": self.rival if allocation == self.rivals else self.founder,
            "allocation": allocation,
            "resource": resource,
            "profile": portal.Profile.objects.get(slug="small"),
            "state": "ready",
            "cores": 1,
            "memory_gib": 2,
            "minutes": 60,
            "rate_per_hour": MICRO,
            "worker_rate_per_hour": MICRO,
            "rate_words": "1",
            "requested_at": now,
            "due_at": now,
            "queue_until": now + timedelta(hours=1),
            "ready_at": now,
            "deadline": now + timedelta(hours=1),
        }
        return Session.objects.create(**(facts | values))

    def end(self, session: Session) -> None:
        """The session is over; the sweep that follows tells the store."""
        now = timezone.now()
        Session.objects.filter(pk=session.pk).update(state="ended", target_state="ended", ended_at=now, settled_at=now)
        denials.denials_sync(at=now)

    def cluster(self, session: Session) -> Cluster:
        """A running cluster of a session."""
        return Cluster.objects.create(
            id=cluster_id_new(),
            session=session,
            state="running",
            workers_max=1,
            worker_cores=1,
            worker_memory_gib=1,
            granted_at=timezone.now(),
            rate_per_hour=MICRO,
            hold="h",
            hold_amount=MICRO,
            rolled_at=timezone.now(),
            due_at=timezone.now(),
            lease_end=timezone.now() + timedelta(hours=1),
        )

    def keys(self, who: Session | Cluster, *datasets: str) -> httpx.Response:
        """Ask the portal for a credential as a helper does."""
        token = session_token(who) if isinstance(who, Session) else cluster_token(who)
        return self.keys_by(token, *datasets)

    def keys_by(self, token: str, *datasets: str) -> httpx.Response:
        """Ask the portal for a credential with any token."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(
            f"{self.url}/data/v1/credentials", params=[("dataset", d) for d in datasets], headers=headers, timeout=60
        )

    def s3(self, who: Session | Cluster, *datasets: str, tls: bool = False) -> Any:
        """An S3 client with a credential of the portal, over http or TLS."""
        answer = self.keys(who, *datasets)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        connection = self.over_tls if tls else self.vendor.connection
        return connection.client_as(said["AccessKeyId"], said["SecretAccessKey"], said["SessionToken"])

    def env(self, session: Session) -> dict[str, str]:
        """The environment the spawner would give a server."""
        env = _data_env(session_token(session), session)
        environment = environments_ready() / "base"
        home = {"HOME": str(self.home), "PATH": f"{environment}/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        aws_config_write(home=self.home, environment=environment)
        return home | env | aws_environment(home=self.home, env=env)

    def run(self, code: str, env: dict[str, str], *, timeout_s: float = 120) -> Any:
        """Run code in the notebook environment; its last line of output, read as JSON."""
        python = environments_ready() / "base" / "bin" / "python"
        done = subprocess.run(
            [str(python), "-c", code], env=env, cwd=self.home, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def ground(db: None, objectstore: ObjectStore, vendor: Vendor, tmp_path: Path, settings: Any) -> Iterator[Ground]:
    """See `Ground`. The portal answers on a port of its own, from this process and this test's database."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # no collected files are needed
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    at: datetime = timezone.now()
    steward = portal.person("steward", Role.STEWARD, at=at)
    founder, rival = (portal.person(name, at=at) for name in ("founder", "rival"))
    firms = portal.firm(founder, at=at), portal.firm(rival, at=at)
    portal.machine_room(at=at)
    awards = [portal.award(firm, at=at) for firm in firms]
    database = connections["default"]
    server = LiveServerThread("127.0.0.1", static_handler=StaticFilesHandler, connections_override={"default": database})
    server.daemon = True
    database.inc_thread_sharing()
    server.start()
    server.is_ready.wait()
    settings.OWN_HOST = f"127.0.0.1:{server.port}"
    settings.PORTAL_URL = f"http://127.0.0.1:{server.port}"
    over_tls = replace(objectstore.connection(tls=True), bucket_prefix=vendor.connection.bucket_prefix)
    home = tmp_path / "home"
    home.mkdir()
    yield Ground(vendor, door.store(), settings.PORTAL_URL, home, steward, founder, rival, awards[0], awards[1], over_tls)
    server.terminate()
    database.dec_thread_sharing()
    assert os.environ.get("AWS_ACCESS_KEY_ID") is None, "a test changed the environment of the run"
