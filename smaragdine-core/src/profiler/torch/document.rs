//! The text → records: one for each event that tells of work, names and threads numbered, stamps in CLOCK_REALTIME.

use std::ops::RangeInclusive;

use rustc_hash::FxHashMap;

use super::inputs::Inputs;
use super::json::{Malformed, Scanner, Value, nanoseconds};

/// What an event is, by its `cat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Category {
    /// An operation, or a mark of ours.
    Operation,
    /// What PyTorch or the program itself annotated.
    Annotation,
    /// A call of the GPU's runtime or driver.
    Call,
    Kernel,
    /// A copy, or memory that is set.
    Copy,
    /// A stream or a GPU waits.
    Wait,
}

/// An event with a length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    pub(super) category: Category,
    /// Index into [`Document::names`].
    pub(super) name: u32,
    /// Index into [`Document::threads`].
    pub(super) thread: u32,
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    /// Ties calls to what they launched; 0: none.
    pub(super) correlation: u64,
    /// The operation that is said to be behind a call; 0: none.
    pub(super) external: u64,
    /// Of autograd's node; 0: none.
    pub(super) sequence: u64,
    /// It runs a node of autograd's, and does not make one.
    pub(super) backward: bool,
    /// Of a GPU: its number, and the stream, `u32::MAX` where it is all of them.
    pub(super) device: u16,
    pub(super) stream: u32,
    /// Index into [`Document::inputs`], `u32::MAX` where it does not tell.
    pub(super) inputs: u32,
}

/// An end of an arrow from a forward operation to its backward.
#[derive(Debug, Clone, Copy)]
pub(super) struct ArrowEnd {
    pub(super) id: u64,
    pub(super) starts: bool,
    pub(super) thread: u32,
    pub(super) at_ns: i64,
}

#[derive(Debug, Default)]
pub(super) struct Document<'a> {
    /// As they are written, escapes included.
    pub(super) names: Vec<&'a [u8]>,
    /// Process and thread.
    pub(super) threads: Vec<(&'a [u8], &'a [u8])>,
    pub(super) records: Vec<Record>,
    pub(super) arrows: Vec<ArrowEnd>,
    /// What operations were given, of a window that recorded shapes.
    pub(super) inputs: Vec<Inputs<'a>>,
    /// Events that cannot have happened.
    pub(super) impossible: u64,
    /// Its stamps count from an instant that it names.
    pub(super) has_base: bool,
}

/// One event as it stands there.
#[derive(Default)]
struct Event<'a> {
    phase: &'a [u8],
    category: &'a [u8],
    name: &'a [u8],
    process: &'a [u8],
    thread: &'a [u8],
    start: &'a [u8],
    length: &'a [u8],
    id: u64,
    correlation: u64,
    external: u64,
    sequence: u64,
    forward_thread: u64,
    device: Option<u64>,
    stream: Option<u64>,
    dims: &'a [u8],
    values: &'a [u8],
}

#[derive(Default)]
struct Reader<'a> {
    document: Document<'a>,
    name_numbers: FxHashMap<&'a [u8], u32>,
    thread_numbers: FxHashMap<(&'a [u8], &'a [u8]), u32>,
    last_thread: Option<u32>,
}

impl<'a> Document<'a> {
    /// Reads all; leaves out what did not happen `within` these instants.
    pub(super) fn read(bytes: &'a [u8], within: &RangeInclusive<i64>) -> Result<Self, Malformed> {
        let mut scanner = Scanner::of(bytes);
        let mut reader = Reader::default();
        let mut base_ns = None;
        let mut told = false;
        match scanner.value()? {
            // Older ones may be the list of events alone.
            Value::Array => {
                reader.events(&mut scanner)?;
                told = true;
            }
            Value::Object => {
                while let Some(key) = scanner.key()? {
                    match key {
                        b"baseTimeNanoseconds" => {
                            let value = scanner.value()?;
                            base_ns = value.count().and_then(|count| i64::try_from(count).ok());
                            scanner.skip_rest(value)?;
                        }
                        b"traceEvents" => {
                            if scanner.value()? != Value::Array {
                                return Err(Malformed);
                            }
                            reader.events(&mut scanner)?;
                            told = true;
                        }
                        _ => scanner.skip()?,
                    }
                }
            }
            _ => return Err(Malformed),
        }
        if !told {
            return Err(Malformed);
        }
        let mut document = reader.document;
        document.has_base = base_ns.is_some();
        document.place(base_ns.unwrap_or(0), within);
        Ok(document)
    }

    /// Stamps become instants; the base may stand behind the events.
    fn place(&mut self, base_ns: i64, within: &RangeInclusive<i64>) {
        let all = self.records.len();
        self.records.retain_mut(|record| {
            let length_ns = record.end_ns;
            let placed =
                record.start_ns.checked_add(base_ns).and_then(|start| Some((start, start.checked_add(length_ns)?)));
            let Some((start_ns, end_ns)) = placed else { return false };
            (record.start_ns, record.end_ns) = (start_ns, end_ns);
            length_ns >= 0 && within.contains(&start_ns) && within.contains(&end_ns)
        });
        self.impossible += (all - self.records.len()) as u64;
        for arrow in &mut self.arrows {
            arrow.at_ns = arrow.at_ns.saturating_add(base_ns);
        }
    }
}

