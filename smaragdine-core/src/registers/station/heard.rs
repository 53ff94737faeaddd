//! One register, as one listener hears of it.

use crate::registers::counter::{Counter, Interval};
use crate::registers::source::{Observation, Value};
use crate::trace::{Domain, Flag, Flags};

#[derive(Debug)]
pub(super) struct Heard {
    counter: Counter,
    /// Just before the listener's first read: what ended by then is none of its.
    from_ns: i64,
    /// That read failed, so what was drawn before it and after it is not told apart.
    failed_first: bool,
    /// What the source knows since the listener's last tick.
    together: Option<Observation>,
    /// Where the last interval of a source that knows its own ended.
    until_ns: Option<i64>,
    /// Reads were left out since.
    missed: bool,
    /// What reads between the listener's ticks told of the register: that it started again, say.
    told: Flags,
}

impl Heard {
    pub(super) fn new(domain: &Domain) -> Self {
        Self {
            counter: Counter::of(domain),
            from_ns: i64::MIN,
            failed_first: false,
            together: None,
            until_ns: None,
            missed: false,
            told: Flags::NONE,
        }
    }

    pub(super) fn update_ns(&self) -> Option<i64> {
        self.counter.update_ns()
    }

    pub(super) fn slept(&mut self, slept_ns: i64) {
        self.counter.slept(slept_ns);
    }

    /// Reads were left out: what lies between two intervals from here on is unknown.
    pub(super) fn miss(&mut self) {
        self.missed = true;
    }

    pub(super) fn begin(&mut self, from_ns: i64) {
        self.from_ns = from_ns;
    }

    /// Takes the first read. Energy up to it was drawn before anybody listened.
    pub(super) fn hear_first(&mut self, observation: &Observation) {
        match observation.value {
            Value::Interval { end_ns, .. } | Value::Sampled { end_ns, .. } => self.until_ns = Some(end_ns),
            Value::Failed { .. } => {
                self.failed_first = true;
                self.counter.update(observation);
            }
            Value::Counter { .. } | Value::Updated { .. } | Value::Stamped { .. } => {
                self.counter.update(observation);
            }
        }
    }

    /// Takes a later one; `own`: it is at a tick of the listener's.
    pub(super) fn hear(&mut self, mut observation: Observation, own: bool, mut closed: impl FnMut(Interval)) {
        match observation.value {
            Value::Interval { .. } => {
                let Some(gap) = self.bound(&mut observation) else { return };
                if let Some(gap) = gap {
                    self.put_together(&mut closed);
                    self.update(&gap, &mut closed);
                }
                if let Some(rest) = self.join(observation) {
                    self.put_together(&mut closed);
                    self.together = Some(rest);
                }
            }
            Value::Sampled { .. } => {
                let Some(gap) = self.bound(&mut observation) else { return };
                gap.into_iter().for_each(|gap| self.update(&gap, &mut closed));
                self.update(&observation, &mut closed);
            }
            Value::Counter { .. } | Value::Updated { .. } | Value::Stamped { .. } | Value::Failed { .. } if own => {
                self.put_together(&mut closed);
                observation.flags = observation.flags.union(std::mem::take(&mut self.told));
                self.update(&observation, &mut closed);
            }
            Value::Counter { .. } | Value::Updated { .. } | Value::Stamped { .. } | Value::Failed { .. } => {
                self.told = self.told.union(observation.flags.doubts());
            }
        }
    }

    /// Closes what was put together since the listener's tick before.
    pub(super) fn put_together(&mut self, closed: impl FnMut(Interval)) {
        if let Some(observation) = self.together.take() {
            self.update(&observation, closed);
        }
    }

    pub(super) fn end(&mut self, until_ns: i64, mut closed: impl FnMut(Interval)) {
        self.put_together(&mut closed);
        while let Some(interval) = self.counter.end(until_ns) {
            closed(interval);
        }
    }

    fn update(&mut self, observation: &Observation, mut closed: impl FnMut(Interval)) {
        let interval = self.counter.update(observation).interval();
        interval.into_iter().chain(self.counter.rest()).for_each(&mut closed);
    }

    /// Cuts off what belongs to nobody or is not known. `None`: nothing is left of it; within: a gap before it.
    fn bound(&mut self, observation: &mut Observation) -> Option<Option<Observation>> {
        let (Value::Interval { start_ns, end_ns, energy_j } | Value::Sampled { start_ns, end_ns, energy_j }) =
            &mut observation.value
        else {
            return Some(None);
        };
        if *end_ns <= self.from_ns {
            return None;
        }
        if std::mem::take(&mut self.failed_first) && *start_ns < self.from_ns {
            (*start_ns, *energy_j) = (self.from_ns, 0.0);
            observation.flags = observation.flags.with(Flag::Lost);
        }
        let (start_ns, until_ns) = (*start_ns, self.until_ns.replace(*end_ns));
        let since_ns = until_ns.filter(|until_ns| std::mem::take(&mut self.missed) && *until_ns < start_ns);
        Some(since_ns.map(|since_ns| Observation {
            value: Value::Interval { start_ns: since_ns, end_ns: start_ns, energy_j: 0.0 },
            flags: observation.flags.with(Flag::Lost).with(Flag::Missed),
            ..observation.clone()
        }))
    }

