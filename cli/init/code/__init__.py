"""Complete the guess about a project by the code of its programs: libraries that it loads, where it writes."""
