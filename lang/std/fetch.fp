# Files from the network, verified by their SHA-256 or SHA-512, or by both. A fetch without either fails and prints the
# SHA-256 that it found.

# What a download tells the server: the name of a secret, never the secret, and how it is sent. It is not part of the key.
login(auth) =
  if type(auth) == "secret" then { form = "bearer", name = "", secret = secret-name(auth) }
  else if type(auth) == "record" && names(auth) == ["password", "user"] then {
    form = "basic"
    name = only-text("user", auth.user)
    secret = only-secret("password", auth.password)
  }
  else if type(auth) == "record" && names(auth) == ["header", "value"] then {
    form = "header"
    name = only-text("header", auth.header)
    secret = only-secret("value", auth.value)
  }
  else error(
    "`auth` is secret(\"NAME\"), { user = \"NAME\", password = secret(\"NAME\") }, or { header = \"NAME\", value = secret(\"NAME\") }",
    "auth",
  )

only-secret(field, value) =
  if type(value) == "secret" then secret-name(value)
  else error("`${field}` of `auth` is secret(\"NAME\"): a project holds no secret itself", "auth")

only-text(field, value) =
  if type(value) == "string" then value
  else error("`${field}` of `auth` is a string", "auth")

fetch({
  url: string | null = null,
  urls: list = [],
  sha256: string = "",
  sha512: string = "",
  name: string | null = null,
  size: int | null = null,
  executable: bool = false,
  auth = null,
}) =
  let
    all-urls = if url == null then urls else [url, ...urls]
    first = if all-urls == [] then error("`fetch` needs a `url`, or a list of `urls`") else head(all-urls)
    # The URL without the query and the fragment, which are not part of the file's name.
    plain = head(split(head(split(first, "?")), "#"))
    last = head(reverse([part for part in split(plain, "/") if part != ""]))
    digest = lower(sha256)
    strong = lower(sha512)
    no-url = [u for u in all-urls if match(u, "[A-Za-z][A-Za-z0-9+.-]*:.+") == null]
  in
    if no-url != [] then
      error(
        "`url` is a web address, https://..., and not ${to-json(head(no-url))}",
        if url == null then "urls" else "url",
      )
    else if size != null && size < 0 then error("`size` is a number of bytes, and not ${size}", "size")
    else if digest != "" && match(digest, "[0-9a-f]{64}") == null then
      error("`sha256` is 64 hexadecimal digits, and not ${to-json(sha256)}", "sha256")
    else if strong != "" && match(strong, "[0-9a-f]{128}") == null then
      error("`sha512` is 128 hexadecimal digits, and not ${to-json(sha512)}", "sha512")
    else derivation {
      kind = "fetch"
      name = if name == null then store-name(last) else name
      urls = all-urls
      sha256 = digest
      size
      executable
      ...if strong == "" then {} else { sha512 = strong }
      ...if auth == null then {} else { auth = login(auth) }
    }
