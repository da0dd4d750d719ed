from django.urls import path

from . import views

app_name = "organisations"
urlpatterns = [
    path("enterprise/", views.mine, name="mine"),
    path("enterprise/new/", views.new, name="new"),
    path("enterprise/<int:pk>/", views.detail, name="detail"),
    path("enterprise/<int:pk>/edit/", views.edit, name="edit"),
    path("enterprise/<int:pk>/invite/", views.invite, name="invite"),
    path("enterprise/<int:pk>/ask/", views.ask_to_join, name="ask"),
    path("enterprise/<int:pk>/people/<int:user_pk>/remove/", views.remove, name="remove"),
    path("join/<str:token>/", views.join, name="join"),
]
