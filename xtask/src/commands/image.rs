//! `cargo xtask image`: images without a registry.

use std::path::Path;

use anyhow::Result;
use kymaros_testbed::{
    addons, cluster,
    images::{archive, busybox, shop},
};

/// Writes the operator's image and those of the tests, and loads the operator's into the test cluster when that is up.
pub async fn run() -> Result<()> {
    let (name, operator) = crate::operator::image(crate::operator::Build::Release).await?;
    println!("{name}  {}", operator.display());
    if let Ok(cluster) = cluster::find() {
        cluster.load_image(&operator).await?;
        println!("loaded into the test cluster");
    }
    let folder = operator.parent().unwrap_or(Path::new("."));
    let program = Path::new("/bin/busybox");
    if program.is_file() {
        let small = archive::write(
            &busybox::image(addons::images::BUSYBOX, program)?,
            &folder.join("busybox.tar"),
        )?;
        let shop = shop::image(program, folder, &|text| eprintln!("{text}"))?;
        for image in [small, shop] {
            println!("{}  {}", image.name, image.path.display());
        }
    } else {
        println!("the images of the tests need the package busybox-static");
    }
    println!("for a registry: skopeo copy docker-archive:FILE docker://REGISTRY/NAME:TAG");
    Ok(())
}
