//! Writing JSON without building a tree first.

/// Appends JSON to bytes. Commas are put where they belong; the caller opens and closes.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
    comma: bool,
}

impl Writer {
    /// A writer with room for `capacity` bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            out: Vec::with_capacity(capacity),
            comma: false,
        }
    }

    /// What was written.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    /// Opens an object or array: `{` or `[`.
    pub(crate) fn open(&mut self, bracket: u8) -> &mut Self {
        self.separate();
        self.out.push(bracket);
        self.comma = false;
        self
    }

    /// Closes an object or array: `}` or `]`.
    pub(crate) fn close(&mut self, bracket: u8) -> &mut Self {
        self.out.push(bracket);
        self.comma = true;
        self
    }

    /// A key; its value follows.
    pub(crate) fn key(&mut self, name: &str) -> &mut Self {
        self.string(name);
        self.out.push(b':');
        self.comma = false;
        self
    }

    /// Text.
    pub(crate) fn string(&mut self, text: &str) -> &mut Self {
        self.separate();
        // Writing to a Vec cannot fail, and a str has no key that is not text.
        let _ = serde_json::to_writer(&mut self.out, text);
        self
    }

    /// A double in the fewest digits that read back as the same double; NaN is `null`, infinities are `"inf"`, `"-inf"`.
    pub(crate) fn double(&mut self, value: f64) -> &mut Self {
        if value.is_infinite() {
            return self.string(if value > 0.0 { "inf" } else { "-inf" });
        }
        self.separate();
        if value.is_nan() {
            self.out.extend_from_slice(b"null");
        } else {
            self.out
                .extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
        }
        self
    }

    /// A whole number.
    pub(crate) fn integer(&mut self, value: i64) -> &mut Self {
        self.separate();
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self
    }

    /// true or false
    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        self.separate();
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut writer = Writer::default();
        writer
            .open(b'{')
            .key("a\"b")
            .open(b'[')
            .double(0.1)
            .double(f64::NAN)
            .double(-0.0)
            .integer(i64::MIN)
            .close(b']');
        writer
            .key("ok")
            .bool(true)
            .key("none")
            .open(b'[')
            .close(b']')
            .key("far")
            .double(f64::INFINITY)
            .close(b'}');
        let text = String::from_utf8(writer.finish()).unwrap();
        assert_eq!(
            text,
            r#"{"a\"b":[0.1,null,-0.0,-9223372036854775808],"ok":true,"none":[],"far":"inf"}"#
        );
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }

    proptest::proptest! {
        #[test]
        fn a_double_keeps_its_bits(bits: u64) {
            let value = f64::from_bits(bits);
            proptest::prop_assume!(value.is_finite());
            let mut writer = Writer::default();
            writer.double(value);
            let text = String::from_utf8(writer.finish()).unwrap();
            proptest::prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
        }
    }
}
