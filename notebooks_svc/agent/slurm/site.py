"""What a Slurm site is like: written by whoever runs it, read by hub, gateway and agent."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class SlurmSite(BaseModel):
    """
    One cluster.

    :param conf: what `SLURM_CONF` names
    :param cluster: the cluster's name in accounting
    :param homes: where homes are, `<allocation>/<person>` below it
    :param environments: notebook environments, readable by job accounts
    :param libexec: folder of the programs that run as people, writable by root alone
    :param account_hook: makes a person's account and folders: `<hook> ensure PERSON ALLOCATION HOMES` prints the account
    :param bind: where notebook servers listen on a node
    :param callback_url: where jobs reach the hub
    :param node_addresses: node → address, for sites whose node names are not resolvable; `*` stands for all
    :param accounts_command: how `sacctmgr` is called for changes: an Operator may not change QOS, a service user goes by sudo
    :param reread_every_s: how often accounting of the last two hours is read anew, for records that come late or are corrected
    :param commons_group: accounts outside this Unix group are never submitted for
    """

    model_config = ConfigDict(extra="forbid")

    conf: Path
    cluster: str
    homes: Path
    environments: Path
    libexec: Path
    account_hook: list[str]
    accounts_command: list[str] = ["sacctmgr"]
    bind: str = "0.0.0.0"  # noqa: S104 (a node's address is not known beforehand; the network is the site's own)
    callback_url: str
    node_addresses: dict[str, str] = {}
    commons_group: str = "commons-people"
    command_timeout_s: float = Field(default=10.0, gt=0)
    look_every_s: float = Field(default=15.0, gt=0)
    busy_look_every_s: float = Field(default=1.5, gt=0)
    reread_every_s: float = Field(default=60.0, gt=0)

    def address_of(self, node: str) -> str:
        """
        Where a node is reached.

        :raises OSError: when its name cannot be resolved
        """
        said = self.node_addresses.get(node) or self.node_addresses.get("*")
        if said:
            return said
        found = socket.gethostbyname(node)
        ipaddress.ip_address(found)
        return node


def site_read(path: Path | None) -> SlurmSite | None:
    """The site's description, or None where there is no Slurm."""
    return SlurmSite.model_validate_json(path.read_text()) if path and path.exists() else None
