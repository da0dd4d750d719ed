"""How allauth talks to people here."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from allauth.idp.oidc.models import Token, TokenQuerySet
from django.conf import settings
from django.http import HttpRequest

from .identity import HUB_CLIENT_ID


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up by e-mail address; addresses are kept in small letters so one person is one row. One sign-out ends both."""

    def clean_email(self, email: str) -> str:
        return super().clean_email(email).lower()

    def get_logout_redirect_url(self, request: HttpRequest) -> str:
        """By way of the hub for those who have opened a notebook: the hub forgets this browser and sends it back here."""
        if request.user.is_authenticated and _hub_tokens(request).exists():
            return f"{settings.NOTEBOOKS_URL}/hub/logout"
        return super().get_logout_redirect_url(request)

    def logout(self, request: HttpRequest) -> None:
        """Sign out, and take back what the hub holds for this person, so that its next refresh fails."""
        if request.user.is_authenticated:
            _hub_tokens(request).delete()
        super().logout(request)


def _hub_tokens(request: HttpRequest) -> TokenQuerySet:
    return Token.objects.filter(user_id=request.user.pk, client_id=HUB_CLIENT_ID)
