"""How allauth talks to people here."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up by e-mail address; addresses are kept in small letters so one person is one row."""

    def clean_email(self, email: str) -> str:
        return super().clean_email(email).lower()
