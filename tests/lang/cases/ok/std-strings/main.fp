strings = import("fpack/strings")
result = [strings.lines("a\nb\n"), strings.words(" a  b "), strings.pad-left("7", 3, "0"), strings.shell-command(["echo", "it's", "$HOME"]), strings.indent("a\n\nb")]
