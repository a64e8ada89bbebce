//! `cargo xtask verdicts`: the tester is tested. Backups with a known fault, and healthy but tricky ones, are restored
//! on the real cluster; what the operator says of them is held against what is known.

mod case;
mod play;
mod storage;
mod table;

use std::{sync::Arc, time::Instant};

use anyhow::{Result, bail};
use futures::{StreamExt, stream};
use kymaros_testbed::{cluster, scene};

use self::{
    case::Case,
    play::{Played, play},
    table::Figures,
};
use crate::{
    operator::{Build, deploy, root},
    terminal::Terminal,
};

/// Which cases.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only those that `cargo xtask test` plays too
    #[arg(long)]
    short: bool,
    /// Only those with this in their name
    filter: Option<String>,
    /// How many are played at the same time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=16))]
    at_once: u16,
    /// Write the table into docs/verdicts.md; of all cases only
    #[arg(long, conflicts_with_all = ["short", "filter"])]
    publish: bool,
}

/// Plays cases and prints a table and two figures.
pub async fn run(args: Args) -> Result<()> {
    let terminal = Terminal::new();
    let cluster = cluster::up(None, &terminal).await?;
    let client = cluster.client().await?;
    deploy(&cluster, &client, Build::Checked, &terminal).await?;
    scene::remove_abandoned(&cluster, &client).await?;
    let wanted = |case: &Case| {
        let named = args.filter.as_deref().is_none_or(|word| case.name.contains(word));
        named && (case.short || !args.short)
    };
    let cases: Vec<Case> = case::all(&root())?.into_iter().filter(wanted).collect();
    let played = all(cases, usize::from(args.at_once)).await;
    let text = table::markdown(&played);
    println!("{text}");
    if args.publish {
        std::fs::write(root().join("docs/verdicts.md"), table::page(&played))?;
    }
    Figures::of(&played).check()
}

/// The short form, as a part of all tests: the operator is deployed already.
///
/// # Errors
/// When a verdict is wrong.
pub async fn short() -> Result<()> {
    let cases = case::all(&root())?
        .into_iter()
        .filter(|case| case.short)
        .collect();
    let played = all(cases, 4).await;
    println!("{}", table::markdown(&played));
    if played.is_empty() {
        bail!("there are no short cases");
    }
    Figures::of(&played).check()
}

async fn all(cases: Vec<Case>, at_once: usize) -> Vec<Played> {
    let begun = Instant::now();
    let count = cases.len();
    let mut played: Vec<(usize, Played)> = stream::iter(cases.into_iter().map(Arc::new).enumerate())
        .map(|(at, case)| async move { (at, play(&case).await) })
        .buffer_unordered(at_once)
        .inspect(|(at, played)| {
            let seconds = begun.elapsed().as_secs();
            println!("{seconds:>5} s  {:>2}/{count}  {}", at + 1, played.line());
        })
        .collect()
        .await;
    played.sort_by_key(|(at, _)| *at);
    played.into_iter().map(|(_, played)| played).collect()
}
