//! The powers of a solution: of any execution, at any instant.

use super::design::Design;
use super::fit::Fit;
use super::length::Lengths;
use super::model::{Courses, PowerModel, courses};
use crate::trace::Event;

/// No power is taken to be less than this part of the mean.
const LEAST: f64 = 1e-6;
/// Other processes are given no more than this part of what the least power is.
const MOST_OF_LEAST: f64 = 0.9;

/// Powers of one domain, in watts.
pub struct Powers {
    model: PowerModel,
    power_w: Vec<f64>,
    beside: Beside,
    lengths: Lengths,
    /// When each reading that was solved starts.
    starts_ns: Vec<i64>,
}

/// What is drawn beside what operations draw of their own.
pub(super) struct Beside {
    /// Once while any operation runs.
    pub(super) floor_w: f64,
    mean_w: f64,
    mean_others: f64,
    /// Watts more, the more others do.
    more_w: f64,
    /// The least power of a class.
    least_w: f64,
    /// Others draw a part of whatever is drawn: powers are the application's already.
    alike: bool,
}

impl Beside {
    pub(super) fn of(design: &Design, model: &PowerModel, power_w: &[f64]) -> Self {
        let floor_w = model.floor.map_or(0.0, |floor| power_w[floor]);
        let classes = power_w[..model.classes.count].iter().copied();
        Self {
            floor_w,
            mean_w: design.mean_w(),
            mean_others: design.mean_others,
            more_w: model.others.map_or(0.0, |others| power_w[others]),
            least_w: floor_w + classes.fold(f64::INFINITY, f64::min),
            alike: design.alike,
        }
    }

    /// Watts of other processes where they have the part `others` of the domain's energy.
    ///
    /// Shares are known over a hundred milliseconds, in which operations come and go: what they leave to others is a
    /// part of the mean power, whatever runs meanwhile.
    pub(super) fn others_w(&self, others: f64) -> f64 {
        if self.alike {
            return 0.0;
        }
        let power_w = others * (self.mean_w + self.more_w * (others - self.mean_others));
        power_w.clamp(0.0, MOST_OF_LEAST * self.least_w)
    }
}

/// Where in the recording an instant lies, as powers see it.
#[derive(Clone, Copy)]
pub(crate) struct Moment(Courses);

impl Powers {
    pub(super) fn of(design: &Design, fit: &Fit, power_w: Vec<f64>) -> Self {
        Self {
            beside: Beside::of(design, &fit.model, &power_w),
            model: fit.model.clone(),
            power_w,
            lengths: design.lengths.clone(),
            starts_ns: design.starts_ns.clone(),
        }
    }

    pub(crate) fn moment(&self, at_ns: i64) -> Moment {
        let row = self.starts_ns.partition_point(|start_ns| *start_ns <= at_ns).saturating_sub(1);
        Moment(courses((row as f64 + 0.5) / self.starts_ns.len() as f64))
    }

    /// Watts of an execution beside the floor; of one that was in nothing solved, the mean of all.
    pub(crate) fn of_event_w(&self, event: &Event, moment: Moment) -> f64 {
        let op = event.op as usize;
        let known = |of: &[Option<usize>]| of.get(op).copied().flatten();
        let (Some(class), Some(kin)) = (known(&self.model.classes.of), known(&self.model.kin.of)) else {
            return self.beside.mean_w;
        };
        let longer_w = self.power_w[self.model.longer.start + kin] * self.lengths.longer(event);
        self.at_least(self.power_w[class] + longer_w + self.course_w(kin, moment))
    }

    fn course_w(&self, kin: usize, moment: Moment) -> f64 {
        moment.0.iter().map(|(course, at)| self.power_w[self.model.course[*course].start + kin] * at).sum()
    }

    fn at_least(&self, power_w: f64) -> f64 {
        power_w.max(LEAST * self.beside.mean_w)
    }

    /// Watts while no operation runs within a step.
    pub(crate) fn quiet_w(&self, moment: Moment) -> f64 {
        self.at_least(self.power_w[self.model.quiet] + self.course_w(self.model.kin.count, moment))
    }

    /// … and between two steps.
    pub(crate) fn between_w(&self, moment: Moment) -> f64 {
        let between_w = self.model.between.map_or(0.0, |between| self.power_w[between]);
        self.at_least(self.quiet_w(moment) + between_w)
    }

    /// Watts that are drawn once while any operation runs; they belong to those in equal parts.
    pub(crate) fn floor_w(&self) -> f64 {
        self.beside.floor_w
    }

    /// Watts of other processes where they have the part `others` of the domain's energy.
    pub(crate) fn others_w(&self, others: f64) -> f64 {
        self.beside.others_w(others)
    }

    /// What others leave of a power.
    pub(crate) fn left_w(&self, power_w: f64, others_w: f64) -> f64 {
        self.at_least(power_w - others_w)
    }

    /// The class that an operation was solved in.
    pub(crate) fn class(&self, op: usize) -> Option<usize> {
        self.model.classes.of.get(op).copied().flatten()
    }
}
