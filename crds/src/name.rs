//! What names may look like, and how long they may be so that derived names still fit.

use kube::core::{Message, Rule};
use schemars::{Schema, SchemaGenerator, json_schema};

/// Longest name of an object: children append up to 22 characters and must stay below 63.
pub const OBJECT_NAME_MAX: usize = 40;

/// Longest name of a referenced object of another API, such as a Secret.
pub const FOREIGN_NAME_MAX: u32 = 253;

/// Objects, references to them, and aliases of views: a DNS label that starts with a letter.
pub const OBJECT_NAME: &str = "^[a-z]([-a-z0-9]*[a-z0-9])?$";

/// Objects of other APIs: a DNS subdomain.
pub const FOREIGN_NAME: &str = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";

/// Keys, features, sources and outputs: an SQL identifier that needs no quotes.
pub const IDENTIFIER: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

/// Longest key, feature, source, output or column name.
pub const IDENTIFIER_MAX: usize = 128;

/// Columns that Triplane writes into every offline table: those of `triplane_contract::view`, which this crate does not know.
pub const RESERVED_COLUMNS: [&str; 5] = ["event_time", "created_time", "sequence", "is_deleted", "event_date"];

/// A cron schedule: five fields.
const CRON: &str = r"^\S+( +\S+){4}$";

/// Schema of a map from keys of a view to columns.
pub(crate) fn key_map(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 8,
        "additionalProperties": { "type": "string", "minLength": 1, "maxLength": IDENTIFIER_MAX },
    })
}

/// Rule of a whole object: its name has the budget that derived names need.
pub(crate) fn object_name_rule() -> Rule {
    let rule = format!("size(self.metadata.name) <= {OBJECT_NAME_MAX} && self.metadata.name.matches('{OBJECT_NAME}')");
    Rule::new(rule).message(Message::Message(format!(
        "metadata.name must have at most {OBJECT_NAME_MAX} characters, start with a letter and contain only a-z, 0-9 and -"
    )))
}

/// Rule of an item with a `name`: the name is not that of a column that Triplane writes. `field` is the name's path.
pub(crate) fn not_reserved_rule(field: &str) -> Rule {
    let [first, second, third, fourth, fifth] = RESERVED_COLUMNS;
    Rule::new(format!("!(self.name in ['{}'])", RESERVED_COLUMNS.join("', '"))).message(Message::Message(format!(
        "{field} must not be {first}, {second}, {third}, {fourth} or {fifth}: Triplane writes these columns"
    )))
}

/// Rule of a cron schedule. `message` names the field.
pub(crate) fn cron_rule(message: &str) -> Rule {
    Rule::new(format!("self.matches(r'{CRON}')")).message(message)
}
