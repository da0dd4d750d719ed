from django.urls import path

from . import token_views

urlpatterns = [
    path("me/tokens/", token_views.token_list, name="api_tokens"),
    path("me/tokens/<int:pk>/revoke/", token_views.token_revoke, name="api_token_revoke"),
]
