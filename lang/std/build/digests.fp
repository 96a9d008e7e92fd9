# The SHA-256 of files that a project's lock names without one.

# They are recorded in fpack.lock when each file is first fetched. weak: URL = its SHA-1, or "" if it is unknown. what:
# the files are, in messages. of: what a record of them is of. named: a file of digests that the user named, or null.
# source, name: where older versions of fpack kept a file of digests.
recorded({ weak, what, of, named = null, source = null, name }) =
  let
    plan = get(settings, "file-digests", null)
    older = if named != null then named
      else if type(source) == "path" && has(read-dir(source), name) then source + "/${name}"
      else null
  in
    if weak == {} || plan == null then {}
    else plan({ files = weak, what, of, older, named = named != null })
