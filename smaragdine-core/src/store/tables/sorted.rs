//! Rows that somebody left in no order, in order: sorted in memory piece by piece, then merged in files without a name.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::marker::PhantomData;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::store::folder::Folder;

/// Rows that are sorted at once, and those of each piece that are merged at once.
const PIECE: usize = 1 << 20;
const AHEAD: usize = 1 << 11;

/// A row of a fixed size.
pub(super) trait Fixed: Sized {
    const BYTES: usize;
    type Key: Ord + Copy;

    fn key(&self) -> Self::Key;
    fn put(&self, bytes: &mut Vec<u8>);
    fn take(bytes: &[u8]) -> Self;
}

/// Takes bytes from the front.
pub(super) struct Taking<'a>(pub(super) &'a [u8]);

impl Taking<'_> {
    pub(super) fn next<const N: usize>(&mut self) -> [u8; N] {
        // Rows are as long as they were written.
        let Some((first, rest)) = self.0.split_first_chunk::<N>() else { return [0; N] };
        self.0 = rest;
        *first
    }
}

/// Rows in a file of their own, in order.
pub(super) struct Sorted<T> {
    file: File,
    pub(super) rows: usize,
    of: PhantomData<fn() -> T>,
}

/// Rows on their way into it.
pub(super) struct Sorting<'a, T> {
    folder: &'a Folder,
    held: Vec<T>,
    /// Sorted pieces, one after the other.
    spilled: Option<BufWriter<File>>,
    pieces: Vec<Range<usize>>,
    rows: usize,
}

impl<'a, T: Fixed> Sorting<'a, T> {
    /// `folder`: where its files are, which nobody sees.
    pub(super) fn new(folder: &'a Folder) -> Self {
        Self { folder, held: Vec::new(), spilled: None, pieces: Vec::new(), rows: 0 }
    }

    pub(super) fn extend(&mut self, rows: impl IntoIterator<Item = T>) -> io::Result<()> {
        self.held.extend(rows);
        if self.held.len() >= PIECE { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        // Rows that are alike stay as they came.
        self.held.sort_by_key(Fixed::key);
        let file = match &mut self.spilled {
            Some(file) => file,
            none => none.insert(BufWriter::new(self.folder.scratch()?)),
        };
        let mut bytes = Vec::with_capacity(T::BYTES);
        for row in &self.held {
            bytes.clear();
            row.put(&mut bytes);
            file.write_all(&bytes)?;
        }
        self.pieces.push(self.rows..self.rows + self.held.len());
        self.rows += self.held.len();
        self.held.clear();
        Ok(())
    }

    /// Calls `each` with the rows in order as they are written.
    pub(super) fn finish(mut self, mut each: impl FnMut(&T)) -> io::Result<Sorted<T>> {
        self.spill()?;
        let Some(spilled) = self.spilled else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let spilled = spilled.into_inner().map_err(io::IntoInnerError::into_error)?;
        let mut pieces: Vec<Ahead<T>> =
            self.pieces.into_iter().map(|left| Ahead { left, rows: Vec::new().into_iter() }).collect();
        let mut out = BufWriter::new(self.folder.scratch()?);
        let mut next = BinaryHeap::new();
        for (number, piece) in pieces.iter_mut().enumerate() {
            if let Some(row) = piece.next(&spilled)? {
                next.push(Reverse(Next { key: row.key(), piece: number, row }));
            }
        }
        let mut bytes = Vec::with_capacity(T::BYTES);
        while let Some(Reverse(Next { piece, row, .. })) = next.pop() {
            each(&row);
            bytes.clear();
            row.put(&mut bytes);
            out.write_all(&bytes)?;
            if let Some(row) = pieces[piece].next(&spilled)? {
                next.push(Reverse(Next { key: row.key(), piece, row }));
            }
        }
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Sorted { file, rows: self.rows, of: PhantomData })
    }
}

impl<T: Fixed> Sorted<T> {
    pub(super) fn read(&self, rows: Range<usize>) -> io::Result<Vec<T>> {
        read(&self.file, rows)
    }
}

fn read<T: Fixed>(file: &File, rows: Range<usize>) -> io::Result<Vec<T>> {
    let mut bytes = vec![0; rows.len() * T::BYTES];
    file.read_exact_at(&mut bytes, (rows.start * T::BYTES) as u64)?;
    Ok(bytes.chunks_exact(T::BYTES).map(T::take).collect())
}

/// One piece's rows, some of them ahead.
struct Ahead<T> {
    left: Range<usize>,
    rows: std::vec::IntoIter<T>,
}

impl<T: Fixed> Ahead<T> {
    fn next(&mut self, file: &File) -> io::Result<Option<T>> {
        if let Some(row) = self.rows.next() {
            return Ok(Some(row));
        }
        let until = self.left.end.min(self.left.start + AHEAD);
        self.rows = read(file, self.left.start..until)?.into_iter();
        self.left.start = until;
        Ok(self.rows.next())
    }
}

/// The next row of a piece; of those that are alike, the earlier piece's comes first.
struct Next<T: Fixed> {
    key: T::Key,
    piece: usize,
    row: T,
}

impl<T: Fixed> Ord for Next<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.key, self.piece).cmp(&(other.key, other.piece))
    }
}

impl<T: Fixed> PartialOrd for Next<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Fixed> PartialEq for Next<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Fixed> Eq for Next<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    impl Fixed for (u32, u32) {
        const BYTES: usize = 8;
        type Key = u32;

        fn key(&self) -> u32 {
            self.0
        }

        fn put(&self, bytes: &mut Vec<u8>) {
            bytes.extend_from_slice(&self.0.to_le_bytes());
            bytes.extend_from_slice(&self.1.to_le_bytes());
        }

        fn take(bytes: &[u8]) -> Self {
            let mut bytes = Taking(bytes);
            (u32::from_le_bytes(bytes.next()), u32::from_le_bytes(bytes.next()))
        }
    }

    #[test]
    fn rows_of_many_pieces_come_in_order_those_alike_as_they_came_and_no_file_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let mut sorting = Sorting::new(&folder);
        let row = |number: u32| (number.wrapping_mul(2_654_435_761) >> 16, number);
        let count = 2 * PIECE as u32 + 4321;
        for first in (0..count).step_by(1000) {
            sorting.extend((first..count.min(first + 1000)).map(row)).unwrap();
        }
        let mut seen = 0;
        let sorted = sorting.finish(|_| seen += 1).unwrap();
        let rows = sorted.read(0..sorted.rows).unwrap();
        assert_eq!((rows.len(), seen), (count as usize, count as usize));
        assert!(rows.is_sorted());
        assert_eq!(sorted.read(7..9).unwrap(), rows[7..9]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
