//! The state of a table, which is the query string of its page: what is searched for, how it is sorted, which page.

use super::query::{Pairs, write};

/// Rows of a page.
pub const ROWS: usize = 50;
/// The last page that can be asked for.
const LAST: u32 = 100_000;

/// What a table can be sorted by.
pub trait Column: Copy + Eq + 'static {
    /// All of them, in the order of the table.
    const ALL: &'static [Self];

    /// Its name in addresses.
    fn key(self) -> &'static str;

    /// Whether its first click sorts from the greatest on.
    fn starts_descending(self) -> bool;
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The least first.
    Ascending,
    /// The greatest first.
    Descending,
}

impl Direction {
    fn turned(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }

    /// A column sorted this way, as addresses have it.
    #[must_use]
    pub fn of(self, column: impl Column) -> String {
        match self {
            Self::Ascending => column.key().to_owned(),
            Self::Descending => format!("-{}", column.key()),
        }
    }

    /// As `aria-sort` has it.
    #[must_use]
    pub fn aria(self) -> &'static str {
        match self {
            Self::Ascending => "ascending",
            Self::Descending => "descending",
        }
    }
}

/// The state of a table with filters of its own, each a key with one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableState<C> {
    /// Address of the page, without a query.
    pub path: String,
    /// What is searched for.
    pub search: Option<String>,
    /// Filters that are set.
    pub filters: Vec<(&'static str, String)>,
    /// What it is sorted by; none: the order in which it needs attention.
    pub sort: Option<(C, Direction)>,
    /// The page, from 1.
    pub page: u32,
}

impl<C: Column> TableState<C> {
    /// Reads the query string of a page whose filters have these keys.
    #[must_use]
    pub fn parse(path: String, query: &Pairs, filters: &[&'static str]) -> Self {
        let sort = query.get("sort").and_then(|text| {
            let (key, direction) = match text.strip_prefix('-') {
                Some(key) => (key, Direction::Descending),
                None => (text, Direction::Ascending),
            };
            let column = C::ALL.iter().find(|column| column.key() == key)?;
            Some((*column, direction))
        });
        Self {
            path,
            search: query.text("q"),
            filters: filters
                .iter()
                .filter_map(|key| Some((*key, query.text(key)?)))
                .collect(),
            sort,
            page: query.number("page", 1..=LAST).unwrap_or(1),
        }
    }

    /// The value of a filter; empty when it is not set.
    #[must_use]
    pub fn filter(&self, key: &str) -> &str {
        let found = self.filters.iter().find(|(known, _)| *known == key);
        found.map_or("", |(_, value)| value)
    }

    /// What is searched for, for its field.
    #[must_use]
    pub fn searched(&self) -> &str {
        self.search.as_deref().unwrap_or_default()
    }

    /// Whether anything is left out of the table.
    #[must_use]
    pub fn is_narrowed(&self) -> bool {
        self.search.is_some() || !self.filters.is_empty()
    }

    /// Whether a text has what is searched for, in any case.
    #[must_use]
    pub fn finds(&self, text: &str) -> bool {
        let Some(search) = &self.search else { return true };
        text.to_lowercase().contains(&search.to_lowercase())
    }

    /// The value of `sort`; empty when there is none.
    #[must_use]
    pub fn sort_value(&self) -> String {
        self.sort
            .map(|(column, direction)| direction.of(column))
            .unwrap_or_default()
    }

    /// Whether a search or one of these filters leaves anything out.
    #[must_use]
    pub fn is_narrowed_by(&self, filters: &[&str]) -> bool {
        self.search.is_some() || filters.iter().any(|key| !self.filter(key).is_empty())
    }

    /// The address with a filter set, or without it where the value is empty; from the first page on.
    #[must_use]
    pub fn filtered(&self, key: &'static str, value: &str) -> String {
        let mut there = self.clone();
        there.page = 1;
        there.filters.retain(|(known, _)| *known != key);
        if !value.is_empty() {
            there.filters.push((key, value.to_owned()));
        }
        there.address()
    }

    /// The address that sorts by a column, the other way round when it already does.
    #[must_use]
    pub fn sorted_by(&self, column: C) -> String {
        let direction = match self.sort {
            Some((by, direction)) if by == column => direction.turned(),
            _ if column.starts_descending() => Direction::Descending,
            _ => Direction::Ascending,
        };
        let turned = Self {
            sort: Some((column, direction)),
            page: 1,
            ..self.clone()
        };
        turned.address()
    }

    /// How a column is sorted, as `aria-sort` has it.
    #[must_use]
    pub fn aria_sort(&self, column: C) -> &'static str {
        match self.sort {
            Some((by, direction)) if by == column => direction.aria(),
            _ => "none",
        }
    }