    /// Adds an interval to those before it, where it follows them and is known as well as they are; else it is given back.
    fn join(&mut self, observation: Observation) -> Option<Observation> {
        let Some(together) = &mut self.together else {
            self.together = Some(observation);
            return None;
        };
        let alike = together.flags.doubts() == observation.flags.doubts();
        match (&mut together.value, &observation.value) {
            (
                Value::Interval { end_ns, energy_j, .. },
                Value::Interval { start_ns, end_ns: until_ns, energy_j: more_j },
            ) if alike && end_ns == start_ns => {
                *end_ns = *until_ns;
                *energy_j += more_j;
                together.flags = together.flags.union(observation.flags);
                (together.read_start_ns, together.read_end_ns) = (observation.read_start_ns, observation.read_end_ns);
                None
            }
            _ => Some(observation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard() -> Heard {
        let domain = Domain { counted: false, ..Domain::new("rail", "CPU:0", "test", "") };
        let mut heard = Heard::new(&domain);
        heard.begin(100);
        heard
    }

    fn observation(at_ns: i64, value: Value) -> Observation {
        Observation { domain: 0, read_start_ns: at_ns, read_end_ns: at_ns, value, flags: Flags::NONE }
    }

    fn interval(start_ns: i64, end_ns: i64) -> Observation {
        let energy_j = (end_ns - start_ns) as f64;
        observation(end_ns, Value::Interval { start_ns, end_ns, energy_j })
    }

    fn sampled(start_ns: i64, end_ns: i64) -> Observation {
        let energy_j = (end_ns - start_ns) as f64;
        observation(end_ns, Value::Sampled { start_ns, end_ns, energy_j })
    }

    fn failed(at_ns: i64) -> Observation {
        observation(at_ns, Value::Failed { problem: "no value".to_owned() })
    }

    /// What is heard of observations, each with whether it is at a tick of the listener's own: start, end, energy, gap.
    fn hear(
        heard: &mut Heard,
        observations: impl IntoIterator<Item = (Observation, bool)>,
    ) -> Vec<(i64, i64, f64, bool)> {
        let mut closed = Vec::new();
        let mut take = |interval: Interval| {
            closed.push((interval.start_ns, interval.end_ns, interval.energy_j, interval.flags.is_gap()));
        };
        for (observation, own) in observations {
            heard.hear(observation, own, &mut take);
            if own {
                heard.put_together(&mut take);
            }
        }
        closed
    }

    #[test]
    fn intervals_between_own_ticks_are_one_and_samples_stay_apart() {
        let mut heard = heard();
        heard.hear_first(&interval(40, 110));
        let told = [interval(110, 120), interval(120, 130), interval(130, 140)].into_iter().zip([false, false, true]);
        assert_eq!(hear(&mut heard, told), [(110, 140, 30.0, false)]);
        let told = [sampled(140, 150), sampled(150, 160)].into_iter().zip([false, true]);
        assert_eq!(hear(&mut heard, told), [(140, 150, 10.0, false), (150, 160, 10.0, false)]);
    }

    #[test]
    fn a_gap_among_what_is_put_together_stays_as_long_as_it_is() {
        let mut heard = heard();
        heard.hear_first(&interval(40, 110));
        let gap = Observation {
            flags: Flags::NONE.with(Flag::Lost),
            ..observation(130, Value::Interval { start_ns: 120, end_ns: 130, energy_j: 0.0 })
        };
        let told = [(interval(110, 120), false), (gap, false), (failed(135), false), (interval(130, 140), true)];
        assert_eq!(hear(&mut heard, told), [(110, 120, 10.0, false), (120, 130, 0.0, true), (130, 140, 10.0, false)]);
    }

    #[test]
    fn what_was_drawn_before_the_listener_came_is_none_of_its() {
        let mut heard = heard();
        heard.hear_first(&sampled(40, 90));
        // A buffer that could not be read at first still holds what was before.
        assert_eq!(hear(&mut heard, [(sampled(90, 100), true), (sampled(100, 150), true)]), [(100, 150, 50.0, false)]);
    }

    #[test]
    fn a_first_read_that_failed_leaves_a_gap_from_there_on() {
        for last in [interval(60, 140), sampled(60, 140)] {
            let mut heard = heard();
            heard.hear_first(&failed(105));
            let told = [(failed(120), true), (last, true), (interval(140, 150), true)];
            assert_eq!(hear(&mut heard, told), [(100, 140, 0.0, true), (140, 150, 10.0, false)]);
        }
    }

    #[test]
    fn what_was_left_out_is_a_gap_and_a_counter_bridges_it() {
        let mut heard = heard();
        assert_eq!(hear(&mut heard, [(interval(110, 120), true)]), [(110, 120, 10.0, false)]);
        heard.miss();
        let told = [(interval(150, 160), true), (interval(160, 170), true)];
        let expected = [(120, 150, 0.0, true), (150, 160, 10.0, false), (160, 170, 10.0, false)];
        assert_eq!(hear(&mut heard, told), expected);

        let counter = |at_ns, energy_uj| observation(at_ns, Value::Counter { energy_uj });
        let mut heard = self::heard();
        heard.hear_first(&counter(100, 7));
        heard.miss();
        let told = [(counter(100_000_100, 8), false), (counter(200_000_100, 1_000_007), true)];
        assert_eq!(hear(&mut heard, told), [(100, 200_000_100, 1.0, false)]);
    }

    #[test]
    fn a_restart_that_a_read_between_own_ticks_told_is_a_gap() {
        let counter = |at_ns, energy_uj| observation(at_ns, Value::Counter { energy_uj });
        let told = |observation: Observation| Observation { flags: Flags::NONE.with(Flag::Reset), ..observation };
        let mut heard = heard();
        heard.hear_first(&counter(100, 7));
        // By the listener's own tick the register has passed what it showed before.
        let read = [(told(counter(100_000_100, 1)), false), (counter(200_000_100, 2_000_007), true)];
        assert_eq!(hear(&mut heard, read), [(100, 200_000_100, 2.0, true)]);
        assert_eq!(
            hear(&mut heard, [(counter(300_000_100, 3_000_007), true)]),
            [(200_000_100, 300_000_100, 1.0, false)]
        );
    }
}
