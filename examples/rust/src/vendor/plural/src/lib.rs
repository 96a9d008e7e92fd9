//! Numbers of things, in English.

/// `counted(2, "time")` is "2 times".
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
