"""The API object: authentication, limits, and errors as problem+json."""

from __future__ import annotations

import json
import logging
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError
from ninja.security import HttpBearer
from ninja.throttling import AuthRateThrottle

from portal.accounts.models import User
from portal.core.errors import NotAllowed, Refusal
from portal.core.quantities import BadQuantity

from .tokens import token_find

log = logging.getLogger(__name__)
CALLS_PER_MINUTE = 1200
READING = ("GET", "HEAD", "OPTIONS")


class TokenBearer(HttpBearer):
    """`Authorization: Bearer <token>`."""

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        row = token_find(token=token, at=timezone.now())
        if row is None:
            return None
        if row.reads_only and request.method not in READING:
            raise NotAllowed(f"The token “{row.name}” only reads. Make one that may write: {settings.PORTAL_URL}/me/tokens/")
        request.user = row.user
        return row.user


class LocalThrottle(AuthRateThrottle):
    """Counts per process in memory: the shared cache is a table, and counting there would cost a write per call."""

    cache = caches["local"]

    def get_cache_key(self, request: HttpRequest) -> str:
        return self.cache_format % {
            "scope": self.scope,
            "ident": getattr(request.user, "pk", None) or request.META.get("REMOTE_ADDR"),
        }


api = NinjaAPI(
    title="Compute Commons",
    version="1",
    description="Credits are decimal strings, times are ISO 8601 in UTC, lists answer {items, next}.",
    urls_namespace="api",
    openapi_url="/openapi.json",
    docs_url=None,
    auth=TokenBearer(),
    throttle=LocalThrottle(f"{CALLS_PER_MINUTE}/min"),
)


def caller(request: HttpRequest) -> User:
    """The person whose token was shown."""
    user: Any = request.user
    return user


def problem(*, status: int, code: str, detail: str, **facts: Any) -> HttpResponse:
    """An error as problem+json (RFC 9457) with a stable `code`."""
    body = {
        "type": f"urn:commons:{code}",
        "title": code.replace("_", " "),
        "status": status,
        "code": code,
        "detail": detail,
        **facts,
    }
    answer = HttpResponse(json.dumps(body, default=str), status=status, content_type="application/problem+json")
    if status == 401:
        answer["WWW-Authenticate"] = "Bearer"
    return answer


@api.exception_handler(Refusal)
def _refused(_: HttpRequest, refusal: Refusal) -> HttpResponse:
    return problem(status=refusal.status, code=refusal.code, detail=refusal.message, **refusal.facts)


@api.exception_handler(BadQuantity)
def _bad_quantity(_: HttpRequest, wrong: BadQuantity) -> HttpResponse:
    return problem(status=422, code="malformed", detail=str(wrong))


@api.exception_handler(ValidationError)
def _malformed(_: HttpRequest, wrong: ValidationError) -> HttpResponse:
    first = wrong.errors[0]
    field = ".".join(str(part) for part in first["loc"][2:]) or str(first["loc"][-1])
    errors = [{"field": ".".join(map(str, e["loc"][2:])), "message": e["msg"]} for e in wrong.errors]
    return problem(status=422, code="malformed", detail=f"{field}: {first['msg']}", field=field, errors=errors)


@api.exception_handler(AuthenticationError)
def _no_token(_: HttpRequest, __: AuthenticationError) -> HttpResponse:
    return problem(status=401, code="no_token", detail="Show a valid token: Authorization: Bearer <token>.")


@api.exception_handler(Throttled)
def _too_many(_: HttpRequest, throttled: Throttled) -> HttpResponse:
    answer = problem(status=429, code="too_many", detail="Too many calls. Wait a moment and try again.")
    answer["Retry-After"] = str(int(throttled.wait or 60))
    return answer


@api.exception_handler(Http404)
def _unknown(_: HttpRequest, __: Http404) -> HttpResponse:
    return problem(status=404, code="not_found", detail="There is no such thing, or it is not yours to see.")


@api.exception_handler(HttpError)
def _http_error(_: HttpRequest, error: HttpError) -> HttpResponse:
    return problem(status=error.status_code, code="malformed" if error.status_code == 400 else "error", detail=str(error))


@api.exception_handler(Exception)
def _broken(request: HttpRequest, error: Exception) -> HttpResponse:
    log.exception("%s %s failed", request.method, request.path, exc_info=error)
    return problem(status=500, code="broken", detail="Something is broken on our side; it was written down. Try again later.")
