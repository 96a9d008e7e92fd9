result = "C:\dir"
