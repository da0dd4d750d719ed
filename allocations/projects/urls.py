from django.urls import path

from . import views

app_name = "allocations"
urlpatterns = [
    path("allocations/", views.allocation_list, name="list"),
    path("allocations/<str:code>/", views.detail, name="detail"),
    path("allocations/<str:code>/statement/", views.statement_page, name="statement"),
]
