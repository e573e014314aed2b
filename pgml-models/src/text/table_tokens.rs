//! A question and its table as one sequence of tokens, as TAPAS reads them.

use std::path::Path;

use pgml_core::text::{TableQuestion, TableToken, Tokens};
use pgml_core::{Error, ErrorKind, Result, bail};

use super::numeric::{self, Comparison, Numeric};
use super::reader::Reader;

/// The tokenizer, and how much it reads.
pub(super) struct TableReader {
    reader: Reader,
    cls: u32,
    sep: u32,
    /// Stands for a cell in which nothing is.
    empty: u32,
    /// Most tokens, columns and rows.
    limits: [usize; 3],
}

/// A table's tokens, and the numbers in it.
pub(super) struct Table {
    /// The header and the rows.
    rows: Vec<Vec<Cell>>,
    /// Of each column, the number or date of each row, and the places of those among the others.
    columns: Vec<Vec<Option<Numeric>>>,
    ranks: Vec<Vec<(u32, u32)>>,
}

/// The tokens of a cell, each with the place of its word's first token.
type Cell = Vec<(u32, usize)>;

impl TableReader {
    pub(super) fn load(folder: &Path, limits: [usize; 3]) -> Result<Self> {
        let reader = Reader::load(folder)?;
        let special = |name: &str, usual: &str| {
            reader.special(name, &[usual]).ok_or_else(|| {
                Error::new(ErrorKind::NotSupported, format!("the model's tokenizer has no token {usual}"))
            })
        };
        let [cls, sep] = [special("cls_token", "[CLS]")?, special("sep_token", "[SEP]")?];
        Ok(Self { cls, sep, empty: special("empty_token", "[EMPTY]")?, reader, limits })
    }

    pub(super) fn table(&self, asked: &TableQuestion) -> Result<Table> {
        if asked.header.len() >= self.limits[1] {
            bail!(
                InvalidData,
                "the table has {} columns; the model reads {} at most",
                asked.header.len(),
                self.limits[1] - 1
            );
        }
        let row = |cells: &Vec<String>| cells.iter().map(|cell| self.cell(cell)).collect::<Result<Vec<Cell>>>();
        let rows = std::iter::once(&asked.header).chain(&asked.rows).map(row).collect::<Result<_>>()?;
        let values = |column: usize| numeric::column_values(asked.rows.iter().map(move |row| row[column].as_str()));
        let columns: Vec<Vec<Option<Numeric>>> = (0..asked.header.len()).map(values).collect();
        Ok(Table { rows, ranks: columns.iter().map(|column| ranks(column)).collect(), columns })
    }

    fn cell(&self, text: &str) -> Result<Cell> {
        // As in transformers, where a text without characters has no tokens.
        if is_empty(text) {
            return Ok(if text.is_empty() { Vec::new() } else { vec![(self.empty, 0)] });
        }
        let encoding = self.reader.plain(text)?;
        let mut begin = 0;
        let cell = |(i, (id, token)): (usize, (&u32, &String))| {
            if !token.starts_with("##") {
                begin = i;
            }
            (*id, begin)
        };
        Ok(encoding.get_ids().iter().zip(encoding.get_tokens()).enumerate().map(cell).collect())
    }

    pub(super) fn question(&self, query: &str, table: &Table) -> Result<Tokens> {
        let mut ids = vec![self.cls];
        ids.extend(self.cell(query)?.iter().map(|(id, _)| *id));
        ids.push(self.sep);
        let (n_rows, n_tokens) = table.fitting(self.limits[0].saturating_sub(ids.len()), self.limits[2]);
        let mut cells = vec![TableToken::default(); ids.len()];
        let relations = table.relations(query);
        for (row, column, cell) in table.cells(n_rows) {
            let mut what = TableToken { row: row as u32, column: column as u32 + 1, ..TableToken::default() };
            if row > 0 {
                (what.rank, what.rank_from_end) = table.ranks[column][row - 1];
                what.relation = relations[column][row - 1];
            }
            let kept = cell.iter().filter(|(_, begin)| *begin < n_tokens);
            let before = ids.len();
            ids.extend(kept.map(|(id, _)| *id));
            cells.resize(cells.len() + ids.len() - before, what);
        }
        if ids.len() > self.limits[0] {
            let message = format!(
                "the question and the table's header have {} tokens, but the model reads {} at most",
                ids.len(),
                self.limits[0]
            );
            return Err(
                Error::new(ErrorKind::InvalidData, message).with_hint("ask in fewer words, or of fewer columns")
            );
        }
        let type_ids = cells.iter().map(|cell| u32::from(cell.column > 0)).collect();
        Ok(Tokens { ids, type_ids, cells, ..Tokens::default() })
    }
}

