# The linker of builds with built libraries.

# A script that runs the linker of the same name. Builds see it by each linker's name, first in PATH: `builders/exec/linker.py`.
linker = text("linker", script, true)

script = """
  #!/bin/bash
  # Run the linker that has this file's name, so that the result finds the built libraries that it is linked with.
  #
  # The file `libraries` of the directory above lists directories of these libraries, each with a soname, or with none
  # if there are only archives. The directories of those that are linked, or whose soname is in the result for dlopen,
  # are put first in its RUNPATH, and no others. The linker looks for them before Debian's, and an archive of Debian's
  # is never linked in place of one.
  set +eu +o posix # which a build may export
  name=\${0##*/}
  here=\${0%/*}

  # ---- the real linker
  real=
  IFS=: read -ra places <<<"$PATH"
  for place in "\${places[@]}" /usr/local/bin /usr/bin; do
    if [ -x "$place/$name" ] && [ -f "$place/$name" ] && ! [ "$place/$name" -ef "$0" ]; then
      real=$place/$name
      break
    fi
  done
  if [ -z "$real" ]; then
    echo "$name: there is no such linker" >&2
    exit 127
  fi
  # The build's PATH may lack the programs that this script calls.
  PATH=$PATH:/usr/bin:/bin

  # ---- the libraries
  declare -A soname_dir=()
  lib_dirs=()
  while read -r dir soname; do
    case " \${lib_dirs[*]} " in *" $dir "*) ;; *) lib_dirs+=("$dir") ;; esac
    if [ "$soname" ]; then : "\${soname_dir[$soname]:=$dir}"; fi
  done <"$here/../libraries"

  # Set `file` to the built library of a name, shared or static, or to nothing.
  built_file() {
    local dir
    for dir in "\${lib_dirs[@]}"; do
      file=$dir/$1
      if [ -e "$file" ]; then return; fi
    done
    file=
  }

  # ---- the arguments
  words=()
  packed=
  expand() {
    local depth=$1 word more
    shift
    for word; do
      if [ "\${word:0:1}" = @ ] && [ -f "\${word:1}" ] && [ "$depth" -lt 20 ]; then
        packed=1
        mapfile -d '' -t more < <(xargs -r printf '%s\\0' <"\${word:1}")
        expand $((depth + 1)) "\${more[@]}"
      else
        words+=("$word")
      fi
    done
  }
  expand 0 "$@"

  mode=dynamic
  modes=()
  dirs=()     # of -L, and the index of the word of each
  dir_at=()
  items=()    # "MODE WORD" of each library, and the index of its word
  item_at=()
  own=()      # directories of -rpath
  out=a.out
  for ((i = 0; i < \${#words[@]}; i++)); do
    word=\${words[i]}
    next=\${words[i + 1]-}
    case $word in
      -r | -i | -Ur | --relocatable | -run | --run | --help | --version | -V | --print-*) exec "$real" "$@" ;;
      -L | -library-path | --library-path) dirs+=("$next") dir_at+=("$i") i=$((i + 1)) ;;
      -L*) dirs+=("\${word#-L}") dir_at+=("$i") ;;
      -library-path=* | --library-path=*) dirs+=("\${word#*=}") dir_at+=("$i") ;;
      -l | -library | --library) items+=("$mode -l$next") item_at+=("$i") i=$((i + 1)) ;;
      -library=* | --library=*) items+=("$mode -l\${word#*=}") item_at+=("$i") ;;
      -l*) items+=("$mode $word") item_at+=("$i") ;;
      -Bstatic | -dn | -non_shared | -static | --Bstatic | --static) mode=static ;;
      -Bdynamic | -dy | -call_shared | --Bdynamic) mode=dynamic ;;
      -push-state | --push-state) modes+=("$mode") ;;
      -pop-state | --pop-state) if [ \${#modes[@]} != 0 ]; then mode=\${modes[-1]}; unset 'modes[-1]'; fi ;;
      -rpath | --rpath | -R) own+=("$next") i=$((i + 1)) ;;
      -rpath=* | --rpath=*) own+=("\${word#*=}") ;;
      -o | -output | --output) out=$next i=$((i + 1)) ;;
      -output=* | --output=*) out=\${word#*=} ;;
      -omagic | --omagic | -oformat* | --oformat*) ;;
      -o*) out=\${word#-o} ;;
      -T | -e | -m | -z | -u | -y | -h | -f | -F | -A | -b | -c | -G | -I | -Y | -a | -soname | --soname | -Map | --Map | -entry | \\
        --entry | -plugin | --plugin | -plugin-opt | --plugin-opt | -dynamic-linker | --dynamic-linker | -rpath-link | \\
        --rpath-link | -script | --script | -version-script | --version-script | -dynamic-list | --dynamic-list | -format | \\
        --format | -defsym | --defsym | -wrap | --wrap | -undefined | --undefined | -sysroot) i=$((i + 1)) ;;
      -*) ;;
      *.so | *.so.* | *.a) items+=("$mode $word") item_at+=("$i") ;;
    esac
  done

  is_system() { case $1 in /usr/* | /lib/* | /lib64/* | /lib) return 0 ;; esac; return 1; }

  # The first directory of the system among those of -L: built libraries are searched before it.
  first=\${#words[@]}
  searched=()
  before=()
  for i in "\${!dirs[@]}"; do
    dir=\${dirs[i]#=}
    dir=\${dir#\\$SYSROOT}
    if [ "$first" = \${#words[@]} ] && is_system "$dir"; then
      first=\${dir_at[i]}
      before=("\${searched[@]}")
    fi
    case $dir in /fpack/*/../*) dir=$(realpath -ms -- "$dir") ;; esac
    searched+=("\${dir%/}")
  done
  if [ "$first" = \${#words[@]} ]; then before=("\${searched[@]}"); fi
  missing=()
  for dir in "\${lib_dirs[@]}"; do
    case " \${before[*]} " in *" $dir "*) ;; *) missing+=("$dir") ;; esac
  done
  searched=("\${before[@]}" "\${missing[@]}" "\${searched[@]:\${#before[@]}}")

  refuse() {
    echo "$name: $1 would be linked, and not $2 of \\`libs\\`, \${3:-which has no static library}" >&2
    exit 1
  }

  # ---- what is linked
  changed=
  linked=()
  in_tree=" "
  for i in "\${!items[@]}"; do
    mode=\${items[i]%% *}
    word=\${items[i]#* }
    found=
    case $word in
      -l:*)
        for dir in "\${searched[@]}"; do
          if [ -e "$dir/\${word#-l:}" ]; then found=$dir/\${word#-l:}; break; fi
        done
        ;;
      -l*)
        lib=lib\${word#-l}
        for dir in "\${searched[@]}"; do
          if [ $mode = dynamic ] && [ -e "$dir/$lib.so" ]; then found=$dir/$lib.so; break; fi
          if [ -e "$dir/$lib.a" ]; then found=$dir/$lib.a; break; fi
        done
        ;;
      *)
        found=$word
        if is_system "$found"; then
          built_file "\${found##*/}"
          if [ "$file" ]; then
            found=$file
            words[item_at[i]]=$file
            changed=1
          fi
        fi
        ;;
    esac
    case $found in
      '') continue ;;
      /usr/* | /lib/* | /lib64/* | /fpack/store/*) ;;
      *) if [ \${#lib_dirs[@]} != 0 ]; then found=$(readlink -f -- "$found"); fi ;;
    esac
    case $found in */../*) found=$(realpath -ms -- "$found") ;; esac
    base=\${found##*/}
    case $found in
      /fpack/store/*.a) ;;
      /fpack/store/*) linked+=("\${found%/*}") ;;
      /usr/*.a | /lib/*.a)
        built_file "\${base%.a}.so"
        if [ "$file" ]; then refuse "$found" "$file"; fi
        ;;
      /usr/* | /lib/*)
        # A library that has another file name here, such as -l:libz.so.1.
        built_file "\${base%%.so*}.so"
        if [ "$file" ]; then refuse "$found" "$file" "which has no file of this name"; fi
        ;;
      *.so*) in_tree+="\${base%%.so*} " ;;
    esac
  done

  # ---- the call
  # Directories that the caller puts into the RUNPATH after one of the system do not count: the system's would win.
  covered=()
  IFS=: read -ra given <<<"$(IFS=:; echo "\${own[*]}")"
  for dir in "\${given[@]}"; do
    if is_system "$dir"; then break; fi
    covered+=("\${dir%/}")
  done
  is_covered() { case " \${covered[*]} " in *" $1 "*) return 0 ;; esac; return 1; }

  wanted=()
  want() {
    if ! is_covered "$1"; then
      case " \${wanted[*]} " in *" $1 "*) ;; *) wanted+=("$1") ;; esac
    fi
  }
  for dir in "\${linked[@]}"; do want "$dir"; done

  arguments=("$@")
  if [ $changed ] || { [ \${#missing[@]} != 0 ] && [ \${#items[@]} != 0 ]; }; then
    arguments=("\${words[@]:0:first}" "\${missing[@]/#/-L}" "\${words[@]:first}")
    if [ $packed ]; then
      response=$(mktemp) || exit 1
      printf '%s\\n' "\${arguments[@]}" | sed "s/[\\\\\\\\\\"' 	]/\\\\\\\\&/g" >"$response"
      arguments=("@$response")
    fi
  fi

  link() {
    local options=() dir
    for dir in "\${wanted[@]}"; do options+=(-rpath "$dir"); done
    # The linker heeds this variable only if there is no -rpath.
    if [ \${#options[@]} != 0 ] && [ \${#own[@]} = 0 ] && [ "\${LD_RUN_PATH-}" ]; then options+=(-rpath "$LD_RUN_PATH"); fi
    "$real" "\${options[@]}" "\${arguments[@]}"
  }
  link
  status=$?
  if [ $status = 0 ] && [ -f "$out" ] && [ \${#soname_dir[@]} != 0 ]; then
    # Libraries that --as-needed dropped are no longer named in the result, and those for dlopen are.
    first_wanted=("\${wanted[@]}")
    wanted=()
    named=()
    mapfile -t sonames < <(printf '%s\\n' "\${!soname_dir[@]}" | grep -aoFf - -- "$out" | sort -u)
    for soname in "\${sonames[@]}"; do
      again=
      for dir in "\${linked[@]}"; do if [ -e "$dir/$soname" ]; then again=$dir; break; fi; done
      # The build may make a library of the same name itself.
      case $in_tree in *" \${soname%%.so*} "*) if [ -z "$again" ]; then continue; fi ;; esac
      named+=("\${again:-\${soname_dir[$soname]}}")
    done
    for dir in "\${linked[@]}"; do
      known=
      for soname in "\${!soname_dir[@]}"; do if [ "\${soname_dir[$soname]}" = "$dir" ]; then known=1; fi; done
      case " \${named[*]} " in *" $dir "*) want "$dir" ;; *) if [ -z "$known" ]; then want "$dir"; fi ;; esac
    done
    for dir in "\${named[@]}"; do want "$dir"; done
    if [ "\${wanted[*]}" != "\${first_wanted[*]}" ]; then
      link
      status=$?
    fi
  fi
  if [ "\${response-}" ]; then rm -f "$response"; fi
  exit $status
"""
