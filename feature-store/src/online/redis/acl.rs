//! What the users of a Redis may do: `reader` for servers, `writer` for jobs. Exactly what this crate sends, nothing else.

/// Commands that every connection sends.
const CONNECTION: [&str; 3] = ["+ping", "+cluster|nodes", "+asking"];
/// Commands of a reader.
const READER: [&str; 1] = ["+mget"];
/// Commands of a writer: the scripts, what runs inside of them, and the removal of a view.
const WRITER: [&str; 10] = [
    "+mget",
    "+evalsha",
    "+script|load",
    "+info",
    "+getrange",
    "+get",
    "+set",
    "+del",
    "+scan",
    "+unlink",
];

/// Who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A server: reads rows.
    Reader,
    /// A job: reads, writes and removes rows and marks.
    Writer,
}

/// The rules of `ACL SETUSER` for `role` on keys that begin with `prefix`, without a password: add `>password` or `#sha256`.
pub fn rules(role: Role, prefix: &str) -> Vec<String> {
    let (keys, own) = match role {
        Role::Reader => (format!("%R~{prefix}*"), &READER[..]),
        Role::Writer => (format!("~{prefix}*"), &WRITER[..]),
    };
    let fixed = ["reset", "on", "-@all"].into_iter().map(str::to_owned);
    let commands = CONNECTION.iter().chain(own).map(|rule| (*rule).to_owned());
    fixed.chain([keys]).chain(commands).collect()
}
