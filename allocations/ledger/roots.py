"""
The daily signed root: what the heads of all chains were, each root holding on to the one before it.

A chain alone shows a change that was not followed through; a root shows one that was, with every hash worked out anew. Sealing
reads heads, which no writer waits for. Roots are also kept as lines in a file beside the database, for auditors to take away.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Coalesce

from .models import Account, Root, RootHead

FILE_NAME = "ledger-roots.jsonl"
LINE = ("number", "day", "at", "prev", "heads", "digest", "signature", "public_key")
BATCH = 1000


class RootWrong(Exception):
    """A root that does not hold: names it and why."""


# --- sealing --------------------------------------------------------------------------------------------------------------


def root_seal_due(*, at: datetime) -> None:
    """Seal once a day; two who seal at once make one root."""
    if not Root.objects.filter(day=at.date()).exists():
        root_seal(at=at)


def root_seal(*, at: datetime) -> Root | None:
    """
    Sign what the heads of all chains are now; a head that has not moved since the last root is covered by that one.

    :return: None when somebody else sealed this day
    """
    before = Root.objects.order_by("-number").first()
    heads = list(_moved_heads().iterator(chunk_size=BATCH))
    number, prev, day = (before.number + 1 if before else 1), (before.digest if before else ""), at.date()
    digest = root_digest(number=number, day=str(day), at=at, prev=prev, heads=((c, s, h) for _, c, s, h in heads))
    key = _private_key()
    try:
        with transaction.atomic():
            root = Root.objects.create(
                number=number,
                day=day,
                at=at,
                prev=prev,
                heads=len(heads),
                digest=digest,
                signature=key.sign(digest.encode()).hex(),
                public_key=_public_hex(key.public_key()),
            )
            rows = (RootHead(root=root, account_id=pk, seq=seq, hash=head) for pk, _, seq, head in heads)
            RootHead.objects.bulk_create(rows, batch_size=BATCH)
    except IntegrityError:
        return None
    roots_write(Path(settings.HOME) / FILE_NAME)
    return root


def _moved_heads() -> Any:
    """Heads beyond what is sealed, in one statement: (account's key, code, seq, hash), the oldest account first."""
    sealed = RootHead.objects.filter(account=OuterRef("pk")).order_by("-root_id").values("seq")[:1]
    moved = Account.objects.annotate(sealed=Coalesce(Subquery(sealed), 0)).filter(seq__gt=F("sealed"))
    return moved.order_by("pk").values_list("pk", "code", "seq", "head_hash")


def root_digest(*, number: int, day: str, at: datetime, prev: str, heads: Iterable[tuple[str, int, str]]) -> str:
    """SHA-256 over the root's number, day, time, the root before it, and every head, the oldest account first."""
    digest = hashlib.sha256(f"{number}\n{day}\n{at.astimezone(UTC).isoformat(timespec='microseconds')}\n{prev}\n".encode())
    for code, seq, head in heads:
        digest.update(f"{code} {seq} {head}\n".encode())
    return digest.hexdigest()


def _private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(settings.LEDGER_ROOT_KEY))


def _public_hex(key: Ed25519PublicKey) -> str:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()


# --- the copy outside the database ----------------------------------------------------------------------------------------


def root_line(root: Root) -> dict[str, Any]:
    """A root as auditors keep it."""
    values = {name: getattr(root, name) for name in LINE}
    return {**values, "day": str(root.day), "at": root.at.astimezone(UTC).isoformat(timespec="microseconds")}


def roots_write(path: Path) -> int:
    """Add the roots that the file lacks. Returns how many."""
    last = max((line["number"] for line in roots_read(path)), default=0)
    missing = list(Root.objects.filter(number__gt=last).order_by("number"))
    if missing:
        cut = path.exists() and not path.read_bytes().endswith(b"\n")
        with path.open("a") as file:
            file.write("\n" if cut else "")
            file.writelines(json.dumps(root_line(root)) + "\n" for root in missing)
    return len(missing)


def roots_read(path: Path) -> Iterator[dict[str, Any]]:
    """The roots in a file; a last line that was cut off by a power cut is passed over."""
    if not path.exists():
        return
    for text in path.read_text().splitlines():
        try:
            yield json.loads(text)
        except ValueError:
            continue


# --- proving --------------------------------------------------------------------------------------------------------------


def roots_prove(*, copies: Iterable[Path] = (), public_key: str = "") -> int:
    """
    Prove every root: numbers without a gap, each holding on to the one before, heads as they were signed, and the same as in
    copies kept elsewhere. Returns how many.

    :param public_key: as an auditor noted it; ours otherwise
    :raises RootWrong: at the first that does not hold
    """
    signer = public_key or _public_hex(_private_key().public_key())
    prev, count, digests = "", 0, {}
    for root in Root.objects.order_by("number").iterator(chunk_size=BATCH):
        count += 1
        if root.number != count:
            raise RootWrong(f"root {count} is missing")
        if root.prev != prev:
            raise RootWrong(f"root {root.number} does not hold on to the one before it")
        heads = RootHead.objects.filter(root=root).order_by("account_id").values_list("account__code", "seq", "hash")
        found = root_digest(
            number=root.number, day=str(root.day), at=root.at, prev=root.prev, heads=heads.iterator(chunk_size=BATCH)
        )
        if found != root.digest:
            raise RootWrong(f"root {root.number} of {root.day}: its heads are not those that were signed")
        _check_signature(root, signer)
        prev = digests[root.number] = root.digest
    for path in copies:
        for line in roots_read(path):
            if digests.get(line["number"]) != line["digest"]:
                raise RootWrong(f"root {line['number']} of {line['day']} is not the one kept in {path.name}")
    return count


def _check_signature(root: Root, signer: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer)).verify(bytes.fromhex(root.signature), root.digest.encode())
    except (InvalidSignature, ValueError):
        raise RootWrong(f"root {root.number} of {root.day} was not signed by the key {signer[:12]}…") from None


def sealed_heads(account_id: int) -> dict[int, str]:
    """What was signed of one chain: number of the transfer → its hash."""
    return dict(RootHead.objects.filter(account_id=account_id).values_list("seq", "hash"))
