# The node_modules of a lock, as a derivation of its own that depends on package.json and the lock, and on no other file of
# the project.

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
