from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from .states import AccountKind, AccountState, HoldState, Move


class Account(models.Model):
    """
    A place where credits are. All amounts are micro-credits.

    `seq` and `head_hash` are the end of the chain of transfers written to this account; `rolled_seq` is how much of that
    chain the providers' balances already contain.
    """

    code = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=12, choices=[(k, k) for k in AccountKind])
    state = models.CharField(max_length=12, choices=[(s, s) for s in AccountState], default=AccountState.ACTIVE)
    pool = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="allocations")
    available = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)
    spent = models.BigIntegerField(default=0)
    granted = models.BigIntegerField(default=0)
    returned = models.BigIntegerField(default=0)
    adjusted = models.BigIntegerField(default=0)
    seq = models.BigIntegerField(default=0)
    head_hash = models.CharField(max_length=64, default="")
    rolled_seq = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="ledger_available_is_never_negative", condition=Q(available__gte=0) | Q(kind=AccountKind.ISSUER)
            ),
            models.CheckConstraint(name="ledger_held_is_never_negative", condition=Q(held__gte=0)),
            models.CheckConstraint(name="ledger_spent_is_never_negative", condition=Q(spent__gte=0)),
            models.CheckConstraint(
                name="ledger_an_allocation_adds_up",
                condition=~Q(kind=AccountKind.ALLOCATION)
                | Q(granted=F("available") + F("held") + F("spent") + F("returned") - F("adjusted")),
            ),
            models.CheckConstraint(
                name="ledger_closed_accounts_are_empty",
                condition=~Q(state=AccountState.CLOSED) | Q(available=0, held=0),
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Line(models.Model):
    """A resource on which an allocation may be spent, with an optional cap on what is held and spent there."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="lines")
    resource = models.CharField(max_length=60)
    cap = models.BigIntegerField(null=True)
    used = models.BigIntegerField(default=0)  # held and spent on this line, counted only where a cap is set

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "resource"], name="ledger_one_line_per_resource"),
            models.CheckConstraint(name="ledger_line_use_is_never_negative", condition=Q(used__gte=0)),
            models.CheckConstraint(name="ledger_line_stays_under_its_cap", condition=Q(cap=None) | Q(used__lte=F("cap"))),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}:{self.resource}"


class Transfer(models.Model):
    """
    One move, never changed (triggers refuse it).

    The account is the one whose chain it belongs to; `counter` is the other side. `…_after` are the account's balances
    once it was written, so a statement needs no sums.
    """

    id = models.CharField(max_length=80, primary_key=True)
    kind = models.CharField(max_length=8, choices=[(m, m) for m in Move])
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="transfers")
    counter = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="+")
    amount = models.BigIntegerField()
    settles = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="+")
    resource = models.CharField(max_length=60, blank=True)
    subject = models.CharField(max_length=80, blank=True, db_index=True)
    explanation = models.JSONField(default=dict)
    reason = models.TextField(blank=True)
    by = models.CharField(max_length=80, blank=True)
    at = models.DateTimeField()
    available_after = models.BigIntegerField()
    held_after = models.BigIntegerField()
    spent_after = models.BigIntegerField()
    seq = models.BigIntegerField()
    prev_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "seq"], name="ledger_a_chain_has_no_forks"),
            models.UniqueConstraint(
                fields=["settles"], condition=Q(kind__in=[Move.POST, Move.VOID]), name="ledger_one_settlement_per_hold"
            ),
            models.CheckConstraint(
                name="ledger_amounts_are_positive", condition=Q(amount__gt=0) | (Q(kind=Move.ADJUST) & ~Q(amount=0))
            ),
            models.CheckConstraint(
                name="ledger_settlements_name_their_hold",
                condition=~Q(kind__in=[Move.POST, Move.VOID, Move.ADJUST]) | Q(settles__isnull=False),
            ),
            models.CheckConstraint(
                name="ledger_adjustments_have_reason_and_person", condition=~Q(kind=Move.ADJUST) | (~Q(reason="") & ~Q(by=""))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id} {self.amount}"


class Hold(models.Model):
    """
    The open or settled state of a hold transfer.

    `expires_at` exists only until the hold's launch was sent to a site; from then on only settlement closes it.
    """

    transfer = models.OneToOneField(Transfer, primary_key=True, on_delete=models.PROTECT, related_name="hold_row")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="holds")
    amount = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=[(s, s) for s in HoldState], default=HoldState.OPEN)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state=HoldState.OPEN), name="ledger_open_holds_by_expiry"),
            models.Index(fields=["account"], condition=Q(state=HoldState.OPEN), name="ledger_open_holds_by_account"),
        ]
        constraints = [models.CheckConstraint(name="ledger_holds_are_positive", condition=Q(amount__gt=0))]

    def __str__(self) -> str:
        return f"{self.transfer_id} {self.state}"


class Root(models.Model):
    """What the heads of all chains were on one day, signed. Never changed (triggers refuse it)."""

    number = models.PositiveIntegerField(unique=True)
    day = models.DateField(unique=True)
    at = models.DateTimeField()
    prev = models.CharField(max_length=64, blank=True)
    heads = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    signature = models.CharField(max_length=128)
    public_key = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"root {self.number} of {self.day}"


class RootHead(models.Model):
    """The end of one chain as a root covers it; written only for chains that have moved since the root before."""

    root = models.ForeignKey(Root, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    seq = models.BigIntegerField()
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "root"], name="ledger_one_head_per_chain_and_root")]

    def __str__(self) -> str:
        return f"{self.account_id} {self.seq}"
