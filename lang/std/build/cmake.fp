# Packages with a CMakeLists.txt.

# flags: words for `cmake`, such as "-DBUILD_SHARED_LIBS=ON". All else is as in `package`.
# The paths of built libraries go into programs by CMake itself, which would take those of LDFLAGS out again.
cmake({ flags: list = [], ...given }) =
  import("./common.fp").with-defaults(given, ["cmake", "g++", "gcc", "libc6-dev", "ninja-build", "pkgconf"], {
    configure = """
      unset LDFLAGS
      cmake -S . -B /build/objects -G Ninja --no-warn-unused-cli -DCMAKE_BUILD_TYPE=Release \\
        -DCMAKE_INSTALL_PREFIX="$out" -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_INSTALL_RPATH="$out/lib" -DCMAKE_INSTALL_RPATH_USE_LINK_PATH=ON \\
        -DCMAKE_EXPORT_NO_PACKAGE_REGISTRY=ON -DFETCHCONTENT_FULLY_DISCONNECTED=ON${import("./common.fp").words(flags)}
    """
    build = "cmake --build /build/objects -j $CORES"
    check = "ctest --test-dir /build/objects --output-on-failure -j $CORES"
    install = "cmake --install /build/objects"
  })
