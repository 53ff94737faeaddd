//! True power over time, and what of it each operation drew.

use smaragdine_core::trace::Event;

/// What is drawn beside operations, from an instant on.
#[derive(Debug, Clone, Copy)]
pub struct Beside {
    pub from_ns: i64,
    /// Watts of all that is drawn without regard to operations.
    pub drawn_w: f64,
    /// The part of it that operations have in equal parts while any runs.
    pub theirs_w: f64,
}

/// True power over time, in pieces of constant power.
pub struct Power {
    at_ns: Vec<i64>,
    watts: Vec<f64>,
    /// Joules up to each of `at_ns`.
    joules: Vec<f64>,
}

#[derive(Clone, Copy)]
enum Change {
    End(usize),
    Start(usize),
    Beside(usize),
}

impl Power {
    /// The power of `events`, each drawing its own of `watts`, over what is drawn `beside` them, in order of time, the
    /// first from the beginning on; and joules by event.
    #[must_use]
    pub fn of(events: &[Event], watts: &[f64], beside: &[Beside], to_ns: i64) -> (Self, Vec<f64>) {
        let starts = events.iter().enumerate().map(|(number, event)| (event.start_ns, Change::Start(number)));
        let ends = events.iter().enumerate().map(|(number, event)| (event.end_ns, Change::End(number)));
        let others = beside.iter().enumerate().skip(1).map(|(number, each)| (each.from_ns, Change::Beside(number)));
        let mut changes: Vec<(i64, Change)> = starts.chain(ends).chain(others).collect();
        changes.sort_by_key(|(at_ns, change)| {
            (*at_ns, matches!(change, Change::Start(_)), matches!(change, Change::Beside(_)))
        });
        let mut power = Self { at_ns: vec![beside[0].from_ns], watts: vec![beside[0].drawn_w], joules: vec![0.0] };
        let (mut event_j, mut shared, mut since) = (vec![0.0; events.len()], 0.0, vec![0.0; events.len()]);
        let (mut active, mut drawn_w, mut now) = (0, 0.0, beside[0]);
        for (at_ns, change) in changes {
            let last = power.at_ns.len() - 1;
            let elapsed_s = (at_ns - power.at_ns[last]) as f64 * 1e-9;
            if active > 0 {
                shared += now.theirs_w * elapsed_s / f64::from(active);
            }
            match change {
                Change::Beside(number) => now = beside[number],
                Change::Start(number) => {
                    since[number] = shared;
                    active += 1;
                    drawn_w += watts[number];
                }
                Change::End(number) => {
                    let event = &events[number];
                    let length_s = (event.end_ns - event.start_ns) as f64 * 1e-9;
                    event_j[number] = watts[number] * length_s + shared - since[number];
                    active -= 1;
                    drawn_w = if active == 0 { 0.0 } else { drawn_w - watts[number] };
                }
            }
            power.push(at_ns, now.drawn_w + drawn_w);
        }
        power.push(to_ns, now.drawn_w);
        (power, event_j)
    }

    fn push(&mut self, at_ns: i64, watts: f64) {
        let last = self.at_ns.len() - 1;
        self.joules.push(self.joules[last] + self.watts[last] * (at_ns - self.at_ns[last]) as f64 * 1e-9);
        self.at_ns.push(at_ns);
        self.watts.push(watts);
    }

    /// Joules from the beginning up to `at_ns`.
    #[must_use]
    pub fn energy_j(&self, at_ns: i64) -> f64 {
        let place = self.at_ns.partition_point(|piece| *piece <= at_ns).saturating_sub(1);
        self.joules[place] + self.watts[place] * (at_ns - self.at_ns[place]) as f64 * 1e-9
    }
}
