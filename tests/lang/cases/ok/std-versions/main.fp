versions = import("fpack/versions")
result = [versions.sorted(["1.10.0", "1.9.0", "1.10.0-rc.1"]), versions.newest-debian(["1.0~rc1-1", "1.0-1", "1:0.1"]), versions.satisfies("18.2.0", "^18 || ^20"), versions.compare("1.0.0", "1.0.0-a"), versions.parse("v1.2")]
