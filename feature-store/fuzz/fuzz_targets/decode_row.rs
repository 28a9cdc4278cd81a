#![no_main]
//! `cargo +nightly fuzz run decode_row`: no bytes make the decoder panic.

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use triplane_contract::{ValueType, View};
use triplane_feature_store::row::exercise::{read_everything, view_of};

static VIEW: LazyLock<View> = LazyLock::new(|| view_of(&ValueType::ALL));

fuzz_target!(|bytes: &[u8]| {
    read_everything(&VIEW, bytes);
});
