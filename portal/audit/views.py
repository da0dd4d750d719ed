from __future__ import annotations

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from .models import OutboxMail


def outbox(request: HttpRequest) -> HttpResponse:
    """The mails of the evaluation mode, newest first. There is no such page in production."""
    if not settings.OUTBOX_SHOWN:
        raise Http404
    mails = OutboxMail.objects.order_by("-pk")
    if to := request.GET.get("to", ""):
        mails = mails.filter(to__icontains=to)
    page = Paginator(mails, 20).get_page(request.GET.get("page"))
    return render(request, "audit/outbox.html", {"page": page, "to": to})
