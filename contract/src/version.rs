//! Versions of contract files.

/// The version this build writes unless a reader announced an older one.
pub const CURRENT: u32 = 1;

/// How many versions before `CURRENT` are still read.
pub const SUPPORTED_BACK: u32 = 2;

/// Says whether a file of version `found` can be read by this build; the error names the file and the next step.
pub fn check(file: &str, found: u32) -> Result<(), String> {
    let oldest = CURRENT.saturating_sub(SUPPORTED_BACK).max(1);
    if (oldest..=CURRENT).contains(&found) {
        return Ok(());
    }
    Err(format!(
        "{file} has contract version {found}, this build reads {oldest} to {CURRENT}: upgrade the older side"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_version_is_read_and_a_later_one_is_refused_by_name() {
        assert_eq!(check("routes.json", CURRENT), Ok(()));
        let message = check("routes.json", CURRENT + 1).unwrap_err();
        assert!(
            message.contains("routes.json") && message.contains("version 2"),
            "{message}"
        );
        assert!(check("routes.json", 0).is_err());
    }
}
