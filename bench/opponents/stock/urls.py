"""simplejwt's own views, and the caller's account by a ModelSerializer."""

from django.contrib.auth.models import User
from django.urls import path
from rest_framework import generics, serializers
from rest_framework_simplejwt import views


class UserSerializer(serializers.ModelSerializer):
    roles = serializers.SlugRelatedField(
        source="groups", slug_field="name", many=True, read_only=True
    )

    class Meta:
        model = User
        fields = ["id", "username", "email", "first_name", "last_name", "is_active"]
        fields += ["date_joined", "last_login", "roles"]


class MeView(generics.RetrieveAPIView):
    serializer_class = UserSerializer

    def get_object(self):
        return self.request.user


urlpatterns = [
    path("api/token/", views.TokenObtainPairView.as_view()),
    path("api/token/refresh/", views.TokenRefreshView.as_view()),
    path("api/token/verify/", views.TokenVerifyView.as_view()),
    path("api/users/me/", MeView.as_view()),
]
