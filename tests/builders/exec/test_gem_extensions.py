"""The error of a gem that cannot be compiled has what its extension said, and not the traces of Bundler."""

from __future__ import annotations

from fpack.builders.exec.gem_extensions import extension_errors

LOG = """\
Installing rack 3.1.20
Gem::Ext::BuildError: ERROR: Failed to build gem native extension.

current directory: /fpack/store/x/gems/crc-1.0.0/ext/crc
/usr/bin/ruby3.3 -I/usr/lib/ruby/vendor_ruby extconf.rb
checking for zlib.h... no
{}*** extconf.rb failed ***

Provided configuration options:
\t--with-opt-dir
\t--with-zlib-lib=${{zlib-dir}}/lib

To see why this extension failed to compile, please check the mkmf.log which can
be found here:

/fpack/store/x/extensions/crc-1.0.0/mkmf.log

extconf failed, exit code 1

Gem files will remain installed in
/fpack/store/x/gems/crc-1.0.0
for inspection.

  /usr/lib/ruby/vendor_ruby/rubygems/ext/builder.rb:126:in `run'
An error occurred while installing crc (1.0.0), and Bundler cannot
continue.
"""


def test_the_traces_and_options_are_left_out() -> None:
    assert [line for line in extension_errors(LOG.format("").splitlines()) if line] == [
        "current directory: /fpack/store/x/gems/crc-1.0.0/ext/crc",
        "/usr/bin/ruby3.3 -I/usr/lib/ruby/vendor_ruby extconf.rb",
        "checking for zlib.h... no",
        "*** extconf.rb failed ***",
        "extconf failed, exit code 1",
        "An error occurred while installing crc (1.0.0)",
    ]


def test_the_first_of_several_counts_and_other_logs_have_none() -> None:
    twice = LOG.format("first\n") + LOG.format("second\n")
    found = extension_errors(twice.splitlines())
    assert "first" in found and "second" not in found
    assert extension_errors(["make: *** [Makefile:2: all] Error 1"]) == []