impl Table {
    /// The header's and the first `n_rows` rows' cells, with row and column.
    fn cells(&self, n_rows: usize) -> impl Iterator<Item = (usize, usize, &Cell)> {
        let rows = self.rows.iter().take(n_rows + 1).enumerate();
        rows.flat_map(|(row, cells)| cells.iter().enumerate().map(move |(column, cell)| (row, column, cell)))
    }

    /// How many rows fit into `budget` tokens, and how many tokens of each cell: as many rows as can be with one.
    fn fitting(&self, budget: usize, max_rows: usize) -> (usize, usize) {
        let longest = self.rows.iter().flatten().map(Vec::len).max().unwrap_or(0);
        // For each row, how many of its tokens stay when words may begin among the first so many.
        let of_row = |row: &Vec<Cell>| {
            let stay = |n: usize| row.iter().flatten().filter(|(_, begin)| *begin < n).count();
            (0..=longest + 1).map(stay).collect::<Vec<usize>>()
        };
        let stays: Vec<Vec<usize>> = self.rows.iter().map(of_row).collect();
        let mut n_rows = self.rows.len() - 1;
        if n_rows >= max_rows {
            n_rows = max_rows - 1;
        }
        while n_rows > 0 {
            let cost = |n: usize| stays.iter().take(n_rows + 1).map(|stays| stays[n]).sum::<usize>();
            let n_tokens = (0..longest).find(|n| cost(n + 1) > budget).unwrap_or(longest);
            if n_tokens > 0 {
                return (n_rows, n_tokens);
            }
            n_rows -= 1;
        }
        (0, 1)
    }

    /// How the numbers of a question compare with each cell's.
    fn relations(&self, query: &str) -> Vec<Vec<u32>> {
        let mut relations: Vec<Vec<u32>> = self.columns.iter().map(|column| vec![0; column.len()]).collect();
        for asked in numeric::values(&numeric::normal(query)) {
            for (column, relations) in self.columns.iter().zip(&mut relations) {
                let known = column.iter().flatten().copied();
                let Some(comparison) = Comparison::of(known.chain([asked])) else { continue };
                for (cell, relation) in column.iter().zip(relations) {
                    *relation |= match cell.map(|cell| comparison.compare(asked, cell)) {
                        None => 0,
                        Some(std::cmp::Ordering::Equal) => 1,
                        Some(std::cmp::Ordering::Less) => 2,
                        Some(std::cmp::Ordering::Greater) => 4,
                    };
                }
            }
        }
        relations
    }
}

/// For each cell the rank of its number from below and from above; zeros without one.
fn ranks(column: &[Option<Numeric>]) -> Vec<(u32, u32)> {
    let mut known: Vec<Numeric> = column.iter().flatten().copied().collect();
    let Some(comparison) = Comparison::of(known.iter().copied()).filter(|_| !known.is_empty()) else {
        return vec![(0, 0); column.len()];
    };
    known.sort_by(|a, b| comparison.compare(*a, *b));
    known.dedup_by(|a, b| comparison.compare(*a, *b).is_eq());
    let rank = |cell: &Option<Numeric>| {
        let place = cell.and_then(|cell| known.iter().position(|other| comparison.compare(cell, *other).is_eq()));
        place.map_or((0, 0), |place| (place as u32 + 1, (known.len() - place) as u32))
    };
    column.iter().map(rank).collect()
}

/// Whether a cell says nothing.
fn is_empty(text: &str) -> bool {
    let text = text.trim().to_lowercase();
    ["n/a", "?", "nan"].contains(&text.as_str()) || !text.chars().any(char::is_alphanumeric)
}
