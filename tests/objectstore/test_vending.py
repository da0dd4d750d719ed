"""What a credential reaches on a real store: exactly what its project may read at that moment, and its own scratch."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from django.utils import timezone

from allocations.datasets import publishing, services
from allocations.datasets.models import Access, Dataset
from allocations.datasets.states import Hand
from notebooks_svc.sessions.tokens import session_token
from notebooks_svc.storage import denials, vending
from portal.core.errors import Refusal
from portal.objects.credentials import SESSION_POLICY_MAX, Denial, Keys, Scope, StoreNotTrusted, Vendor
from portal.objects.s3_connection import S3Connection, compact, error_status
from portal.organisations.models import Membership
from tests.support import portal
from tests.support.objectstore import ObjectStore

from .conftest import TABLE, Ground


def status(ask: Callable[..., Any], **asked: Any) -> int:
    """The HTTP status of a call: 200 when it passed."""
    try:
        ask(**asked)
    except ClientError as error:
        return error_status(error)
    return 200


def attempts(ground: Ground, s3: Any, slug: str, version: str = "1") -> dict[str, int]:
    """Everything a person could try with a dataset, and what the store answered."""
    bucket, key = ground.bucket, f"{slug}/{version}/table.csv"
    presigned = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=60)
    return {
        "read": status(s3.get_object, Bucket=bucket, Key=key),
        "head": status(s3.head_object, Bucket=bucket, Key=key),
        "list": status(s3.list_objects_v2, Bucket=bucket, Prefix=f"{slug}/{version}/"),
        "presign": httpx.get(presigned, verify=ground.over_tls.ca if presigned.startswith("https") else True).status_code,
        "copy": status(
            s3.copy_object,
            Bucket=ground.scratch,
            Key="copied",
            CopySource={"Bucket": bucket, "Key": key},
        ),
        "write": status(s3.put_object, Bucket=bucket, Key=key, Body=b"changed"),
        "write new": status(s3.put_object, Bucket=bucket, Key=f"{slug}/{version}/new", Body=b"new"),
        "delete": status(s3.delete_object, Bucket=bucket, Key=key),
        "open to all": status(s3.put_object_acl, Bucket=bucket, Key=key, ACL="public-read"),
    }


READS = ("read", "head", "list", "presign", "copy")
WIRES = pytest.mark.parametrize("tls", [False, True], ids=["http", "TLS"])


@WIRES
def test_every_state_of_a_grant_allows_or_denies_as_it_says(ground: Ground, tls: bool) -> None:
    """(person × dataset × state) × (read, list, write, copy, presign, delete), in one credential each."""
    states: dict[str, Callable[[Dataset], Any]] = {
        "requested": ground.ask,
        "granted": ground.grant,
        "rejected": lambda d: services.access_decide(
            access=ground.ask(d), outcome="reject", reason="No.", by=ground.steward, at=timezone.now()
        ),
        "withdrawn": lambda d: services.access_withdraw(access=ground.ask(d), by=ground.founder, at=timezone.now()),
        "given-up": lambda d: services.access_withdraw(access=ground.grant(d), by=ground.founder, at=timezone.now()),
        "revoked": lambda d: ground.revoke(ground.grant(d)),
        "expired": lambda d: Access.objects.filter(pk=ground.grant(d).pk).update(granted_until="2020-01-01"),
        "never-asked": lambda d: None,
        "renewing": lambda d: (ground.grant(d), ground.ask(d)),
        "renewed": lambda d: (ground.grant(d), ground.grant(d)),
        "renewal-refused": lambda d: (
            ground.grant(d),
            services.access_decide(access=ground.ask(d), outcome="reject", reason="No.", by=ground.steward, at=timezone.now()),
        ),
        "of-the-rivals": lambda d: ground.grant(d, ground.rivals),
    }
    for name, move in states.items():
        move(ground.dataset(name, "controlled"))
    ground.dataset("open", "open")
    ground.dataset("terms-not-accepted", "registered")
    waiting = ground.dataset("terms-awaited", "registered")
    publishing.terms_publish(dataset=waiting, text="Be kind.", by=None, at=timezone.now())
    services.requests_from_award(
        allocation=ground.allocation, slugs=["terms-awaited"], by=ground.founder, purpose="", at=timezone.now()
    )
    assert Access.objects.get(dataset=waiting).state == "awaiting_terms"
    accepted = ground.dataset("terms-accepted", "registered")
    publishing.terms_publish(dataset=accepted, text="Be kind.", by=None, at=timezone.now())
    services.terms_accept(dataset=accepted, by=ground.founder, at=timezone.now(), allocations=[ground.allocation])
    denials.denials_sync(at=timezone.now())
    held = {"granted", "open", "renewing", "renewed", "renewal-refused", "terms-accepted"}
    readers = {
        "founder's session": (ground.session(), held),
        "rival's session": (ground.session(ground.rivals), {"of-the-rivals", "open"}),
        "narrowed session": (ground.session(datasets=["granted"]), {"granted"}),
        "session narrowed to nothing": (ground.session(datasets=[]), set()),
    }
    wrong = []
    for reader, (session, may_read) in readers.items():
        s3 = ground.s3(session, tls=tls)
        for slug in [*states, "open", "terms-not-accepted", "terms-awaited", "terms-accepted"]:
            for what, got in attempts(ground, s3, slug).items():
                # Only the founders' session may write into the founders' scratch, which copying needs.
                copies = what != "copy" or session.allocation == ground.allocation
                want = 200 if slug in may_read and what in READS and copies else 403
                wrong += [(reader, slug, what, got)] if got != want else []
    assert not wrong
    assert ground.store.open("datasets/granted/1/table.csv").read() == TABLE
    names = sorted(info.key for info in ground.store.list("datasets/granted/"))
    assert names == ["datasets/granted/1/table.csv"]


def test_a_version_under_terms_nobody_accepted_is_nobodys(ground: Ground) -> None:
    sea = ground.dataset("sea", "registered")
    publishing.terms_publish(dataset=sea, text="Be kind.", by=None, at=timezone.now())
    services.terms_accept(dataset=sea, by=ground.founder, at=timezone.now(), allocations=[ground.allocation])
    terms = publishing.terms_publish(dataset=sea, text="Be kinder.", by=None, at=timezone.now())
    ground.version(sea, "2")
    session = ground.session()
    before = ground.s3(session)
    assert attempts(ground, before, "sea", "1")["read"] == 200
    assert {attempts(ground, before, "sea", "2")[what] for what in READS} == {403}
    services.terms_accept(
        dataset=sea, by=ground.founder, at=timezone.now(), allocations=[ground.allocation], terms_number=terms.number
    )
    assert {attempts(ground, ground.s3(session), "sea", "2")[what] for what in READS} == {200}


def test_what_was_open_and_is_closed_ends_for_whoever_read_it_as_open(ground: Ground) -> None:
    """Its owner makes it controlled: sessions and links of before are denied at once; who is granted it reads."""
    from allocations.datasets import offering

    air = ground.dataset("air", "open")
    ground.dataset("sea", "open")
    session = ground.session()
    ours, theirs = ground.s3(session), ground.s3(ground.session(ground.rivals))
    link = ground.store.link("datasets/air/1/table.csv", ticket="p.0-0", expires=_in_an_hour())
    assert {attempts(ground, client, "air")["read"] for client in (ours, theirs)} == {200}
    assert httpx.get(link).status_code == 200
    offering.dataset_edit(dataset=air, access_class="controlled", by=ground.steward, at=timezone.now())
    ground.committed()
    for client in (ours, theirs):
        assert {attempts(ground, client, "air")[what] for what in READS} == {403}
        assert attempts(ground, client, "sea")["read"] == 200
    assert httpx.get(link).status_code == 403
    air.refresh_from_db()
    ground.grant(air)
    ground.committed()
    assert attempts(ground, ground.s3(session), "air")["read"] == 200
    assert attempts(ground, theirs, "air")["read"] == 403
    assert denials.denials(at=_in_an_hour() + timedelta(minutes=6)) == []


def test_a_draft_beside_a_granted_version_is_nobodys(ground: Ground) -> None:
    ground.grant(ground.dataset("faces", "controlled", draft=True))
    s3 = ground.s3(ground.session())
    assert {attempts(ground, s3, "faces", "1")[what] for what in READS} == {200}
    assert {attempts(ground, s3, "faces", "2")[what] for what in READS} == {403}
    assert status(s3.list_objects_v2, Bucket=ground.bucket, Prefix="faces/") == 403


def test_names_that_begin_alike_are_not_alike(ground: Ground) -> None:
    ground.grant(ground.dataset("air", "controlled"))
    for other in ("air-secret", "airy", "a"):
        ground.dataset(other, "controlled")
    s3 = ground.s3(ground.session())
    for key in (
        "air-secret/1/table.csv",
        "airy/1/table.csv",
        "a/1/table.csv",
        "air/1/../../air-secret/1/table.csv",
        "air/1/%2e%2e/%2e%2e/air-secret/1/table.csv",
        "air/1//table.csv/../../../a/1/table.csv",
        "./air-secret/1/table.csv",
        "air/10/table.csv",
    ):
        assert status(s3.get_object, Bucket=ground.bucket, Key=key) in (403, 404), key
    for prefix in ("", "a", "air", "air/", "air-", "air/1", "air-secret/1/", "air/1/../"):
        got = status(s3.list_objects_v2, Bucket=ground.bucket, Prefix=prefix)
        assert got == (200 if prefix == "air/1/../" else 403), prefix
    # What lies under a literal `..` is nothing: the store takes names as they are.
    assert "Contents" not in s3.list_objects_v2(Bucket=ground.bucket, Prefix="air/1/../")


@WIRES
def test_two_teams_never_see_each_others_bucket(ground: Ground, tls: bool) -> None:
    ours, theirs = ground.s3(ground.session(), tls=tls), ground.s3(ground.session(ground.rivals), tls=tls)
    mine, other = ground.scratch, ground.vendor.connection.team_bucket(ground.rivals.code)
    assert status(ours.put_object, Bucket=mine, Key="deep/result", Body=b"mine") == 200
    assert ours.get_object(Bucket=mine, Key="deep/result")["Body"].read() == b"mine"
    for prefix in ("", "deep/", "de"):
        assert [row["Key"] for row in ours.list_objects_v2(Bucket=mine, Prefix=prefix)["Contents"]] == ["deep/result"]
    begun = ours.create_multipart_upload(Bucket=mine, Key="large")
    ours.abort_multipart_upload(Bucket=mine, Key="large", UploadId=begun["UploadId"])
    for key in ("deep/result", "new", f"../{mine}/deep/result", f"{other}/../deep/result"):
        assert status(theirs.get_object, Bucket=mine, Key=key) in (403, 404), key
        assert status(theirs.delete_object, Bucket=mine, Key=key) == 403, key
    for prefix in ("", "deep", "deep/"):
        assert status(theirs.list_objects_v2, Bucket=mine, Prefix=prefix) == 403
    assert status(theirs.put_object, Bucket=mine, Key="new", Body=b"x") == 403
    assert status(theirs.create_multipart_upload, Bucket=mine, Key="new") == 403
    source = {"Bucket": mine, "Key": "deep/result"}
    assert status(theirs.copy_object, Bucket=other, Key="stolen", CopySource=source) == 403
    for bucket in (f"{mine}0", f"{mine}-x", ground.vendor.connection.bucket("scratch")):  # names that begin alike
        assert status(ours.get_object, Bucket=bucket, Key="x") in (403, 404)
        assert status(ours.create_bucket, Bucket=bucket) == 403
    assert status(ours.put_bucket_policy, Bucket=mine, Policy="{}") == 403
    assert status(ours.delete_bucket, Bucket=mine) == 403
    assert [info.key for info in ground.store.list(f"scratch/{ground.allocation.code}/")] == [
        f"scratch/{ground.allocation.code.lower()}/deep/result"
    ]
    assert status(ours.delete_object, Bucket=mine, Key="deep/result") == 200


def test_a_credential_does_nothing_else_at_the_store(ground: Ground) -> None:
    s3 = ground.s3(ground.session())
    assert status(s3.list_buckets) == 403
    assert status(s3.create_bucket, Bucket=f"{ground.bucket}x") == 403
    assert status(s3.get_bucket_policy, Bucket=ground.bucket) == 403
    assert status(s3.put_bucket_policy, Bucket=ground.bucket, Policy="{}") == 403
    private = ground.vendor.connection.bucket("portal")
    ground.store.put("attachments/letter", open(__file__, "rb"))  # noqa: SIM115
    assert status(s3.get_object, Bucket=private, Key="attachments/letter") == 403
    assert status(s3.list_objects_v2, Bucket=private) == 403


def test_revoking_denies_a_live_session_at_its_next_request_and_touches_nobody_else(ground: Ground) -> None:
    faces, air = ground.dataset("faces", "controlled"), ground.dataset("air", "controlled")
    access, _ = ground.grant(faces), ground.grant(air)
    ground.grant(faces, ground.rivals)
    session = ground.session()
    cluster = ground.cluster(session)
    ours, workers, theirs = ground.s3(session), ground.s3(cluster), ground.s3(ground.session(ground.rivals))
    presigned = ours.generate_presigned_url("get_object", Params={"Bucket": ground.bucket, "Key": "faces/1/table.csv"})
    link = ground.store.link("datasets/faces/1/table.csv", ticket=f"s.{session.pk}-1", expires=_in_an_hour())
    page = ground.store.link("datasets/faces/1/table.csv", ticket=f"p.7-{ground.allocation.pk}", expires=_in_an_hour())
    others = ground.store.link("datasets/faces/1/table.csv", ticket=f"p.7-{ground.rivals.pk}", expires=_in_an_hour())
    for client in (ours, workers, theirs):
        assert attempts(ground, client, "faces")["read"] == 200
    assert {httpx.get(url).status_code for url in (presigned, link, page, others)} == {200}

    ground.revoke(access)

    for client in (ours, workers):
        tried = attempts(ground, client, "faces")
        assert {tried[what] for what in READS} == {403}, tried
        assert {attempts(ground, client, "air")[what] for what in READS} == {200}
        assert status(client.put_object, Bucket=ground.scratch, Key="x", Body=b"x") == 200
    assert [httpx.get(url).status_code for url in (presigned, link, page, others)] == [403, 403, 403, 200]
    assert attempts(ground, theirs, "faces")["read"] == 200
    assert ground.keys(session).json()["datasets"] == ["air"]
    refused = ground.keys(session, "faces")
    assert (refused.status_code, refused.json()["code"]) == (403, "access_revoked")

    # The denial is lifted when the steward grants it again, and when no credential of before can live any more.
    ground.grant(faces)
    denials.denials_sync(at=timezone.now())
    assert attempts(ground, ours, "faces")["read"] == 200
    ground.revoke(Access.objects.filter(dataset=faces, allocation=ground.allocation, state="granted").get())
    assert attempts(ground, ours, "faces")["read"] == 403
    assert denials.denials(at=timezone.now())
    assert denials.denials(at=_in_an_hour() + timedelta(minutes=6)) == []


ENDS: dict[str, Callable[[Ground, Access], Any]] = {
    "given up": lambda ground, access: services.access_withdraw(access=access, by=ground.founder, at=timezone.now()),
    "revoked": lambda ground, access: services.access_revoke(
        access=access, reason="Over.", by=ground.steward, at=timezone.now()
    ),
    "its last day passed": lambda ground, access: Access.objects.filter(pk=access.pk).update(granted_until="2020-01-01"),
    "the version was withdrawn": lambda ground, access: publishing.version_withdraw(
        version=access.dataset.versions.get(), reason="Wrong.", by=ground.steward, at=timezone.now(), hand=Hand.REVIEWER
    ),
    "the dataset was withdrawn": lambda ground, access: publishing.dataset_withdraw(
        dataset=access.dataset, reason="Wrong.", by=ground.steward, at=timezone.now()
    ),
}


@WIRES
@pytest.mark.parametrize("end", ENDS)
def test_every_end_of_a_grant_ends_what_was_vended_before_it(ground: Ground, end: str, tls: bool) -> None:
    access = ground.grant(ground.dataset("faces", "controlled"))
    ground.grant(ground.dataset("air", "controlled"))
    live = ground.s3(ground.session(), tls=tls)
    assert {attempts(ground, live, "faces")[what] for what in READS} == {200}
    ENDS[end](ground, access)
    denials.denials_sync(at=timezone.now())
    tried = attempts(ground, live, "faces")
    assert set(tried.values()) == {403}, tried
    assert {attempts(ground, live, "air")[what] for what in READS} == {200}


def test_what_is_withdrawn_is_denied_to_everybody(ground: Ground) -> None:
    air = ground.dataset("air", "open")
    ground.dataset("sea", "open")
    ours, theirs = ground.s3(ground.session()), ground.s3(ground.session(ground.rivals))
    assert attempts(ground, theirs, "air")["read"] == 200
    publishing.dataset_withdraw(dataset=air, reason="A mistake.", by=ground.steward, at=timezone.now())
    ground.committed()
    for client in (ours, theirs):
        assert attempts(ground, client, "air")["read"] == 403
        assert attempts(ground, client, "sea")["read"] == 200
    assert ground.store.open("datasets/air/1/table.csv").read() == TABLE


def test_links_die_with_the_membership_they_were_made_for(ground: Ground) -> None:
    """Of datasets and of the team's bucket; a colleague's go on, and coming back opens them again."""
    colleague = portal.person("colleague", at=timezone.now())
    portal.member(ground.allocation.organisation, colleague, "owner", at=timezone.now())  # type: ignore[arg-type]
    ground.grant(ground.dataset("faces", "controlled"))
    ground.s3(ground.session()).put_object(Bucket=ground.scratch, Key="result", Body=b"mine")

    def links(user: Any) -> list[int]:
        ticket = f"p.{user.pk}-{ground.allocation.pk}"
        keys = ("datasets/faces/1/table.csv", f"scratch/{ground.allocation.code.lower()}/result")
        return [httpx.get(ground.store.link(key, ticket=ticket, expires=_in_an_hour())).status_code for key in keys]

    assert links(ground.founder) == links(colleague) == [200, 200]
    membership = ground.founder.memberships.get()
    Membership.objects.filter(pk=membership.pk).update(left_at=timezone.now())
    denials.denials_sync(at=timezone.now())
    assert links(ground.founder) == [403, 403]
    assert links(colleague) == [200, 200]
    portal.member(ground.allocation.organisation, ground.founder, "member", at=timezone.now())  # type: ignore[arg-type]
    denials.denials_sync(at=timezone.now())
    assert links(ground.founder) == [200, 200]
    colleague.is_active, colleague.deactivated_at = False, timezone.now()
    colleague.save()
    denials.denials_sync(at=timezone.now())
    assert links(colleague) == [403, 403]
    assert denials.denials(at=_in_an_hour() + timedelta(minutes=6)) == []


@WIRES
def test_a_stolen_credential_dies_with_its_session(ground: Ground, tls: bool) -> None:
    ground.dataset("air", "open")
    session, other = ground.session(), ground.session()
    stolen, token, neighbour = ground.s3(session, tls=tls), session_token(session), ground.s3(other, tls=tls)
    assert attempts(ground, stolen, "air")["read"] == 200
    ground.end(session)
    assert attempts(ground, stolen, "air")["read"] == 403
    assert status(stolen.put_object, Bucket=ground.scratch, Key="x", Body=b"x") == 403
    replayed = ground.keys_by(token)
    assert (replayed.status_code, replayed.json()["code"]) == (401, "session_over")
    assert attempts(ground, neighbour, "air")["read"] == 200


def test_only_the_token_of_a_living_session_gets_a_credential(ground: Ground) -> None:
    session = ground.session()
    token = session_token(session)
    flipped = token[:-1] + ("a" if token[-1] != "a" else "b")
    other = token.replace(session.pk, ground.session(ground.rivals).pk)
    later = token.replace("_1_", "_2_")
    for wrong in ("x", "nonsense", flipped, other, later, token.upper()):
        answer = ground.keys_by(wrong)
        assert (answer.status_code, answer.json()["code"]) == (401, "session_over"), wrong
        assert "AccessKeyId" not in answer.text
    good = ground.keys_by(token)
    assert good.status_code == 200
    assert good.headers["Cache-Control"] == "private, no-store"


@WIRES
def test_expired_altered_and_foreign_keys_open_nothing(ground: Ground, settings: Any, tls: bool) -> None:
    ground.dataset("air", "open")
    ground.vendor.check_trusted()
    settings.OBJECTS_CREDENTIAL_S = 4
    said = ground.keys(ground.session()).json()
    connection = ground.over_tls if tls else ground.vendor.connection
    asked = {"Bucket": ground.bucket, "Key": "air/1/table.csv"}

    def client(**changes: str) -> Any:
        values = said | changes
        return connection.client_as(values["AccessKeyId"], values["SecretAccessKey"], values["SessionToken"])

    assert status(client().get_object, **asked) == 200
    token = said["SessionToken"]
    for changes in (
        {"SessionToken": token[:40] + ("A" if token[40] != "A" else "B") + token[41:]},
        {"SessionToken": ""},
        {"SecretAccessKey": "x" * len(said["SecretAccessKey"])},
        {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE"},
    ):
        assert status(client(**changes).get_object, **asked) in (400, 403), changes
    time.sleep(4.6)
    assert status(client().get_object, **asked) == 403


def test_a_stranger_at_the_store_reaches_nothing(ground: Ground, objectstore: ObjectStore) -> None:
    ground.dataset("air", "open")
    guest = objectstore.connection(user="guest")
    ground.s3(ground.session())  # the team's bucket is made
    assert status(guest.client("s3").get_object, Bucket=ground.bucket, Key="air/1/table.csv") == 403
    assert status(guest.client("s3").list_objects_v2, Bucket=ground.scratch) == 403
    with pytest.raises(ClientError) as refused:
        guest.client("sts").assume_role(RoleArn=ground.vendor.role_arn(), RoleSessionName="guest")
    assert error_status(refused.value) == 403
    assert httpx.get(f"{ground.vendor.connection.url}/{ground.bucket}/air/1/table.csv").status_code == 403


def test_a_policy_that_would_be_too_long_is_asked_for_by_dataset(ground: Ground) -> None:
    opened = [ground.dataset(f"open-data-with-a-rather-long-name-{number:02}", "open").slug for number in range(16)]
    session = ground.session()
    said = ground.keys(session).json()
    assert said["datasets"], "as many open datasets as find room"
    assert said["left_out"], "the others are named"
    assert {*said["datasets"], *said["left_out"]} == set(opened)
    left = said["left_out"][0]
    assert attempts(ground, ground.s3(session), left)["read"] == 403
    assert attempts(ground, ground.s3(session, left), left)["read"] == 200
    assert attempts(ground, ground.s3(session, left), said["datasets"][0])["read"] == 403

    granted = [ground.dataset(f"granted-{number:02}", "controlled") for number in range(26)]
    for dataset in granted:
        ground.grant(dataset)
    refused = ground.keys(session)
    assert (refused.status_code, refused.json()["code"]) == (409, "choose_datasets")
    assert "COMMONS_DATASET" in refused.json()["detail"]
    two = ground.keys(session, "granted-00", "granted-25")
    assert two.json()["datasets"] == ["granted-25", "granted-00"]
    scope = vending.reach(ground.vendor, session=session, wanted=["granted-00"], at=timezone.now()).scope
    assert len(ground.vendor.session_policy(scope)) < SESSION_POLICY_MAX


def test_a_session_at_the_store_is_named_after_launch_or_cluster(ground: Ground, objectstore: ObjectStore) -> None:
    ground.dataset("air", "open")
    session = ground.session()
    cluster = ground.cluster(session)
    for who in (session, cluster):
        assert attempts(ground, ground.s3(who), "air")["read"] == 200
        ours = [line for line in _log(objectstore) if line.get("sts_info", {}).get("role_session") == who.pk]
        assert {line["bucket"] for line in ours} >= {ground.bucket}


def test_the_credential_is_told_to_end_before_it_does(ground: Ground) -> None:
    said = ground.keys(ground.session()).json()
    told = datetime.fromisoformat(said["Expiration"])
    left = (told - timezone.now()).total_seconds()
    assert 3600 - 310 < left <= 3300, "boto3 renews below 15 minutes: an hour leaves it 40 quiet ones"


# --- trust ------------------------------------------------------------------------------------------------------------------


class Forgetful(Vendor):
    """Speaks to a store that takes a session policy and forgets it, as some products do."""

    def session_policy(self, scope: Scope) -> str:
        return compact({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})


def test_a_store_that_forgets_session_policies_gets_no_credential_out(connection: S3Connection) -> None:
    forgetful = Forgetful(connection)
    with pytest.raises(StoreNotTrusted) as refused:
        forgetful.vend("s" + "0" * 26, Scope(reads=("datasets/a/1/",)))
    assert "does not enforce session policies" in refused.value.message
    assert "could read and list and write another" in refused.value.message
    assert "COMMONS_OBJECTS_URL" in refused.value.message
    assert isinstance(Vendor(connection).vend("s" + "0" * 26, Scope()), Keys)


def test_readiness_and_the_log_say_what_the_operator_is_to_do(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    vending.store_watch(at=timezone.now())
    assert "session policies" not in caplog.text
    assert httpx.get(f"{ground.url}/health/ready").status_code == 200
    forgetful = Forgetful(ground.vendor.connection)
    monkeypatch.setattr(vending, "vendor", lambda: forgetful)
    answer = httpx.get(f"{ground.url}/health/ready")
    assert answer.status_code == 503
    assert "does not enforce session policies" in " ".join(answer.json()["problems"])
    vending.store_watch(at=timezone.now())
    assert "does not enforce session policies" in caplog.text, "at the worker's start, before anybody is refused"
    refused = ground.keys(ground.session())
    assert (refused.status_code, refused.json()["code"]) == (503, "store_not_trusted")


def test_a_store_that_is_away_or_does_not_know_us_is_told_apart(connection: S3Connection) -> None:
    away = Vendor(S3Connection("http://127.0.0.1:9", "a", "b"))
    assert "could not be asked" in away.probe()
    stranger = Vendor(S3Connection(connection.url, "nobody", "nothing"))
    assert "COMMONS_OBJECTS_ACCESS_KEY" in stranger.probe()


def test_what_an_operator_wrote_into_a_buckets_policy_stays(vendor: Vendor) -> None:
    s3, bucket = vendor.connection.client("s3"), vendor.connection.bucket("datasets")
    theirs = {
        "Sid": "mirror",
        "Effect": "Allow",
        "Principal": {"AWS": ["arn:aws:iam:::user/guest"]},
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/public/*"],
    }
    s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [theirs]}, separators=(",", ":"))
    )
    assert vendor.deny([Denial("datasets/air/", ("s1",))])
    assert not vendor.deny([Denial("datasets/air/", ("s1",))]), "saying it again changes nothing"
    sids = [s["Sid"] for s in json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]]
    assert sids == ["mirror", "commons", "commons"]
    assert vendor.deny([])
    assert [s["Sid"] for s in json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]] == ["mirror"]


def test_denials_that_do_not_fit_close_the_prefix_rather_than_leave_it_open(ground: Ground) -> None:
    for slug in ("air", "sea"):
        ground.dataset(slug, "open")
    s3 = ground.s3(ground.session())
    ground.vendor.deny([Denial("datasets/air/", tuple(f"s{number:026}" for number in range(900)))])
    assert attempts(ground, s3, "air")["read"] == 403
    assert attempts(ground, s3, "sea")["read"] == 200


def test_the_filesystem_store_says_that_it_hands_out_links(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vending, "vendor", lambda: None)
    answer = ground.keys(ground.session())
    assert (answer.status_code, answer.json()["code"]) == (409, "links_only")
    assert "commons://" in answer.json()["detail"]
    with pytest.raises(Refusal):
        vending.credentials_for_bearer(bearer=_bearer(ground), wanted=[], at=timezone.now())


def _bearer(ground: Ground) -> Any:
    from notebooks_svc.sessions.tokens import Bearer

    return Bearer(ground.session())


def _in_an_hour() -> Any:
    return timezone.now() + timedelta(hours=1)


def _log(objectstore: ObjectStore) -> list[dict[str, Any]]:
    time.sleep(0.3)
    return [json.loads(line) for line in objectstore.log.read_text(errors="replace").splitlines()[-200:] if line.endswith("}")]


# --- when things go wrong -------------------------------------------------------------------------------------------------


def test_of_two_who_tell_the_store_at_once_the_later_state_wins(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = ground.dataset("faces", "controlled")
    access = ground.grant(faces)
    s3 = ground.s3(ground.session())
    ended = ground.session()
    deny = ground.vendor.deny

    def slow(stale: list[Denial], *, teams: list[str]) -> bool:
        """Has worked out what to say, and is overtaken before saying it."""
        monkeypatch.setattr(ground.vendor, "deny", deny)
        ground.revoke(access)
        assert attempts(ground, s3, "faces")["read"] == 403
        return deny(stale, teams=teams)

    ground.end(ended)
    monkeypatch.setattr(ground.vendor, "deny", slow)
    denials.denials_sync(at=timezone.now())
    assert attempts(ground, s3, "faces")["read"] == 403


def test_what_was_revoked_while_the_store_was_away_is_denied_when_it_is_back(ground: Ground, objectstore: ObjectStore) -> None:
    access = ground.grant(ground.dataset("faces", "controlled"))
    session = ground.session()
    s3 = ground.s3(session)
    objectstore.verb("down")
    try:
        ground.revoke(access)  # the steward is not kept waiting for the store, and not told a lie: nobody reads meanwhile
        refused = ground.keys(session)
        assert (refused.status_code, refused.json()["code"]) in ((503, "store_unreachable"), (503, "store_not_trusted"))
        assert "AccessKeyId" not in refused.text
    finally:
        objectstore.verb("up")
    denials.denials_sync(at=timezone.now())  # the sweep, five seconds later at most
    assert attempts(ground, s3, "faces")["read"] == 403
    assert ground.store.open("datasets/faces/1/table.csv").read() == TABLE
