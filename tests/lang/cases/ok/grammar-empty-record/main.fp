result = [{}, { }, { # nothing but a comment
}]
