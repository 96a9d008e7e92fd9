# The node_modules of a lock, as a derivation of its own. If npm installs them, it depends on package.json and the lock,
# and on no other file of the project; if fpack lays them out, on no file of the project.

apart = import("./dependencies.fp")

# The package of node_modules, or null if npm installs them in the project's build: scripts of packages, and links to
# directories of the project, may need other files.
modules(given, data, scripts, tools, configure, env) =
  let
    links = any(values(data.packages), p => get(p, "link", false))
    source = if scripts || links || has(given, "folder") || has(given, "target") then null
      else apart.skeleton(given, "node", {})
  in
    if source == null then null
    else apart.compiled(given, "node-modules", tools, {
      limits = given.limits or null
      check = null
      install = """
        mkdir "$out"
        if [ -d node_modules ]; then cp -r node_modules "$out"; fi
      """
      source, configure, env
    })

# The phase that takes the packages, or else installs them by a script.
taken-or(install) = """
  if [ -n "\${node_packages:-}" ]; then
    rm -rf node_modules
    if [ -d "$node_packages/node_modules" ]; then
      cp -r "$node_packages/node_modules" .
      chmod -R u+w node_modules
    fi
  else
    ${install}
  fi
"""

# ---- laid out by fpack, for locks that npm cannot install from

# The package of what a script lays out for a plan, or null if no edit of the project can spare it.
laid-out(given, script, env) =
  if !apart.is-edited(given.source or null) || has(given, "configure") || has(given, "target") then null
  else apart.compiled({ ...given, folder = "." }, "node-modules", [], {
    limits = given.limits or null
    configure = null
    check = null
    install = """
      mkdir -p "$out/files"
      cd "$out/files"
      ${script}
    """
    env
  })

# The phase that takes what was laid out, or else lays it out by a script. As with npm, nothing else stays in node_modules.
# Links to directories of the project are made last in both cases: their packages are read here.
laid-out-or(script) = """
  node "$layout" directories | xargs -r -d '\\n' rm -rf
  if [ -n "\${node_packages:-}" ]; then
    node "$layout" directories | while IFS= read -r each; do
      if [ -d "$node_packages/files/$each" ]; then
        mkdir -p "$(dirname "$each")"
        cp -r "$node_packages/files/$each" "$each"
        chmod -R u+w "$each"
      fi
    done
    node "$layout" links
  else
    ${script}
  fi
"""

# Files get the time of the project's own: an archive's times do not remain in a store path.
same-times = """
  node "$layout" directories | while IFS= read -r each; do
    if [ -d "$each" ]; then find "$each" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; fi
  done
"""

# The directories that hold packages and links: "./node_modules", and those of other directories of the project.
directories(placed) = unique(["${head(split("./${p.where}", "/node_modules/"))}/node_modules" for p in placed])
