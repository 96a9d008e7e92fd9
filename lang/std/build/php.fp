# PHP programs, with the packages of their composer.lock.

# A composer.lock has no SHA-256: those of the archives are recorded in fpack.lock.
# lock: the composer.lock. files: a JSON file that records them instead: its field `files` has the SHA-256 by URL.
# dev: install the packages for development too.
# scripts: run the scripts of composer.json, in the sandbox. extensions: those of PHP, such as "gd".
# php: the version of PHP. All else is as in `package`.
# The program is in $out/app; $out/bin has `php` with the extensions, and a command for each `bin` of composer.json.
php({
  lock: path | null = null,
  files: path | null = null,
  dev: bool = false,
  scripts: bool = false,
  extensions: list = [],
  php: string = "8.4",
  ...given
}) =
  let
    common = import("./common.fp")
    source = given.source or null
    listed = if lock == null then [] else locked(read-json(lock), dev)
    known = import("./digests.fp").recorded({
      weak = { ${p.url} = p.sha1 for p in listed }
      what = "packages of Composer"
      of = hash(join(["${p.url} ${p.sha1}\n" for p in listed], ""), "sha256")
      named = files
      source
      name = "composer-files.lock"
    })
    lines = [
      "${p.name} ${archive(p, get(known, p.url, ""))}\n"
      for p in listed
    ]
    listing = text("archives", join(lines, ""))
    enabled = unique([...needed, ...extensions])
    modules = ["php${php}-${e}" for e in enabled]
    flags = "--no-interaction --no-progress --no-cache --prefer-dist --optimize-autoloader${if dev then "" else " --no-dev"}${if scripts then "" else " --no-scripts"}"
  in common.with-defaults(
    given,
    ["composer", "php${php}-cli", "unzip", "php${php}-curl", ...modules],
    {
      configure = with-extensions(php)
      build = if lock == null then null else install-packages(flags)
      check = null
      install = install-program(php, enabled)
      env = {
        COMPOSER_HOME = "/build/composer"
        COMPOSER_DISABLE_NETWORK = "1"
        COMPOSER_ROOT_VERSION = given.version or "0"
        ...if lock == null then {} else { archives = "${listing}" }
      }
      runtime = common.debian-tools(given, ["php${php}-cli", "dash", ...modules])
    },
  )

# Extensions that nearly every framework asks for.
needed = ["mbstring", "xml"]

locked(data, dev) =
  let packages = [...get(data, "packages", []), ...if dev then get(data, "packages-dev", []) else []] in
  [
    locked-package(p)
    for p in packages
    if get(get(p, "dist", {}), "type", "") != "path" && get(p, "type", "") != "metapackage"
  ]

locked-package(p) =
  let dist = get(p, "dist", {}) in
  if match(p.name, "[a-z0-9]([_.-]?[a-z0-9]+)*/[a-z0-9](([_.]|-{1,2})?[a-z0-9]+)*") == null then
    error("The lock has a package of an invalid name: ${to-json(p.name)}", "lock")
  else if get(dist, "url", "") == "" then
    error(
      "The lock has no archive of ${p.name}, which comes from a repository of sources: require a released version",
      "lock",
    )
  else {
    name = p.name
    version = get(p, "version", "0")
    url = dist.url
    kind = get(dist, "type", "zip")
    sha1 = lower(get(dist, "shasum", ""))
  }

archive(p, sha256) =
  if sha256 == "" then error("There is no SHA-256 of ${p.name} yet: run fpack lock", "lock")
  else derivation {
    kind = "fetch"
    name = store-name("${replace-all(p.name, "/", "-")}-${p.version}.${if p.kind == "tar" then "tar.gz" else "zip"}")
    urls = [p.url]
    sha256
    size = null
    executable = false
  }

# Debian's packages turn their extensions on by scripts, which do not run in builds. Each has settings with a priority.
with-extensions(php) = """
  extensions() {
    for each; do
      if [ -d "/usr/share/php${php}-$each" ]; then
        grep -rH '^; *priority=' "/usr/share/php${php}-$each" --include='*.ini' | sed 's/\\(.*\\):; *priority=\\([0-9]*\\)/\\2 \\1/'
      fi
    done | sort -n | while read -r _ file; do
      sed -n 's/^ *\\(\\(zend_\\)\\{0,1\\}extension *=.*\\)/\\1/p' "$file"
    done
  }
  mkdir -p /build/php.d /build/path
  extensions $(cd /usr/share && echo php${php}-* | sed 's/php${php}-//g') >/build/php.d/extensions.ini
  export PHP_INI_SCAN_DIR=/build/php.d PATH="/build/path:$PATH"
  ln -s /usr/bin/php${php} /build/path/php
"""

# The archives stand in the lock under names that do not change; the locks of the result are the project's own.
install-packages(flags) = """
  cp composer.lock /build/composer.lock
  php -r '
    $lock = json_decode(file_get_contents("composer.lock"), true, 512, JSON_THROW_ON_ERROR);
    $urls = [];
    mkdir("/build/archives");
    foreach (file(getenv("archives")) as $line) {
      [$name, $path] = explode(" ", trim($line));
      $file = "/build/archives/" . strtr($name, "/", "-") . strrchr($path, ".");
      symlink($path, $file);
      $files[$name] = $file;
    }
    foreach (["packages", "packages-dev"] as $part) {
      foreach ($lock[$part] ?? [] as $i => $package) {
        if (isset($files[$package["name"]])) {
          $file = $files[$package["name"]];
          $urls[$file] = $package["dist"]["url"];
          $lock[$part][$i]["dist"]["url"] = $file;
          unset($lock[$part][$i]["source"], $lock[$part][$i]["dist"]["mirrors"]);
        }
      }
    }
    file_put_contents("composer.lock", json_encode($lock, JSON_UNESCAPED_SLASHES));
    file_put_contents("/build/urls.json", json_encode($urls));'
  composer install ${flags}
  cp /build/composer.lock composer.lock
  php -r '
    $file = (getenv("COMPOSER_VENDOR_DIR") ?: "vendor") . "/composer/installed.json";
    if (is_file($file)) {
      $urls = json_decode(file_get_contents("/build/urls.json"), true);
      $data = json_decode(file_get_contents($file), true);
      foreach ($data["packages"] as $i => $package) {
        $data["packages"][$i]["dist"]["url"] = $urls[$package["dist"]["url"] ?? ""] ?? $package["dist"]["url"] ?? "";
        unset($data["packages"][$i]["time"]);
      }
      file_put_contents($file, json_encode($data, JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES));
    }'
"""

install-program(php, extensions) = """
  mkdir -p "$out/bin" "$out/etc/php.d"
  cp -r . "$out/app"
  extensions common opcache readline ${join(extensions, " ")} >"$out/etc/php.d/extensions.ini"
  printf '#!/bin/sh\\nexport PHP_INI_SCAN_DIR=%s\\nexec /usr/bin/php${php} "$@"\\n' "$out/etc/php.d" >"$out/bin/php"
  chmod +x "$out/bin/php"
  if [ -f composer.json ]; then
    php -r '
      $data = json_decode(file_get_contents("composer.json"), true) ?: [];
      foreach ((array) ($data["bin"] ?? []) as $file) echo $file, "\\n";' >/build/programs
    while read -r file; do
      name=$(basename "$file" .php)
      if [ "$name" = php ] || [ ! -f "$out/app/$file" ]; then continue; fi
      printf '#!/bin/sh\\nexec %s/bin/php %s/app/%s "$@"\\n' "$out" "$out" "$file" >"$out/bin/$name"
      chmod +x "$out/bin/$name"
    done </build/programs
  fi
"""
