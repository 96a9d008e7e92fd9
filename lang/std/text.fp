# Files whose content is written in the language.

text(name: string, content: string, executable: bool = false) = file { name, content, executable }

# The file, which `.with { content = TEXT }` changes.
file({ name, content, executable }) = derivation {
  kind = "text"
  text = content
  name, executable
}
