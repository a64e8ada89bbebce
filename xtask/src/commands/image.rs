//! `cargo xtask image`: the operator's image, without a registry.

use anyhow::Result;

/// Builds the image, and loads it into the test cluster when that is up.
pub async fn run() -> Result<()> {
    let (name, archive) = crate::operator::image()?;
    println!("{name}  {}", archive.display());
    if let Ok(cluster) = kymaros_testbed::cluster::find() {
        cluster.load_image(&archive).await?;
        println!("loaded into the test cluster");
    }
    Ok(())
}
