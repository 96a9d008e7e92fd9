# The virtual environment of a Python program with the packages of its lock, as a derivation of its own. It has the name
# of the program, so that both are built at one path: what pip writes there is what it would write for the program.

apart = import("./dependencies.fp")

# The package of the environment, or null if it is made together with the program. Python before 3.11 writes other
# bytecode for a file if it has compiled others before.
environment(given, tools, python, build, env) =
  let
    own = [n for n in ["unpack", "patch", "configure", "build", "fixup", "target"] if has(given, n)]
    old = match(python, "(?:\\d+:)?3\\.(?:\\d|10)(?:\\D.*)?") != null
  in
    if old || own != [] || !has(given, "name") || !apart.is-edited(given.source or null) then null
    else apart.compiled(given, given.name, ["python3", ...tools], {
      version = given.version or "0"
      limits = given.limits or null
      check = null
      install = null
      runtime = import("./common.fp").debian-tools(given, ["python3"])
      configure, build, fixup, env
    })

# The variables of pip and Python.
of-pip = {
  PIP_DISABLE_PIP_VERSION_CHECK = "1"
  PIP_NO_CACHE_DIR = "1"
  PYTHONHASHSEED = "0"
}

# The variables by which the phases take the environment.
taken(environment) =
  if environment == null then {}
  else { python_environment = "${environment}", python_bytecode = "${text("bytecode.py", bytecode)}" }

# The variable of `counted`.
of-names = { python_names = "${text("names.py", names)}" }

# A script that runs pip while directories for temporary files have the same names in each build. Packages that are built
# from sources have their paths: in debug information, so in the digests of RECORD, in __FILE__, in generated modules.
counted(script) = """
  counts=$(echo "$out"/lib/python3*/site-packages)/fpack-names.pth
  printf 'import sys; exec(open("%s").read(), {})\\n' "$python_names" >"$counts"
""" + script + """
  rm "$counts"
"""

names = """
  # Name directories for temporary files, and pip's directories of sources, by counters.
  import itertools, sys, tempfile, uuid

  names, numbers = map("{:08}".format, itertools.count()), itertools.count()
  candidates, make_directory, random_uuid = tempfile._get_candidate_names, tempfile.mkdtemp, uuid.uuid4

  # An existing directory is passed over, so parallel processes get different ones.
  def mkdtemp(suffix=None, prefix=None, dir=None):
      tempfile._get_candidate_names = lambda: names
      try:
          return make_directory(suffix, prefix, dir)
      finally:
          tempfile._get_candidate_names = candidates

  def uuid4():
      if sys._getframe(1).f_globals.get("__name__", "").startswith("pip."):
          return uuid.UUID(int=next(numbers))
      return random_uuid()

  tempfile.mkdtemp, uuid.uuid4 = mkdtemp, uuid4
"""

# The copy has its own path in place of the environment's. In a build that is as long and differs in its hash alone; in a
# shell for the phases, it is another one.
configure = """
  if [ -n "\${python_environment:-}" ]; then
    mkdir -p "$out"
    cp -r "$python_environment/." "$out"
    chmod -R u+w "$out"
    find "$out" -name __pycache__ -prune -exec rm -r {} +
    from=$python_environment to=\${out//[&|]/\\\\&}
    case $out in
      /fpack/store/*) from=\${from:13:32} to=\${to:13:32} ;;
    esac
    { LC_ALL=C grep -rlZF "$from" "$out" || true; } | LC_ALL=C xargs -0 -r sed -i "s|$from|$to|g"
  else
    (cd / && python3 -m venv --without-pip "$out")
  fi
"""

# Compiled files that contain the hash of their source, not its time, are reproducible.
fixup = """
  rm -f "$out"/bin/[Aa]ctivate* "$out"/lib/python3*/site-packages/*.dist-info/direct_url.json
  find "$out" -name __pycache__ -prune -exec rm -r {} +
  list=$(mktemp)
  if [ -n "\${python_environment:-}" ]; then python3 -I "$python_bytecode"; else echo "$out"; fi >"$list"
  if [ -s "$list" ]; then (cd / && python3 -m compileall -q --invalidation-mode unchecked-hash -i "$list") || true; fi
"""

bytecode = """
  # Take the bytecode of the files that are those of the environment. Print the paths of the other files to compile.
  import importlib.util, os, sys

  environment, out = os.environ["python_environment"], os.environ["out"]
  old, new = (os.path.basename(path)[:32].encode() for path in (environment, out))

  def content(path):
      if os.path.islink(path) or not os.path.isfile(path):
          return None
      with open(path, "rb") as file:
          return file.read()

  files = []
  for folder, folders, names in os.walk(out):
      folders[:] = sorted(folder for folder in folders if folder != "__pycache__")
      files += [os.path.join(folder, name) for name in sorted(names) if name.endswith(".py")]
  # A list of files has one a line. Bytecode has lengths of strings.
  if os.path.dirname(environment) != os.path.dirname(out) or any(not path.isprintable() for path in files):
      print(out)
      sys.exit()
  for path in files:
      before = environment + path[len(out):]
      source, compiled = content(before), content(importlib.util.cache_from_source(before))
      if source is None or compiled is None or content(path) != source.replace(old, new):
          print(path)
          continue
      target = importlib.util.cache_from_source(path)
      os.makedirs(os.path.dirname(target), exist_ok=True)
      with open(target, "wb") as file:
          file.write(compiled.replace(old, new))
"""
