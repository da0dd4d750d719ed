from django.urls import path

from . import people_views, views

urlpatterns = [
    path("me/", views.person, name="person"),
    path("people/", people_views.people, name="people"),
    path("people/<int:pk>/", people_views.one, name="people_one"),
    path("people/<int:pk>/shut/", people_views.shut, name="people_shut"),
    path("first-operator/<str:token>/", views.first_operator, name="first_operator"),
]
