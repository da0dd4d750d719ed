from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth.password_validation import validate_password

from .models import MailRhythm, Role, User


class SignupDetails(forms.Form):
    """What sign-up asks beside address and password (allauth builds its form upon this one)."""

    full_name = forms.CharField(label="Your name", max_length=120)
    field_order = ["full_name", "email", "password1"]

    def signup(self, request: Any, user: User) -> None:
        """Called by allauth with the new person."""
        user.full_name = self.cleaned_data["full_name"]
        user.save(update_fields=["full_name"])


class PersonForm(forms.ModelForm):
    """What a person may change about themselves."""

    time_zone = forms.ChoiceField(
        label="Your time zone",
        choices=[(zone, zone.replace("_", " ")) for zone in sorted(available_timezones()) if "/" in zone or zone == "UTC"],
        help_text="Times on pages and in mails are shown in it.",
    )

    mail_rhythm = forms.ChoiceField(
        label="Mails",
        choices=MailRhythm.choices,
        widget=forms.RadioSelect,
        help_text="The one mail comes at seven by your clock. What concerns your access, credits, a decision or what runs now "
        "is always told at once.",
    )

    class Meta:
        model = User
        fields = ["full_name", "time_zone", "mail_rhythm"]


class RolesForm(forms.Form):
    """What a person may do for the whole portal."""

    roles = forms.MultipleChoiceField(
        label="Roles",
        required=False,
        choices=Role.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text="What they may do in their enterprise does not depend on it. They are told by mail.",
    )


class FirstOperatorForm(forms.Form):
    """Who the first operator is."""

    full_name = forms.CharField(label="Your name", max_length=120)
    email = forms.EmailField(label="E-mail address")
    password = forms.CharField(
        label="Password",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 10 characters.",
    )

    def clean_password(self) -> str:
        """Judge the password by the installation's rules."""
        validate_password(self.cleaned_data["password"])
        return self.cleaned_data["password"]
