from django.urls import path

from . import views

app_name = "batch"
urlpatterns = [
    path("allocations/<str:code>/batch-holds/", views.history, name="history"),
    path("allocations/<str:code>/batch-holds/new/", views.open_new, name="new"),
    path("batch-holds/<str:id>/", views.detail, name="detail"),
    path("batch-holds/<str:id>/close/", views.close, name="close"),
]
