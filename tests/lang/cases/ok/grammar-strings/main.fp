name = "x"
result = ["", "plain", "a${name}b", "${name}", "${1 + 1}${true}", "\n\t\\\"\$\u{e9}", "\${name} $HOME $$", "a${"b${name}c"}d", "${{ a = "in braces" }.a}"]
