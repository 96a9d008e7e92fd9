result = reverse("abc")
