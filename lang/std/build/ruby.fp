# Ruby programs. Their gems are fetched by the checksums of Gemfile.lock, or are in `vendor/cache`, where `bundle package`
# puts them.

# lock: the Gemfile.lock whose gems are fetched. If it has no section CHECKSUMS, those of the gems are recorded
# in fpack.lock. native: some gems have extensions, which are compiled. groups: of the Gemfile, left out.
# gem: the source is a gem that depends on no other, and is installed as that. assets: make the assets of a Rails
# application in its environment production, by assets:precompile.
# All else is as in `package`.
# The program is in $out/app, with a command for each file of its `bin` and each command of its gems in $out/bin.
ruby({
  native: bool = false,
  lock: path | null = null,
  gem: bool = false,
  without: list = ["development", "test"],
  assets: bool = false,
  ...given
}) =
  let
    common = import("./common.fp")
    own = if assets then precompile-assets else ""
    compiler = if native then ["gcc", "g++", "libc6-dev", "make", "ruby-dev"] else []
    found = if lock == null then [] else from-lock(read-text(lock), common.arch-of(given))
    unknown = { ${g.url} = "" for g in found if g.sha256 == "" }
    known = import("./digests.fp").recorded({
      weak = unknown
      what = "gems"
      of = hash(to-json(names(unknown)), "sha256")
      source = given.source or null
      name = "gems.lock"
    })
    lines = ["${g.file} ${fetched(g, get(known, g.url, ""))}\n" for g in found]
    listing = text("gems", join(lines, ""))
  in if gem then common.with-defaults(given, ["ruby", ...compiler], {
    build = build-gem
    install = install-gem
    runtime = common.debian-tools(given, ["dash", "ruby"])
  }) else common.with-defaults(given, ["bundler", "ruby", ...compiler], {
    ...if lock == null then {} else { configure = from-store(without), env = { gems = "${listing}" } }
    build = install-gems
    install = (
      if lock == null then install-commands("") else install-commands(" \"$out\"/app/exe/*") + install-ruby
    ) + own
    runtime = common.debian-tools(given, ["bundler", "dash", "ruby"])
  })

# The commands find this gem, and those that Ruby finds anyway, for which the end of the path stands.
build-gem = "mkdir -p /build/path\n" + git-files + """
  export PATH="/build/path:$PATH"
  for each in *.gemspec; do gem build "$each" --output /build/app.gem; break; done
"""

install-gem = """
  mkdir -p "$out/bin"
  gem install --local --ignore-dependencies --no-document --no-user-install --install-dir "$out/gems" \\
    --bindir "$out/gems/bin" /build/app.gem
  rm -rf "$out/gems/cache" "$out/gems/doc" "$out/gems/build_info" "$out/gems/plugins"
  find "$out/gems" \\( -name gem_make.out -o -name mkmf.log \\) -delete
  find "$out/gems" -name extconf.rb -execdir rm -f Makefile \\;
  for program in "$out"/gems/bin/*; do
    if [ -f "$program" ]; then
      name=$(basename "$program")
      printf '#!/bin/sh\\nexport GEM_PATH=%s/gems:$GEM_PATH\\nexec ruby %s "$@"\\n' "$out" "$program" >"$out/bin/$name"
      chmod +x "$out/bin/$name"
    fi
  done
"""

install-gems = """
  mkdir -p "$out"
  cp -r . "$out/app"
  cd "$out/app"
  export BUNDLE_APP_CONFIG="$out/app/.bundle"
  bundle config set --local deployment true
  bundle config set --local path "$out/gems"
  bundle config set --local disable_shared_gems true
  bundle install --local --jobs $CORES --retry 0
  rm -rf "$out"/gems/ruby/*/cache "$out"/app/vendor/cache
  find "$out/gems" \\( -name gem_make.out -o -name mkmf.log \\) -delete
  find "$out/gems" -name extconf.rb -execdir rm -f Makefile \\;
"""

install-commands(more) = """
  mkdir -p "$out/bin"
  for program in "$out"/app/bin/*${more} "$out"/gems/ruby/*/bin/*; do
    if [ ! -f "$program" ]; then continue; fi
    name=$(basename "$program")
    if [ -e "$out/bin/$name" ]; then continue; fi
    printf '#!/bin/sh\\nexport BUNDLE_GEMFILE=%s/app/Gemfile BUNDLE_APP_CONFIG=%s/app/.bundle\\nexec bundle exec ruby %s "$@"\\n' \\
      "$out" "$out" "$program" >"$out/bin/$name"
    chmod +x "$out/bin/$name"
  done
"""

# A command that runs files of the program with its gems.
install-ruby = """
  if [ ! -e "$out/bin/bundle-ruby" ]; then
    printf '#!/bin/sh\\nexport BUNDLE_GEMFILE=%s/app/Gemfile BUNDLE_APP_CONFIG=%s/app/.bundle\\nexec bundle exec ruby "$@"\\n' \\
      "$out" "$out" >"$out/bin/bundle-ruby"
    chmod +x "$out/bin/bundle-ruby"
  fi
"""

