from __future__ import annotations

from django.db import models


class LogBookmark(models.Model):
    """How far a log of the store was read. Moved (compare-and-set) in the transaction that adds what was read up to there."""

    path = models.CharField(max_length=500, unique=True)
    inode = models.BigIntegerField(default=0)
    offset = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.path} up to {self.offset}"
