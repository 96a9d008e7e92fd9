# Files from the network, verified by their SHA-256 or SHA-512, or by both. A fetch without either fails and prints the
# SHA-256 that it found.

fetch({
  url: string | null = null,
  urls: list = [],
  sha256: string = "",
  sha512: string = "",
  name: string | null = null,
  size: int | null = null,
  executable: bool = false,
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
      error("`sha256` is 64 hexadecimal digits", "sha256")
    else if strong != "" && match(strong, "[0-9a-f]{128}") == null then
      error("`sha512` is 128 hexadecimal digits", "sha512")
    else derivation {
      kind = "fetch"
      name = if name == null then store-name(last) else name
      urls = all-urls
      sha256 = digest
      size
      executable
      ...if strong == "" then {} else { sha512 = strong }
    }