impl<'a> Reader<'a> {
    fn events(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Malformed> {
        while scanner.element()? {
            match scanner.value()? {
                Value::Object => {
                    let event = event(scanner)?;
                    self.add(&event);
                }
                other => scanner.skip_rest(other)?,
            }
        }
        Ok(())
    }

    fn add(&mut self, event: &Event<'a>) {
        match event.phase {
            b"X" => self.add_record(event),
            b"s" | b"f" if event.category == b"fwdbwd" => {
                let Some(at_ns) = nanoseconds(event.start) else { return };
                let thread = self.thread(event);
                self.document.arrows.push(ArrowEnd { id: event.id, starts: event.phase == b"s", thread, at_ns });
            }
            _ => {}
        }
    }

    fn add_record(&mut self, event: &Event<'a>) {
        let Some(category) = category(event.category) else { return };
        let stamps = nanoseconds(event.start).and_then(|start| Some((start, nanoseconds(event.length)?)));
        let Some((start_ns, length_ns)) = stamps else {
            self.document.impossible += 1;
            return;
        };
        let next = self.document.names.len() as u32;
        let name = *self.name_numbers.entry(event.name).or_insert(next);
        if name == next {
            self.document.names.push(event.name);
        }
        let thread = self.thread(event);
        let inputs = self.inputs(event);
        self.document.records.push(Record {
            category,
            name,
            thread,
            start_ns,
            // Its length, until the base is known.
            end_ns: length_ns,
            correlation: event.correlation,
            external: event.external,
            sequence: event.sequence,
            backward: event.forward_thread > 0,
            device: event.device.and_then(|device| u16::try_from(device).ok()).unwrap_or(0),
            stream: event.stream.and_then(|stream| u32::try_from(stream).ok()).unwrap_or(u32::MAX),
            inputs,
        });
    }

    fn inputs(&mut self, event: &Event<'a>) -> u32 {
        if event.dims.is_empty() {
            return u32::MAX;
        }
        self.document.inputs.push(Inputs { dims: event.dims, values: event.values });
        self.document.inputs.len() as u32 - 1
    }

    fn thread(&mut self, event: &Event<'a>) -> u32 {
        let told = (event.process, event.thread);
        if let Some(last) = self.last_thread.filter(|&last| self.document.threads[last as usize] == told) {
            return last;
        }
        let next = self.document.threads.len() as u32;
        let number = *self.thread_numbers.entry(told).or_insert(next);
        if number == next {
            self.document.threads.push(told);
        }
        self.last_thread = Some(number);
        number
    }
}

/// Reads an object whose beginning is behind.
fn event<'a>(scanner: &mut Scanner<'a>) -> Result<Event<'a>, Malformed> {
    let mut event = Event::default();
    while let Some(key) = scanner.key()? {
        let value = scanner.value()?;
        match key {
            b"ph" => event.phase = value.text(),
            b"cat" => event.category = value.text(),
            b"name" => event.name = value.text(),
            b"pid" => event.process = value.text(),
            b"tid" => event.thread = value.text(),
            b"ts" => event.start = value.text(),
            b"dur" => event.length = value.text(),
            b"id" => event.id = value.count().unwrap_or(0),
            b"args" if value == Value::Object => {
                arguments(scanner, &mut event)?;
                continue;
            }
            _ => {}
        }
        scanner.skip_rest(value)?;
    }
    Ok(event)
}

fn arguments<'a>(scanner: &mut Scanner<'a>, event: &mut Event<'a>) -> Result<(), Malformed> {
    while let Some(key) = scanner.key()? {
        match key {
            b"Input Dims" => {
                event.dims = scanner.whole()?;
                continue;
            }
            b"Concrete Inputs" => {
                event.values = scanner.whole()?;
                continue;
            }
            _ => {}
        }
        let value = scanner.value()?;
        match key {
            b"External id" | b"external id" => event.external = value.count().unwrap_or(0),
            b"correlation" => event.correlation = value.count().unwrap_or(0),
            b"Sequence number" => event.sequence = value.count().unwrap_or(0),
            b"Fwd thread id" => event.forward_thread = value.count().unwrap_or(0),
            b"device" => event.device = value.count(),
            b"stream" => event.stream = value.count(),
            _ => {}
        }
        scanner.skip_rest(value)?;
    }
    Ok(())
}

/// Of what tells of work; `None` of the rest, such as Python's own calls and what repeats annotations for a GPU.
fn category(category: &[u8]) -> Option<Category> {
    match category {
        b"cpu_op" | b"operator" | b"Operator" => Some(Category::Operation),
        b"user_annotation" => Some(Category::Annotation),
        b"cuda_runtime" | b"cuda_driver" | b"Runtime" => Some(Category::Call),
        b"kernel" | b"Kernel" => Some(Category::Kernel),
        b"gpu_memcpy" | b"gpu_memset" | b"Memcpy" | b"Memset" => Some(Category::Copy),
        b"cuda_sync" => Some(Category::Wait),
        _ => None,
    }
}
