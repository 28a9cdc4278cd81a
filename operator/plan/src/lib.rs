//! Pure decisions: observed state in, desired state, status and next step out
