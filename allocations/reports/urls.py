from django.urls import path

from . import views

app_name = "reports"
urlpatterns = [
    path("reports/", views.report_list, name="list"),
    path("reports/<int:pk>/", views.detail, name="detail"),
    path("reports/<int:pk>/save/", views.autosave, name="save"),
    path("reports/<int:pk>/answer/", views.answer, name="answer"),
]
