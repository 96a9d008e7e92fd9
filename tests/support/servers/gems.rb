# Make gems of all that is installed and of sources, with the index that Bundler reads of a gem server.
#
#   ruby gems.rb OUT [SOURCE...]

require "digest"
require "fileutils"
require "rubygems/package"
require "tmpdir"

LIBRARIES = ["/usr/lib/ruby/vendor_ruby", *Dir["/usr/lib/*-linux-gnu/ruby/vendor_ruby/*"]]
# A compiled part that has another name than its gem.
COMPILED = { "websocket-driver" => ["websocket_mask.so"] }
# Gemspecs often ask git for their files.
GIT = <<~END
  #!/bin/sh
  find . -type f -printf '%P\\0' | case " $* " in *" -z "*) cat ;; *) tr '\\0' '\\n' ;; esac
END

def copy(from, patterns, to)
  return unless File.directory?(from)
  Dir.glob(patterns, base: from).uniq.select { |file| File.file?("#{from}/#{file}") }.each do |file|
    FileUtils.mkdir_p(File.dirname("#{to}/#{file}"))
    FileUtils.cp("#{from}/#{file}", "#{to}/#{file}")
  end
end

# The libraries of some gems lie among those of others: the files that the gemspec names, and those of its name.
def among_others(spec, to)
  listed = spec.files.filter_map { |file| file.delete_prefix("lib/") if file.start_with?("lib/") }
  name = spec.name.tr("-", "/")
  LIBRARIES.each do |from|
    copy(from, [*listed, "#{name}.rb", "#{name}/**/*", *COMPILED.fetch(spec.name, [])], to)
  end
end

def of_installed(spec, out)
  Dir.mktmpdir do |directory|
    copy(spec.gem_dir, ["**/*"], directory) unless spec.default_gem?
    among_others(spec, "#{directory}/lib") unless File.directory?(spec.gem_dir)
    copy(spec.extension_dir, ["**/*.so"], "#{directory}/lib")
    made = spec.dup
    made.installed_by_version = nil
    Dir.chdir(directory) do
      made.files = Dir.glob("**/*").select { |file| File.file?(file) }.sort
      made.executables = made.executables.select { |file| File.file?("#{made.bindir}/#{file}") }
      made.extensions = []
      made.extra_rdoc_files = []
      made.test_files = []
      made.require_paths = spec.raw_require_paths
      made.platform = Gem::Platform.local.to_s.delete_suffix("-gnu") if made.files.any? { |file| file.end_with?(".so") }
      Gem::Package.build(made, true, false, "#{out}/gems/#{made.file_name}")
    end
    made
  end
end

def of_source(directory, out)
  Dir.chdir(directory) do
    spec = Gem::Specification.load(Dir["*.gemspec"].first)
    spec.files = (spec.files + Dir.glob("{lib,ext}/**/*")).uniq.select { |file| File.file?(file) }.sort
    spec.extra_rdoc_files = []
    Gem::Package.build(spec, true, false, "#{out}/gems/#{spec.file_name}")
    spec
  end
end

# The lines of `info/NAME`: versions with what they need, and the digests of their files.
def line_of(spec, out)
  needs = spec.runtime_dependencies.map { |needed| "#{needed.name}:#{needed.requirement.as_list.join("&")}" }.join(",")
  sha256 = Digest::SHA256.file("#{out}/gems/#{spec.file_name}").hexdigest
  ruby = spec.required_ruby_version.as_list.join("&")
  "#{spec.full_name.delete_prefix("#{spec.name}-")} #{needs}|checksum:#{sha256},ruby:#{ruby}"
end

out, *sources = ARGV
tools = Dir.mktmpdir
File.write("#{tools}/git", GIT)
File.chmod(0o755, "#{tools}/git")
ENV["PATH"] = "#{tools}:#{ENV["PATH"]}"
FileUtils.mkdir_p(["#{out}/gems", "#{out}/info"])
made = sources.map { |source| of_source(source, out) }
others = Gem::Specification.to_a.uniq(&:full_name).reject { |spec| ["bundler", *made.map(&:name)].include?(spec.name) }
made += others.map { |spec| of_installed(spec, out) }
versions = "created_at: 2026-01-01T00:00:00Z\n---\n"
made.group_by(&:name).sort.each do |name, specs|
  lines = specs.sort_by(&:version).map { |spec| line_of(spec, out) }
  text = "---\n#{lines.join("\n")}\n"
  File.write("#{out}/info/#{name}", text)
  versions << "#{name} #{lines.map { |line| line.split.first }.join(",")} #{Digest::MD5.hexdigest(text)}\n"
end
File.write("#{out}/versions", versions)