# The server's secret is not known in a build, and assets do not depend on it. Sprockets gives its manifest a random name,
# and writes the times of sources to it and to compressed files; the order of entries is that of directories.
precompile-assets = """
  cd "$out/app"
  find . -type f -exec touch -d @946684800 {} +
  RAILS_ENV=production SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE=0 "$out/bin/rails" assets:precompile
  rm -rf log/* tmp/*
  ruby -rjson -rdigest -e '
    sorted = ->(value) { value.is_a?(Hash) ? value.sort.to_h { |k, v| [k, sorted.(v)] } : value }
    Dir.glob("public/**/{.manifest.json,.sprockets-manifest-*.json}", File::FNM_DOTMATCH).each do |file|
      text = JSON.pretty_generate(sorted.(JSON.parse(File.read(file))))
      File.write(file, text)
      if file.include?(".sprockets-manifest-")
        File.rename(file, "#{File.dirname(file)}/.sprockets-manifest-#{Digest::MD5.hexdigest(text)}.json")
      end
    end'
"""

# Bundler takes the gems from vendor/cache, and compares them with the lock again. A gemspec often asks git for its files.
from-store(without) = """
  mkdir -p vendor/cache /build/path
  while read -r file gem; do ln -sf "$gem" "vendor/cache/$file"; done <"$gems"
  BUNDLE_APP_CONFIG="$PWD/.bundle" bundle config set --local without ${join(without, ":")}
""" + git-files + """
  export PATH="/build/path:$PATH" NOKOGIRI_USE_SYSTEM_LIBRARIES=1
  # The gem compiles an SQLite of its own, which it downloads if it does not have it, unless it is told that there is one.
  if pkg-config --exists sqlite3 2>/dev/null; then export BUNDLE_BUILD__SQLITE3="\${BUNDLE_BUILD__SQLITE3:---enable-system-libraries}"; fi
"""

# A stand-in for git, of which gemspecs ask the names of the source's files: with the patterns of `git ls-files`, as
# `:!PATTERN` too.
git-files = """
  cat >/build/path/git <<'END'
  #!/bin/bash
  [ "$1" = ls-files ] || exit 0
  shift
  end='\\n' wanted=() unwanted=()
  for word; do
    case $word in
      -z) end='\\0' ;;
      :!* | :^*) unwanted+=("\${word:2}") ;;
      ':(exclude)'*) unwanted+=("\${word#*)}") ;;
      -*) ;;
      . | ./) wanted+=('*') ;;
      *) word=\${word#./}; wanted+=("\${word%/}") ;;
    esac
  done
  [ \${#wanted[@]} != 0 ] || wanted=('*')
  fits() {
    local file=$1 pattern
    shift
    for pattern; do [[ $file == $pattern || $file == $pattern/* ]] && return; done
    return 1
  }
  find . -type f ! -path './vendor/*' ! -path './.bundle/*' -printf '%P\\0' | while IFS= read -r -d '' file; do
    if fits "$file" "\${wanted[@]}" && ! fits "$file" "\${unwanted[@]}"; then printf "%s$end" "$file"; fi
  done
  END
  chmod +x /build/path/git
"""

# ---- Gemfile.lock

from-lock(content, arch) =
  let
    blocks = [split(b, "\n") for b in split(replace-all(content, "\r", ""), "\n\n")]
    sums = {
      ${get(m, 0)} = get(m, 1)
      for block in blocks if head(block) == "CHECKSUMS"
      for m in [match(l, "  (\\S+ \\([^()\\s]+\\)) sha256=([0-9a-f]{64})(?:,.*)?") for l in block] if m != null
    }
    from-git = [s for block in blocks if head(block) == "GIT" for s in specs(block)]
    listed = [
      gem-of(remote(block), s, sums)
      for block in blocks if head(block) == "GEM"
      for s in specs(block) if for-system(get(s, 1), arch)
    ]
  in
    if from-git != [] then
      error(
        "The gem ${head(head(from-git))} comes from git, which has no checksum: run bundle package --all, which puts the gems into vendor/cache, and leave out `lock`",
        "lock",
      )
    else listed

specs(block) = [m for m in [match(l, "    (\\S+) \\(([^()\\s]+)\\)") for l in block] if m != null]

remote(block) =
  let found = [m for m in [match(l, "  remote: (\\S+)") for l in block] if m != null] in
  if found == [] then error("The lock has gems without a source", "lock") else head(head(found))

# A version may name the platform of a gem that is compiled already.
for-system(version, arch) =
  let
    cpu = get({ amd64 = "x86_64", arm64 = "aarch64", i386 = "x86" }, arch, arch)
    named = match(version, "[^-]+-(.*)")
  in named == null || contains([cpu + "-linux", cpu + "-linux-gnu"], head(named))

gem-of(source, spec, sums) =
  let file = "${head(spec)}-${get(spec, 1)}.gem" in
  if match(file, "[A-Za-z0-9_][A-Za-z0-9_.-]*") == null then
    error("The lock has a gem of an invalid name or version: ${to-json(file)}", "lock")
  else {
    file
    url = "gem:${replace-all(source, "/+$", "")}//${file}"
    sha256 = get(sums, "${head(spec)} (${get(spec, 1)})", "")
  }

fetched(g, recorded) =
  let sha256 = if g.sha256 == "" then recorded else g.sha256 in
  if sha256 == "" then error("The lock has no checksum of ${g.file}: run fpack lock, which records it", "lock")
  else derivation {
    kind = "fetch"
    name = store-name(g.file)
    urls = [g.url]
    sha256
    size = null
    executable = false
  }
