"""
Reads the settings a person may choose, from the environment only, and refuses a bad value naming the legal ones.

The embedded default needs none of them: `manage.py up` keeps its keys and ports in the state folder.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parents[2]
PORT_BASE_DEFAULT = 8000
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Environment(BaseSettings):
    """Every variable is `COMMONS_` and the name in capitals, for example `COMMONS_PORT_BASE`."""

    model_config = SettingsConfigDict(env_prefix="COMMONS_", extra="ignore")

    mode: Literal["embedded", "production"] = "embedded"
    home: Path = ROOT / ".commons"
    port_base: int = Field(default=0, ge=0, le=65_000)
    demo: bool = True
    site: Literal["", "local", "slurm"] = ""
    portal_url: str = ""
    notebooks_url: str = ""
    files_url: str = ""
    database_url: str = ""
    broker_url: str = ""
    cache_url: str = ""
    email_url: str = ""
    # The object store; without an address, files of this machine.
    objects_url: str = ""
    objects_access_key: str = ""
    objects_secret_key: SecretStr = SecretStr("")
    objects_region: str = "us-east-1"
    objects_role: str = Field(default="commons-reader", pattern=r"^(arn:[\w:/+=,.@-]+|[\w+=,.@-]{1,64})$")
    objects_bucket_prefix: str = Field(default="", pattern=r"^([a-z0-9][a-z0-9-]{0,40})?$")
    objects_credential_s: int = Field(default=3600, ge=1800, le=3600)
    objects_ca: Path | None = None
    objects_log: Path | None = None
    malware_database: Path | None = None  # signatures for clamscan, where its daemon is not used
    # What a project keeps: the quota it begins with, what costs nothing, and the price of the rest in credits.
    storage_quota_gib: int = Field(default=100, ge=1, le=1_000_000)
    storage_free_gib: int = Field(default=10, ge=0, le=1_000_000)
    storage_gib_hour: Decimal = Field(default=Decimal("0.003"), ge=0, le=1000, max_digits=10, decimal_places=6)
    site_ca: Path | None = None  # the authority whose certificates hubs and agents of the sites show, where it is their own
    # A session that nobody uses is warned after so many minutes and ended a quarter of an hour later; 0 ends none.
    idle_minutes: int = Field(default=60, ge=0, le=10_000)
    # How often what was used under a batch hold is charged: once a day; shorter for a demo.
    batch_settle_every_s: int = Field(default=86_400, ge=10, le=7 * 86_400)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @model_validator(mode="after")
    def _addresses(self) -> Environment:
        self.port_base = self.port_base or _port_base_recorded(self.home) or PORT_BASE_DEFAULT
        self.site = self.site or _site_recorded(self.home)
        if self.mode == "embedded":
            self.portal_url = self.portal_url or f"http://127.0.0.1:{self.port_base}"
            self.notebooks_url = self.notebooks_url or f"http://localhost:{self.port_base + 100}"
            self.files_url = self.files_url or f"http://127.0.0.1:{self.port_base + 102}"
            self._refuse_what_embedded_cannot_hold()
        else:
            missing = [
                n
                for n in ("portal_url", "notebooks_url", "files_url", "database_url", "broker_url", "cache_url")
                if not getattr(self, n)
            ]
            if missing:
                names = ", ".join(f"COMMONS_{name.upper()}" for name in missing)
                raise ValueError(f"COMMONS_MODE=production also needs {names}")
        if urlsplit(self.portal_url).hostname == urlsplit(self.notebooks_url).hostname:
            raise ValueError(
                f"the portal ({self.portal_url}) and the notebooks ({self.notebooks_url}) share one host name; cookies ignore "
                "ports, so a notebook could read the portal's session. Give COMMONS_NOTEBOOKS_URL another host name"
            )
        return self

    @model_validator(mode="after")
    def _objects(self) -> Environment:
        if not self.objects_url:
            return self
        parts = urlsplit(self.objects_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise ValueError(
                f"COMMONS_OBJECTS_URL={self.objects_url!r} is no address of an S3 store; write http:// or https://, its "
                "host and port, and nothing more, for example https://s3.example.org"
            )
        if not (self.objects_access_key and self.objects_secret_key.get_secret_value()):
            raise ValueError("COMMONS_OBJECTS_URL also needs COMMONS_OBJECTS_ACCESS_KEY and COMMONS_OBJECTS_SECRET_KEY")
        if self.objects_ca is not None and not self.objects_ca.is_file():
            raise ValueError(f"COMMONS_OBJECTS_CA: there is no file {self.objects_ca}; name a PEM file of certificates")
        if self.mode == "embedded" and parts.hostname not in LOOPBACK:
            raise ValueError(
                f"COMMONS_OBJECTS_URL names the host {parts.hostname!r}; evaluation mode stays on this machine (127.0.0.1 or "
                "localhost). For a real service set COMMONS_MODE=production"
            )
        return self

    def _refuse_what_embedded_cannot_hold(self) -> None:
        for name in ("portal_url", "notebooks_url", "files_url"):
            host = urlsplit(getattr(self, name)).hostname
            if host not in LOOPBACK:
                raise ValueError(
                    f"COMMONS_{name.upper()} names the host {host!r}; evaluation mode runs everybody's notebooks as one "
                    "user and stays on this machine (127.0.0.1 or localhost). For a real service set COMMONS_MODE=production"
                )
        if self.email_url:
            raise ValueError("COMMONS_EMAIL_URL belongs to COMMONS_MODE=production; evaluation mode keeps its mail on a page")


def _port_base_recorded(home: Path) -> int:
    """The port base of the running (or last) `up`, so that `manage.py status` and `token_create` need no variable."""
    try:
        return int(json.loads((home / "run" / "up.json").read_text())["port_base"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _site_recorded(home: Path) -> Literal["local", "slurm"]:
    """What the state folder's `up` runs notebooks on."""
    try:
        return "slurm" if json.loads((home / "installation.json").read_text())["site"] == "slurm" else "local"
    except (OSError, ValueError, KeyError, TypeError):
        return "local"


def environment_read() -> Environment:
    """
    Read the environment, or end the process with one line per wrong value.

    :raises SystemExit: naming each variable, its value and what is allowed
    """
    try:
        return Environment()
    except ValidationError as wrong:
        lines = []
        for error in wrong.errors():
            name = f"COMMONS_{str(error['loc'][0]).upper()}" if error["loc"] else "settings"
            message = error["msg"].removeprefix("Value error, ")
            lines.append(f"{name}: {message}" + (f" (it is {error['input']!r})" if error["loc"] else ""))
        sys.exit("commons: " + "; ".join(lines) + ".")
