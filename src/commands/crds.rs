//! `kymaros crds`.

use std::io::Write;

/// Prints all definitions, ready for `kubectl apply --server-side -f -`.
pub(super) fn run() -> anyhow::Result<()> {
    std::io::stdout().write_all(kymaros_crds::generate::yaml().as_bytes())?;
    Ok(())
}
