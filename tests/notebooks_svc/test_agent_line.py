"""The line between portal and site agent: HTTPS where it leaves the machine, by the sites' own authority if they have one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import LazySettings

from notebooks_svc.agent.engines import Engines
from notebooks_svc.agent.server import Agent, tls_context
from notebooks_svc.sessions.doors.agent import AgentDoor, AgentUnreachable
from notebooks_svc.sessions.doors.gateway import GatewayDoor, GatewayUnreachable
from notebooks_svc.sessions.doors.hub import HubDoor, HubUnreachable
from notebooks_svc.sessions.doors.line import authority
from tests.support.up import port_base_free


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for this machine that signs itself, with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "agent")]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "agent.pem"
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def url(tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An agent that speaks HTTPS."""
    monkeypatch.setenv("COMMONS_AGENT_CERTIFICATE", str(certificate))
    engines = Engines(tmp_path / "engine", homes=tmp_path, environments=tmp_path)
    loop, port = asyncio.new_event_loop(), port_base_free() + 470
    runner = web.AppRunner(Agent(engine=engines, instance="0123456789ab", token="t").app())
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls_context("127.0.0.1")).start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{port}"
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def test_the_portal_speaks_https_with_an_agent_whose_authority_it_was_told(
    url: str, certificate: Path, settings: LazySettings
) -> None:
    settings.SITE_CA = str(certificate)
    look = AgentDoor(url, "t").look(since=0)
    assert (look.instance, look.items) == ("0123456789ab", [])
    with pytest.raises(AgentUnreachable, match="401"):
        AgentDoor(url, "guessed").look(since=0)


def test_one_whose_certificate_nobody_vouches_for_gets_no_token(url: str, settings: LazySettings) -> None:
    settings.SITE_CA = ""
    with pytest.raises(AgentUnreachable, match="(?i)certificate"):
        AgentDoor(url, "t").look(since=0)
    with pytest.raises(AgentUnreachable):
        AgentDoor(url.replace("https", "http"), "t").look(since=0)


def test_hub_and_gateway_of_a_site_are_believed_by_the_same_authority(
    url: str, certificate: Path, settings: LazySettings
) -> None:
    settings.SITE_CA = ""
    with pytest.raises(GatewayUnreachable, match="(?i)certificate"):
        GatewayDoor(url, "t").cluster_stop("c0")
    with pytest.raises(HubUnreachable, match="(?i)certificate"):
        HubDoor(url, "t").server_get("somebody", "s0")
    settings.SITE_CA = str(certificate)
    GatewayDoor(url, "t").cluster_stop("c0")  # nobody knows it there: it has ended
    with pytest.raises(GatewayUnreachable, match="401"):
        GatewayDoor(url, "guessed").cluster_stop("c0")


def test_certificates_are_read_once_and_not_for_every_question(certificate: Path, settings: LazySettings) -> None:
    for path in ("", str(certificate)):
        settings.SITE_CA = path
        assert authority() is authority()


def test_an_agent_does_not_listen_beyond_its_machine_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMMONS_AGENT_CERTIFICATE", raising=False)
    assert tls_context("127.0.0.1") is None
    with pytest.raises(SystemExit, match="COMMONS_AGENT_CERTIFICATE"):
        tls_context("192.0.2.1")
