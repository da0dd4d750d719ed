"""A POST under an `Idempotency-Key` happens once per person and route; only successes are kept and answered again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from .models import IdempotencyKey
from .root import problem
from .tokens import token_owner

KEY_MAX = 200
UNFINISHED_LIFE = timedelta(minutes=2)  # a process killed in the middle frees its key after that


class IdempotencyMiddleware:
    """Looks at API calls that carry the header; all others pass untouched."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        key = request.headers.get("Idempotency-Key", "")
        if not key or request.method != "POST" or not request.path.startswith("/api/"):
            return self.get_response(request)
        if len(key) > KEY_MAX:
            return problem(status=422, code="malformed", detail=f"An Idempotency-Key has at most {KEY_MAX} characters.")
        now = timezone.now()
        user = token_owner(token=request.headers.get("Authorization", "").removeprefix("Bearer "), at=now)
        if user is None:
            return self.get_response(request)
        body_hash = hashlib.sha256(request.body).hexdigest()
        scope = {"user": user, "route": request.path[:200], "key": key}
        IdempotencyKey.objects.filter(**scope, status=None, created_at__lt=now - UNFINISHED_LIFE).delete()
        try:
            with transaction.atomic():
                row = IdempotencyKey.objects.create(**scope, body_hash=body_hash)
        except IntegrityError:
            return self._again(IdempotencyKey.objects.filter(**scope).first(), body_hash)
        try:
            answer = self.get_response(request)
        except BaseException:
            row.delete()
            raise
        if answer.status_code < 400:
            IdempotencyKey.objects.filter(pk=row.pk).update(status=answer.status_code, answer=answer.content.decode())
        else:
            row.delete()
        return answer

    def _again(self, row: IdempotencyKey | None, body_hash: str) -> HttpResponse:
        if row is None or row.status is None:
            return problem(status=409, code="in_progress", detail="The first call with this key has not finished. Ask again.")
        if row.body_hash != body_hash:
            return problem(
                status=409, code="key_reused", detail="This Idempotency-Key was used with another body. Take a new one."
            )
        answer = HttpResponse(row.answer, status=row.status, content_type="application/json")
        answer["Idempotent-Replay"] = "true"
        return answer
