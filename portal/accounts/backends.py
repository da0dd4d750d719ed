"""Who a browser's session belongs to: the person and their roles in one query, because every page asks for both."""

from __future__ import annotations

from allauth.account.auth_backends import AuthenticationBackend
from django.db.models import Exists, OuterRef

from .models import Role, RoleGrant, User

HELD = {f"holds_{role}": Exists(RoleGrant.objects.filter(user=OuterRef("pk"), role=role)) for role in Role}


class Backend(AuthenticationBackend):
    """Signs in by e-mail address, as allauth does."""

    def get_user(self, user_id: int) -> User | None:
        """The person of a session; None once they are shut out."""
        user = User.objects.annotate(**HELD).filter(pk=user_id).first()
        if user is None or not self.user_can_authenticate(user):
            return None
        user.role_set = frozenset(str(role) for role in Role if getattr(user, f"holds_{role}"))
        return user
