# Files from the network, verified by their SHA-256. A fetch without `sha256` fails and prints the one that it found.

fetch({
  url: string | null = null,
  urls: list = [],
  sha256: string = "",
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
    file-name = if name == null then store-name(last) else name
  in
    if digest != "" && match(digest, "[0-9a-f]{64}") == null then
      error("`sha256` is 64 hexadecimal digits", "sha256")
    else derivation {
      kind = "fetch"
      name = file-name
      urls = all-urls
      sha256 = digest
      size
      executable
    }