    /// The address of this state.
    #[must_use]
    pub fn address(&self) -> String {
        let (sort, page) = (self.sort_value(), self.page.to_string());
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        if let Some(search) = &self.search {
            pairs.push(("q", search));
        }
        pairs.extend(self.filters.iter().map(|(key, value)| (*key, value.as_str())));
        if !sort.is_empty() {
            pairs.push(("sort", &sort));
        }
        if self.page > 1 {
            pairs.push(("page", &page));
        }
        format!("{}{}", self.path, write(&pairs))
    }

    /// Cuts rows to the page that is asked for, or to the last one there is.
    #[must_use]
    pub fn page_of<T>(&self, rows: Vec<T>) -> (Vec<T>, Pager) {
        let all = rows.len();
        let pages = all.div_ceil(ROWS).max(1);
        let page = usize::try_from(self.page).unwrap_or(pages).clamp(1, pages);
        let first = (page - 1) * ROWS;
        let shown: Vec<T> = rows.into_iter().skip(first).take(ROWS).collect();
        let go = |to: usize| {
            let there = Self {
                page: u32::try_from(to).unwrap_or(1),
                ..self.clone()
            };
            there.address()
        };
        let place = Pager {
            first: if all == 0 { 0 } else { first + 1 },
            last: first + shown.len(),
            all,
            page,
            pages,
            previous: (page > 1).then(|| go(page - 1)),
            next: (page < pages).then(|| go(page + 1)),
        };
        (shown, place)
    }
}

/// Where in a table one is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pager {
    /// The first row that is shown, from 1.
    pub first: usize,
    /// The last.
    pub last: usize,
    /// All rows.
    pub all: usize,
    /// The page, from 1.
    pub page: usize,
    /// All pages.
    pub pages: usize,
    /// The address of the page before.
    pub previous: Option<String>,
    /// The address of the page after.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum By {
        Name,
        Score,
    }

    impl Column for By {
        const ALL: &'static [Self] = &[Self::Name, Self::Score];

        fn key(self) -> &'static str {
            match self {
                Self::Name => "name",
                Self::Score => "score",
            }
        }

        fn starts_descending(self) -> bool {
            self == Self::Score
        }
    }

    fn state(query: &str) -> TableState<By> {
        TableState::parse("/tests".into(), &Pairs::parse(query.as_bytes()), &["result"])
    }

    #[test]
    fn the_address_is_the_state() {
        for query in [
            "",
            "?q=shop",
            "?q=a%26b&result=fail&sort=-score&page=3",
            "?result=pass&sort=name",
        ] {
            let read = state(query.trim_start_matches('?'));
            assert_eq!(read.address(), format!("/tests{query}"));
        }
    }

    #[test]
    fn what_is_not_known_is_the_default() {
        for query in ["sort=colour", "sort=-", "page=0", "page=-1", "page=x", "other=1"] {
            assert_eq!(state(query), state(""), "{query}");
        }
    }

    #[test]
    fn a_second_click_turns_the_order() {
        assert_eq!(state("page=4").sorted_by(By::Score), "/tests?sort=-score");
        assert_eq!(state("sort=-score").sorted_by(By::Score), "/tests?sort=score");
        assert_eq!(
            state("sort=-score&q=a").sorted_by(By::Name),
            "/tests?q=a&sort=name"
        );
        assert_eq!(state("sort=-score").aria_sort(By::Score), "descending");
        assert_eq!(state("sort=-score").aria_sort(By::Name), "none");
    }

    #[test]
    fn filters_narrow_the_table() {
        let state = state("result=fail&sort=name");
        assert_eq!((state.filter("result"), state.filter("other")), ("fail", ""));
        assert!(state.is_narrowed());
        assert!(!self::state("sort=name").is_narrowed());
    }

    #[test]
    fn a_page_beyond_the_last_is_the_last() {
        let rows: Vec<usize> = (0..120).collect();
        let (shown, pager) = state("page=2").page_of(rows.clone());
        assert_eq!((shown[0], shown.len(), pager.pages), (50, 50, 3));
        assert_eq!(pager.previous.as_deref(), Some("/tests"));
        assert_eq!(pager.next.as_deref(), Some("/tests?page=3"));
        let (shown, pager) = state("page=99").page_of(rows);
        assert_eq!(
            (shown.len(), pager.first, pager.last, pager.page),
            (20, 101, 120, 3)
        );
        let (_, none) = state("").page_of(Vec::<u8>::new());
        assert_eq!((none.first, none.last, none.all, none.pages), (0, 0, 0, 1));
    }

    #[test]
    fn a_search_does_not_look_at_the_case() {
        assert!(state("q=SHOP").finds("my-shop") && !state("q=x").finds("my-shop"));
    }
}
