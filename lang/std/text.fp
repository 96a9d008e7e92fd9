# Files whose content is written in the language.

text(name: string, content: string, executable: bool = false) = derivation {
  kind = "text"
  name
  text = content
  executable
}
