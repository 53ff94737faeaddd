//! What powers the energies of readings are explained by.
//!
//! Every class of operations has a power; so has time with none running. Around it, the power of an execution may vary
//! with what is known of it: with how long it took, and with when it ran. How much such variations come to is learnt
//! from all classes together (see [`super::prior`]), so where there are none they cost next to nothing.

use std::ops::Range;

use super::classes::{Classes, Kin};
use super::design::Design;
use super::edges::Place;
use super::row::{Cell, Row};

/// Courses of time that powers may follow: a trend, and steps in the middle of the whole, of its halves and of its
/// quarters.
pub(super) const COURSES: usize = 8;

/// Those courses that are not 0 at an instant, with what they are there.
pub(super) type Courses = [(usize, f64); 4];

/// The courses at a part of the recording, from 0 to 1.
#[inline]
pub(super) fn courses(part: f64) -> Courses {
    // Haar's functions: each is −1 in the first half of its stretch, 1 in the second, and 0 elsewhere.
    let haar = |stretches: usize| {
        let within = part * stretches as f64;
        let stretch = (within as usize).min(stretches - 1);
        (stretches + stretch, if within - (stretch as f64) < 0.5 { -1.0 } else { 1.0 })
    };
    [(0, 2.0 * part - 1.0), haar(1), haar(2), haar(4)]
}

/// Which columns of the design are fitted, and as which.
#[derive(Debug, Clone)]
pub(super) struct PowerModel {
    pub(super) classes: Classes,
    pub(super) kin: Kin,
    pub(super) quiet: usize,
    /// What is drawn between two steps beyond what is within them, with nothing running.
    pub(super) between: Option<usize>,
    /// Power that is drawn once while anything runs, whatever and how much.
    pub(super) floor: Option<usize>,
    pub(super) others: Option<usize>,
    /// Watts more for each kin by how much longer an execution takes than usual; and by course.
    pub(super) longer: Range<usize>,
    pub(super) course: [Range<usize>; COURSES],
    pub(super) columns: usize,
}

/// What there is beside operations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beside {
    pub(super) floor: bool,
    pub(super) others: bool,
    pub(super) between: bool,
}

impl PowerModel {
    pub(super) fn new(classes: Classes, kin: Kin, beside: Beside) -> Self {
        let mut columns = classes.count;
        let mut next = |wanted: bool| {
            columns += usize::from(wanted);
            wanted.then(|| columns - 1)
        };
        let (quiet, between) = (next(true).unwrap_or(0), next(beside.between));
        let (floor, others) = (next(beside.floor), next(beside.others));
        let block = |number: usize, width: usize| columns + number * width..columns + (number + 1) * width;
        // Quiet time has its course, too, as the last of the kin.
        let width = kin.count + 1;
        let longer = block(0, width);
        let course = std::array::from_fn(|number| block(number + 1, width));
        let columns = columns + (COURSES + 1) * width;
        Self { classes, kin, quiet, between, floor, others, longer, course, columns }
    }

    /// Powers that come before those of variations.
    pub(super) fn plain(&self) -> usize {
        self.longer.start
    }

    /// Columns whose powers may be negative: what is drawn more may be less.
    pub(super) fn is_signed(&self, column: usize) -> bool {
        column >= self.plain() || Some(column) == self.between
    }

    /// Visits the columns that a cell of the design enters, with what it enters; `courses` are those of its row.
    #[inline]
    fn enter(&self, design: &Design, cell: Cell, courses: &Courses, mut into: impl FnMut(usize, f64)) {
        let kin = if cell.column < design.ops {
            let (Some(class), Some(kin)) = (self.classes.of[cell.column], self.kin.of[cell.column]) else { return };
            into(class, cell.time_s);
            into(self.longer.start + kin, cell.longer_s);
            kin
        } else if cell.column == design.quiet() {
            into(self.quiet, cell.time_s);
            self.kin.count
        } else {
            let column = match cell.column - design.ops {
                1 => self.floor,
                2 => self.others,
                _ => self.between,
            };
            return column.into_iter().for_each(|column| into(column, cell.time_s));
        };
        for (course, at) in courses {
            into(self.course[*course].start + kin, at * cell.time_s);
        }
    }

    /// Seconds by column of `row`, its edges put at `place`.
    pub(super) fn times<'s>(
        &self,
        design: &Design,
        number: usize,
        place: Place,
        scratch: &'s mut Scratch,
    ) -> &'s [(usize, f64)] {
        let courses = design.courses(number);
        scratch.clear();
        design.visit(&design.rows[number], place, |cell| {
            self.enter(design, cell, &courses, |column, time_s| scratch.add(column, time_s));
        });
        scratch.gather()
    }

    /// Joules that `power_w` expects of the cells of a row, each with its column in the design.
    #[inline]
    pub(super) fn expect(
        &self,
        design: &Design,
        (number, row): (usize, &Row),
        place: Place,
        power_w: &[f64],
        mut each: impl FnMut(Cell, f64),
    ) {
        let courses = design.courses(number);
        design.visit(row, place, |cell| {
            let mut energy_j = 0.0;
            self.enter(design, cell, &courses, |column, time_s| energy_j += power_w[column] * time_s);
            each(cell, energy_j);
        });
    }
}

/// Time that is left of rounding, in seconds.
const NOTHING_S: f64 = 1e-13;

/// Sums by column; NaN where nothing was added.
pub(super) struct Scratch {
    sums: Vec<f64>,
    gathered: Vec<(usize, f64)>,
}

impl Scratch {
    pub(super) fn new(columns: usize) -> Self {
        Self { sums: vec![f64::NAN; columns], gathered: Vec::new() }
    }

    fn clear(&mut self) {
        self.sums.fill(f64::NAN);
    }

    #[inline]
    fn add(&mut self, column: usize, value: f64) {
        if value.abs() < NOTHING_S {
            return;
        }
        let sum = &mut self.sums[column];
        *sum = if sum.is_nan() { value } else { *sum + value };
    }

    /// In order of column.
    fn gather(&mut self) -> &[(usize, f64)] {
        self.gathered.clear();
        let sums = self.sums.iter().copied().enumerate();
        self.gathered.extend(sums.filter(|(_, sum)| !sum.is_nan()));
        &self.gathered
    }
}
