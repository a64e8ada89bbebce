//! `kymaros crds`.

use super::say;

/// Prints all definitions, ready for `kubectl apply --server-side -f -`.
pub(super) fn run() -> anyhow::Result<()> {
    say::verbatim(kymaros_crds::generate::yaml())?;
    Ok(())
}
