//! Tests of the manual share this: its pages, read as Markdown.
//!
//! The first word after the three backquotes of a block is its language; the words after it say more:
//!
//! | block | what becomes of it |
//! |---|---|
//! | `sh` | run on a real cluster, in the order of the page; see [`GUIDES`] |
//! | `sh stays` | goes on while the rest of the page is run |
//! | `sh refused` | run, and must fail |
//! | `sh elsewhere=WORLD` | needs a world that tests do not have: one of [`ELSEWHERE`] |
//! | `console` | an example with what it prints: the command lines are parsed, and what `kymaros lint` says is compared |
//! | `yaml` | manifests; those of ours are linted |
//! | `yaml file=NAME` | the same, and the commands of the page find it in a file of that name |
//! | `yaml refused` | lint must find an error in it |
//! | `yaml part` | a part of a `RestoreTest`, linted as one |
//! | `yaml values` | values of the chart |

#![allow(dead_code, reason = "each file of tests uses its own part")]

use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// The guides whose commands are run, in this order: each finds the cluster as those before it left it.
pub const GUIDES: [&str; 17] = [
    "README.md",
    "docs/installing.md",
    "docs/first-test.md",
    "docs/health-checks.md",
    "docs/safety.md",
    "docs/scoring.md",
    "docs/schedules.md",
    "docs/notifications.md",
    "docs/metrics.md",
    "docs/command-line.md",
    "docs/rest-api.md",
    "docs/licenses.md",
    "docs/compliance.md",
    "docs/several-clusters.md",
    "docs/troubleshooting.md",
    "docs/upgrading.md",
    "docs/uninstalling.md",
];

/// Worlds that tests do not have, and what shows that their blocks are right all the same.
pub const ELSEWHERE: [(&str, &str); 6] = [
    (
        "clone",
        "`cargo xtask test` itself builds the program and the image and starts the cluster",
    ),
    (
        "registry",
        "a test installs the operator from images under the names that these commands push to",
    ),
    (
        "vendor",
        "the same commands are run with a license that the page signs itself",
    ),
    (
        "browser",
        "the pages of the dashboard have tests of their own, in a browser",
    ),
    (
        "two-clusters",
        "`tests/clusters.rs` runs them between two API servers",
    ),
    (
        "other-shell",
        "`kymaros completions` is run for every shell; only the path is the shell's own",
    ),
];

/// A page.
#[derive(Debug)]
pub struct Page {
    /// Its path from the root of the repository.
    pub path: String,
    /// Its code blocks.
    pub blocks: Vec<Block>,
    /// What its links lead to.
    pub links: Vec<Piece>,
    /// What stands in backquotes.
    pub code: Vec<Piece>,
    /// The anchors of its headings.
    pub anchors: Vec<String>,
    /// All of it.
    pub text: String,
}

/// A piece of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub line: usize,
    pub text: String,
}

/// A code block.
#[derive(Clone, Debug)]
pub struct Block {
    /// The line where it begins.
    pub line: usize,
    pub language: String,
    /// The other words of its first line; `name=value` or `name`.
    marks: BTreeMap<String, String>,
    pub text: String,
}

impl Block {
    /// Whether it has a mark.
    pub fn is(&self, mark: &str) -> bool {
        self.marks.contains_key(mark)
    }

    /// What a mark says.
    pub fn mark(&self, name: &str) -> Option<&str> {
        self.marks.get(name).map(String::as_str)
    }

    pub fn marks(&self) -> impl Iterator<Item = &str> {
        self.marks.keys().map(String::as_str)
    }

    /// Its commands, without what they print; lines that end with `\` are one.
    pub fn commands(&self) -> Vec<Piece> {
        let mut commands: Vec<Piece> = Vec::new();
        let mut goes_on = false;
        for (offset, line) in self.text.lines().enumerate() {
            let text = match self.language.as_str() {
                "console" if !goes_on => line.strip_prefix("$ ").unwrap_or_default(),
                _ => line,
            };
            let (text, more) = text.strip_suffix('\\').map_or((text, false), |text| (text, true));
            match commands.last_mut().filter(|_| goes_on) {
                Some(command) => command.text.push_str(text.trim_start()),
                None if text.trim().is_empty() => continue,
                None => commands.push(Piece {
                    line: self.line + 1 + offset,
                    text: text.to_owned(),
                }),
            }
            goes_on = more;
        }
        commands
    }
}

impl Page {
    /// Reads a page of the repository.
    pub fn read(path: &str) -> Result<Self> {
        let text = fs::read_to_string(root().join(path)).with_context(|| format!("reading {path}"))?;
        Ok(Self::of(path, &text))
    }

    /// Takes a text apart.
    pub fn of(path: &str, text: &str) -> Self {
        let mut page = Self {
            path: path.to_owned(),
            blocks: Vec::new(),
            links: Vec::new(),
            code: Vec::new(),
            anchors: Vec::new(),
            text: text.to_owned(),
        };
        let mut heading: Option<String> = None;
        let mut in_block = false;
        for (event, place) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    page.blocks.push(block(&kind, line(text, &place)));
                    in_block = true;
                }
                Event::End(TagEnd::CodeBlock) => in_block = false,
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => page.add_anchor(&heading.take().unwrap_or_default()),
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(piece(text, &place, &dest_url));
                }
                Event::Code(code) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&code);
                    }
                    page.code.push(piece(text, &place, &code));
                }
                Event::Text(words) => {
                    if let Some(block) = page.blocks.last_mut().filter(|_| in_block) {
                        block.text.push_str(&words);
                    } else if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                }
                _ => {}
            }
        }
        page
    }

    /// As GitHub makes them: letters and digits, hyphens for spaces, and a number for one that is there already.
    fn add_anchor(&mut self, heading: &str) {
        let kept = heading.to_lowercase().replace(' ', "-");
        let anchor: String = kept
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
            .collect();
        let same = |known: &&String| **known == anchor || is_numbered(known, &anchor);
        let before = self.anchors.iter().filter(same).count();
        self.anchors.push(match before {
            0 => anchor,
            n => format!("{anchor}-{n}"),
        });
    }

    /// Where something stands, for people.
    pub fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path)
    }
}

fn is_numbered(known: &str, anchor: &str) -> bool {
    let rest = known.strip_prefix(anchor).and_then(|rest| rest.strip_prefix('-'));
    rest.is_some_and(|number| number.parse::<usize>().is_ok())
}

fn block(kind: &CodeBlockKind<'_>, line: usize) -> Block {
    let info = match kind {
        CodeBlockKind::Fenced(info) => info.as_ref(),
        CodeBlockKind::Indented => "",
    };
    let mut words = info.split_whitespace();
    let language = words.next().unwrap_or_default().to_owned();
    let marks = words.map(|word| {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        (name.to_owned(), value.to_owned())
    });
    Block {
        line,
        language,
        marks: marks.collect(),
        text: String::new(),
    }
}

fn piece(text: &str, place: &Range<usize>, what: &str) -> Piece {
    Piece {
        line: line(text, place),
        text: what.to_owned(),
    }
}

fn line(text: &str, place: &Range<usize>) -> usize {
    text[..place.start].matches('\n').count() + 1
}

/// The root of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The manual: what stands in `docs/`, and the pages beside it.
pub fn pages() -> Result<Vec<Page>> {
    let mut paths = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
        .map(str::to_owned)
        .to_vec();
    below(&root().join("docs"), &mut paths)?;
    paths.sort();
    paths.iter().map(|path| Page::read(path)).collect()
}

fn below(folder: &Path, paths: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            below(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let path = path.strip_prefix(root())?;
            paths.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}
