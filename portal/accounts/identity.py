"""What a hub learns about a person when it signs them in here (OpenID Connect)."""

from __future__ import annotations

from typing import Any

from allauth.idp.oidc.adapter import DefaultOIDCAdapter
from allauth.idp.oidc.models import Client
from django.conf import settings

HUB_CLIENT_ID = "jupyterhub"


class IdentityAdapter(DefaultOIDCAdapter):
    """A fixed issuer (the request's Host header has no say) and the name the site knows the person by."""

    def get_issuer(self) -> str:
        return settings.PORTAL_URL

    def get_claims(self, purpose: Any, user: Any, client: Any, scopes: Any, email: Any = None, **kwargs: Any) -> Any:
        claims = super().get_claims(purpose, user, client, scopes, email=email, **kwargs)
        if "profile" in scopes:
            claims["hub_username"] = user.hub_username
        return claims


def hub_client_write() -> None:
    """Register the hub as the one client, or correct its row; safe to repeat at every start."""
    client = Client.objects.filter(id=HUB_CLIENT_ID).first() or Client(id=HUB_CLIENT_ID)
    client.name = "Notebooks"
    client.set_secret(settings.OIDC_CLIENT_SECRET)
    client.set_redirect_uris([f"{settings.NOTEBOOKS_URL}/hub/oauth_callback"])
    client.set_scopes(["openid", "profile", "email"])
    client.set_grant_types([Client.GrantType.AUTHORIZATION_CODE, Client.GrantType.REFRESH_TOKEN])
    client.set_response_types(["code"])
    client.skip_consent = True
    client.save()
