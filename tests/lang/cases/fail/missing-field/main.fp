redis = { version = "7", name = "redis" }
result = redis.verison
