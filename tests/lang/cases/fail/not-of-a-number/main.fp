result = !5
