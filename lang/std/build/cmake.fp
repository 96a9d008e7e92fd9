# Packages with a CMakeLists.txt.

# flags: words for `cmake`, such as "-DBUILD_SHARED_LIBS=ON". cross: for another architecture than the machine's, compile
# with this machine's cross compiler. All else is as in `package`.
# CMake itself adds the paths of built libraries to programs: it removes those of LDFLAGS, and it omits the paths that
# the compiler knows from LIBRARY_PATH unless the flags forbid that.
cmake({ flags: list = [], cross: bool = false, ...given }) =
  let c = import("./cross.fp").of(cross, given) in
  import("./common.fp").with-defaults-across(c, given, ["cmake", "g++", "gcc", "libc6-dev", "ninja-build", "pkgconf"], {
    apart = import("./dependencies.fp").is-edited(given.source or null)
    configure = (if c == null then "" else import("./cross.fp").cmake-file(c)) + """
      unset LDFLAGS
      libs=\${LIBRARY_PATH:-}
      libs=\${libs//:/;}
      export CMAKE_C_IMPLICIT_LINK_DIRECTORIES_EXCLUDE=$libs CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES_EXCLUDE=$libs
      cmake -S . -B /build/objects -G Ninja --no-warn-unused-cli -DCMAKE_BUILD_TYPE=Release \\
        -DCMAKE_INSTALL_PREFIX="$out" -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_INSTALL_RPATH="$out/lib\${libs:+;$libs}" \\
        -DCMAKE_BUILD_RPATH="$libs" -DCMAKE_INSTALL_RPATH_USE_LINK_PATH=ON \\
        -DCMAKE_EXPORT_NO_PACKAGE_REGISTRY=ON -DFETCHCONTENT_FULLY_DISCONNECTED=ON${import("./common.fp").words(flags)}
    """
    build = "cmake --build /build/objects -j $CORES"
    check = if c != null then null else "ctest --test-dir /build/objects --output-on-failure -j $CORES"
    install = "cmake --install /build/objects"
  })
