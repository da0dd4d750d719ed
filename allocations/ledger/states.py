"""The words of the ledger. Plain Python."""

from __future__ import annotations

from enum import StrEnum


class AccountKind(StrEnum):
    """What an account stands for."""

    ISSUER = "issuer"
    POOL = "pool"
    ALLOCATION = "allocation"
    PROVIDER = "provider"


class AccountState(StrEnum):
    """Whether new holds may be placed. Closing: no new holds, what is or becomes available returns to the pool."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSING = "closing"
    CLOSED = "closed"


class Move(StrEnum):
    """The kinds of transfer."""

    ISSUE = "issue"
    GRANT = "grant"
    HOLD = "hold"
    POST = "post"
    VOID = "void"
    RETURN = "return"
    ADJUST = "adjust"


class HoldState(StrEnum):
    """A hold is open until it is posted or voided, once."""

    OPEN = "open"
    POSTED = "posted"
    VOIDED = "voided"


class RefusalCode(StrEnum):
    """Why a move was refused. Names are stable: programs read them."""

    EXCEEDS_AVAILABLE = "exceeds_available"
    EXCEEDS_POOL = "exceeds_pool"
    EXCEEDS_CAP = "exceeds_cap"
    EXCEEDS_HOLD = "exceeds_hold"
    EXCEEDS_POSTED = "exceeds_posted"
    HOLD_NOT_OPEN = "hold_not_open"
    HOLD_UNKNOWN = "hold_unknown"
    ALLOCATION_NOT_ACTIVE = "allocation_not_active"
    RESOURCE_NOT_COVERED = "resource_not_covered"
    POOLS_DIFFER = "pools_differ"
    ACCOUNT_UNKNOWN = "account_unknown"
    ACCOUNT_KIND = "account_kind"
    AMOUNT_NOT_WHOLE = "amount_not_whole"
    AMOUNT_NOT_POSITIVE = "amount_not_positive"
    AMOUNT_TOO_LARGE = "amount_too_large"
    EXPIRY_PASSED = "expiry_passed"
    TIME_WITHOUT_ZONE = "time_without_zone"
    REASON_MISSING = "reason_missing"
    ID_REUSED = "id_reused"
    ID_MALFORMED = "id_malformed"
