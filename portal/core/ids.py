"""Names of launches and clusters: they sort by time, suit JupyterHub and Slurm, and are never a capability."""

from __future__ import annotations

import re

from ulid import ULID

LAUNCH_ID = re.compile(r"s[0-9a-hjkmnp-tv-z]{26}")
CLUSTER_ID = re.compile(r"c[0-9a-hjkmnp-tv-z]{26}")
BATCH_ID = re.compile(r"b[0-9a-hjkmnp-tv-z]{26}")


def launch_id_new() -> str:
    """`s` and a lower-case ULID: JupyterHub refuses capitals and a leading digit in server names."""
    return "s" + str(ULID()).lower()


def cluster_id_new() -> str:
    """`c` and a lower-case ULID."""
    return "c" + str(ULID()).lower()


def batch_id_new() -> str:
    """`b` and a lower-case ULID."""
    return "b" + str(ULID()).lower()
