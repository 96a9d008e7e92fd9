# Ruby programs, with their gems in `vendor/cache`, where `bundle package` puts them.

# The program is in $out/app, with a command for each file of its `bin` and each command of its gems in $out/bin.
# native: some gems have extensions, which are compiled. All else is as in `package`.
ruby({ native: bool = false, ...given }) =
  let compiler = if native then ["gcc", "g++", "libc6-dev", "make", "ruby-dev"] else [] in
  import("./common.fp").with-defaults(given, ["bundler", "ruby", ...compiler], {
    build = """
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
    install = """
      mkdir -p "$out/bin"
      for program in "$out"/app/bin/* "$out"/gems/ruby/*/bin/*; do
        if [ ! -f "$program" ]; then continue; fi
        name=$(basename "$program")
        if [ -e "$out/bin/$name" ]; then continue; fi
        printf '#!/bin/sh\\nexport BUNDLE_GEMFILE=%s/app/Gemfile BUNDLE_APP_CONFIG=%s/app/.bundle\\nexec bundle exec ruby %s "$@"\\n' \\
          "$out" "$out" "$program" >"$out/bin/$name"
        chmod +x "$out/bin/$name"
      done
    """
    runtime = import("./common.fp").debian-tools(given, ["bundler", "dash", "ruby"])
  })
