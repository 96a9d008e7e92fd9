# PHP 8.4 behind FastCGI: docker.io's php:8.4-fpm, with the extensions that web applications usually ask for built in.
#
#   fpack pack php-fpm
#   podman load -i php-fpm.tar
#   podman run -v ./site:/var/www/html:ro -p 9000:9000 localhost/php-fpm:8.4
#
# Settings are where the official image has them: /usr/local/etc/php/conf.d/*.ini and /usr/local/etc/php-fpm.d/*.conf.

debian = import("fpack/debian").trixie

extension(name) = get(debian, "php8.4-${name}")

# The extensions to load, each after those that it needs.
modules = split(
  "mysqlnd pdo xml bcmath calendar ctype curl dom exif ffi fileinfo ftp gettext iconv mbstring mysqli pdo_mysql "
    + "pdo_pgsql pdo_sqlite pgsql phar posix readline shmop simplexml sockets sqlite3 sysvmsg sysvsem sysvshm tokenizer "
    + "xmlreader xmlwriter xsl zip",
  " ",
)

ini = "/usr/local/etc/php"

image = container {
  name = "php-fpm"
  tag = "8.4"

  closure = "linked"    # besides these packages, only those whose libraries and programs they load
  data-packages = false # no dependency that has nothing but data: each that is needed is listed
  interpreted = false   # nor what scripts and modules load
  packages = [
    extension("fpm"), extension("cli"), extension("common"),
    ...[extension(e) for e in split("bcmath curl mbstring mysql opcache pgsql readline sqlite3 xml zip", " ")],
    debian.libc6, # as a listed package it is complete, with the character sets of iconv
    debian.ca-certificates, debian.tzdata, debian.dash,
  ]
  rules = {
    "php8.4-fpm" = { keep = ["/usr/sbin", "/usr/share/php"] }
    "php8.4-cli" = { keep = ["/usr/bin/php8.4", "/usr/bin/phar*"] }
    ca-certificates = { keep = ["/usr/share/ca-certificates"] }
    tzdata = { keep = ["/usr/share/zoneinfo"] }
  }

  command = ["php-fpm"]
  init = false # the server handles signals as the first process
  user = "www-data"
  workdir = "/var/www/html"
  ports = [9000]
  stop-signal = "SIGQUIT" # finish the requests that have begun

  # The directories of php.ini and of further settings.
  env = { PHP_INI_DIR = ini, PHPRC = ini, PHP_INI_SCAN_DIR = "${ini}/conf.d" }

  files = {
    "${ini}/conf.d/extensions.ini" = join(
      [...["extension=${m}\n" for m in modules], "zend_extension=opcache\n"],
      "",
    )
    "/usr/local/etc/php-fpm.conf" = ./php-fpm/php-fpm.conf
    "/usr/local/etc/php-fpm.d/www.conf" = ./php-fpm/www.conf
  }
  links = {
    "${ini}/php.ini" = "/usr/lib/php/8.4/php.ini-production"
    "/etc/php/8.4/fpm/php-fpm.conf" = "/usr/local/etc/php-fpm.conf"
    "/usr/local/sbin/php-fpm" = "/usr/sbin/php-fpm8.4"
    "/usr/local/bin/php" = "/usr/bin/php8.4"
  }
  directories = {
    "/var/www/html" = { mode = "1777", user = "www-data" }
    "/var/lib/php/sessions" = { mode = "1733" }
  }
}
