"""Write projects of one large file, and of many small ones, for the benchmarks of parsing and loading."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = '''# Package number {i}: what stands here is as long as what people write.
package-{i}({{ version: string = "1.{i}.0", features: list = [] }}) = {{
  name    = "package-{i}"
  version
  url     = "https://example.org/releases/package-{i}-${{version}}.tar.gz"
  enabled = [feature for feature in features if feature != "none"]
  flags   = if length(enabled) > {n} then map(enabled, f => "--enable-${{f}}") else ["--disable-all"]
  size    = let base = {i} * 1024 in base + length(url) * 2 - {n}
  script  = """
    ./configure --prefix=/usr ${{join(flags, " ")}}
    make -j$CORES VERSION=${{version}}
    make install DESTDIR=$out
  """
}}
value-{i} = package-{i} {{ features = ["ssl", "zlib"], version = "2.{n}.1" }}
'''


def realistic(size: int) -> str:
    """Return a text of about `size` bytes, of a kind that people write. Its field `result` is a number."""
    parts: list[str] = []
    length = i = 0
    while length < size:
        parts.append(_PACKAGE.format(i=i, n=i % 7))
        length += len(parts[-1])
        i += 1
    parts.append(f"result = value-{i - 1}.size\n")
    return "".join(parts)


def many(folder: Path, count: int) -> None:
    """Write a project of `count` files, each of which imports the next. Its field `result` needs all of them."""
    folder.mkdir()
    for i in range(count):
        lines = [f'left = import("./f{(i + step) % count}.fp")\n' for step in (1,) if i + step < count]
        text = "".join(lines) + _PACKAGE.format(i=i, n=i % 7)
        text += f"total = value-{i}.size" + (" + left.total" if lines else "") + "\n"
        (folder / f"f{i}.fp").write_text(text)
    # The last file comes first: it imports none, and each file before it imports one that is loaded already.
    reads = ", ".join(f'import("./f{i}.fp").total' for i in range(count - 1, -1, -1))
    (folder / "fpack.fp").write_text(f"result = fold([{reads}], 0, (sum, x) => x)\n")


def edit(folder: Path, number: int) -> None:
    """Add a field to one of the project's files. number: that of the run."""
    file = folder / f"f{number % 7 + 3}.fp"
    file.write_text(file.read_text() + f"edited-{number} = {number}\n")
