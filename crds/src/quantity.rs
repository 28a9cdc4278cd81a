//! Kubernetes quantities: `250m`, `512Mi`, `1`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A quantity as the user wrote it; a plain number becomes its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

/// The text is not a quantity that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantityError {
    /// What was written.
    pub text: String,
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a quantity: write it like 250m, 2, 512Mi or 1Gi",
            self.text
        )
    }
}

impl std::error::Error for QuantityError {}

/// What the schema lets through: quantities have no sign here.
pub const PATTERN: &str = "^[0-9]{1,15}([.][0-9]{1,9})?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][0-9]{1,2})?$";

/// CEL over a quantity: more than zero.
pub(crate) const POSITIVE: &str = "quantity(string(self)).isGreaterThan(quantity('0'))";

/// Parses a quantity to thousandths, rounded up as Kubernetes does: cores to millicores, bytes to 1/1000 byte.
pub fn parse_milli(text: &str) -> Result<i128, QuantityError> {
    milli(text).ok_or_else(|| QuantityError { text: text.to_owned() })
}

/// Parses a quantity to whole bytes, rounded up.
pub fn parse_bytes(text: &str) -> Result<u64, QuantityError> {
    let error = || QuantityError { text: text.to_owned() };
    let bytes = parse_milli(text)?.checked_add(999).ok_or_else(error)? / 1000;
    u64::try_from(bytes).map_err(|_| error())
}

fn milli(text: &str) -> Option<i128> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 || whole.len() > 15 {
        return None;
    }
    let base = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let scaled = whole
        .parse::<i128>()
        .ok()?
        .checked_mul(base)?
        .checked_add(fraction.parse().ok()?)?;
    let milli = scaled.checked_mul(suffix_milli(suffix)?)?;
    Some(milli.checked_add(base - 1)? / base)
}

/// How many thousandths one unit with this suffix is.
fn suffix_milli(suffix: &str) -> Option<i128> {
    let power = |base: i128, exponent: u32| base.checked_pow(exponent).and_then(|units| units.checked_mul(1000));
    match suffix {
        "" => Some(1000),
        "m" => Some(1),
        "k" => power(1000, 1),
        "M" => power(1000, 2),
        "G" => power(1000, 3),
        "T" => power(1000, 4),
        "P" => power(1000, 5),
        "E" => power(1000, 6),
        "Ki" => power(1024, 1),
        "Mi" => power(1024, 2),
        "Gi" => power(1024, 3),
        "Ti" => power(1024, 4),
        "Pi" => power(1024, 5),
        "Ei" => power(1024, 6),
        _ => power(
            10,
            suffix
                .strip_prefix(['e', 'E'])?
                .parse()
                .ok()
                .filter(|exponent| *exponent <= 18)?,
        ),
    }
}

impl Quantity {
    /// Whole bytes, rounded up.
    pub fn bytes(&self) -> Result<u64, QuantityError> {
        parse_bytes(&self.0)
    }

    /// Thousandths, rounded up: millicores of a CPU quantity.
    pub fn milli(&self) -> Result<i128, QuantityError> {
        parse_milli(&self.0)
    }
}

impl From<&str> for Quantity {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 250m, 2 or 512Mi")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity(text.to_owned()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-kubernetes-int-or-string": true, "maxLength": 32, "pattern": PATTERN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_scale_and_fractions_round_up() {
        for (text, bytes) in [
            ("256Mi", 268_435_456),
            ("1Gi", 1_073_741_824),
            ("1.5k", 1500),
            ("2e3", 2000),
            ("1m", 1),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        assert_eq!(parse_milli("250m"), Ok(250));
        assert_eq!(parse_milli("1"), Ok(1000));
        assert_eq!(parse_milli("0.0001"), Ok(1));
    }

    #[test]
    fn what_is_no_quantity_is_refused_by_name() {
        for text in ["", "Mi", "1MB", "-1", "1.", "1e", "1e99", "999999999999999Ei"] {
            let error = parse_bytes(text).unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn a_plain_number_is_a_quantity() {
        assert_eq!(serde_json::from_str::<Quantity>("2").unwrap(), Quantity::from("2"));
    }
}
