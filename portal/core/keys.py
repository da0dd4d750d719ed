"""Secrets that an installation makes for itself: one file each under `keys/` of the state folder, readable by its owner."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def key_file(home: Path, name: str) -> str:
    """
    Return a secret kept in the state folder, making it at first use (0600, written by rename so two starts agree).

    :param name: file name under `keys/`
    """
    path = home / "keys" / name
    try:
        return path.read_text()
    except FileNotFoundError:
        return key_write(path, secrets.token_hex(32))


def signing_key_file(home: Path) -> str:
    """Return the RSA key (PEM) that signs identities for the hub, making it at first use."""
    path = home / "keys" / "oidc.pem"
    if path.exists():
        return path.read_text()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key_write(path, pem.decode())


def key_write(path: Path, value: str) -> str:
    """Write a secret file once: whoever is first wins, and everybody returns the winner's value."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(value)
    try:
        os.link(draft, path)  # fails when another process was first: its key is the one we all use
    except FileExistsError:
        value = path.read_text()
    finally:
        draft.unlink()
    return value
