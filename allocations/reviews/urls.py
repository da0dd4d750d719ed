from django.urls import path

from . import views

app_name = "reviews"
urlpatterns = [
    path("reviews/", views.review_list, name="list"),
    path("reviews/profile/", views.profile, name="profile"),
    path("reviews/<int:pk>/", views.detail, name="detail"),
    path("reviews/<int:pk>/declare/", views.declare, name="declare"),
    path("reviews/<int:pk>/save/", views.save, name="save"),
    path("reviews/<int:pk>/submit/", views.submit, name="submit"),
    path("reviews/<int:pk>/decline/", views.decline, name="decline"),
    path("reviews/<int:pk>/release/", views.release, name="release"),
    path("reviews/<int:pk>/reopen/", views.reopen, name="reopen"),
    path("applications/<str:code>/assign/", views.assign, name="assign"),
    path("applications/<str:code>/step/", views.step, name="step"),
]
