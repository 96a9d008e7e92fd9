token = secret("GITLAB_TOKEN")
sum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
result = {
  type = type(token)
  shown = token
  equal = [token == secret("GITLAB_TOKEN"), token == secret("OTHER")]
  different = length(unique([token, secret("GITLAB_TOKEN"), secret("B")]))
  fetches = [
    mentions(fetch { url = "https://files.example/a", sha256 = sum, auth }) != []
    for auth in [token, { user = "me", password = token }, { header = "PRIVATE-TOKEN", value = token }]
  ]
}
