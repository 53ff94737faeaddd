//! A compiled program as its instructions, their shapes, and what feeds and calls what.

use rustc_hash::FxHashMap;

use super::super::fields::{Fields, Malformed, Value};
use crate::profiler::jax::is_traced;

/// Index of an instruction within its program.
pub(super) type InstructionId = u32;

/// Index of a computation within its program.
pub(super) type ComputationId = u32;

/// One module of XLA's; names are borrowed from its bytes.
#[derive(Debug, Default)]
pub(super) struct Program<'a> {
    pub(super) instructions: Vec<Instruction<'a>>,
    pub(super) computations: Vec<Computation>,
}

#[derive(Debug, Default)]
pub(super) struct Computation {
    pub(super) instructions: std::ops::Range<InstructionId>,
    pub(super) root: Option<InstructionId>,
    /// By parameter number.
    pub(super) parameters: Vec<InstructionId>,
    /// The instruction that calls it; XLA gives the computations of fusions, loops and calls one caller each.
    pub(super) caller: Option<InstructionId>,
}

#[derive(Debug, Default)]
pub(super) struct Instruction<'a> {
    pub(super) name: &'a str,
    pub(super) opcode: &'a str,
    /// The framework's type of the operation, `MatMul`.
    pub(super) op_type: &'a str,
    /// The framework's name of the operation; empty for what XLA made itself.
    pub(super) op_name: &'a str,
    pub(super) shape: Shape,
    pub(super) computation: ComputationId,
    pub(super) operands: Vec<InstructionId>,
    pub(super) calls: Vec<ComputationId>,
    /// Of a dot: the dimensions of the left operand that are summed over.
    pub(super) contracted: Vec<i64>,
    /// Of a convolution or a windowed reduction: the window's elements.
    pub(super) window: Option<u64>,
    /// Of a convolution: how much its input is spread by zeros, all dimensions together.
    pub(super) spread: Option<u64>,
    /// Of a convolution: which of the kernel's dimensions counts the output's features.
    pub(super) kernel_features: i64,
    /// Of a `get-tuple-element`: which.
    pub(super) tuple_index: usize,
}

#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) floating: bool,
    pub(super) dimensions: Vec<i64>,
    /// Of a tuple, those of its largest part; `None` where the shape is no shape.
    pub(super) elements: Option<u64>,
}

/// Ids as the program gives them, until all are known.
#[derive(Default)]
struct Links {
    instructions: FxHashMap<i64, InstructionId>,
    computations: FxHashMap<i64, ComputationId>,
    operands: Vec<Vec<i64>>,
    calls: Vec<Vec<i64>>,
    roots: Vec<i64>,
    parameter_numbers: Vec<(ComputationId, u64, InstructionId)>,
}

impl<'a> Program<'a> {
    /// Reads a serialised `HloProto`. Ids that lead nowhere are left out.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut program = Self::default();
        let mut links = Links::default();
        let mut fields = Fields::of(bytes);
        while let Some((number, value)) = fields.next_field()? {
            if let (1, Some(module)) = (number, value.bytes()) {
                program.read_module(module, &mut links)?;
            }
        }
        program.link(links);
        Ok(program)
    }

    fn read_module(&mut self, bytes: &'a [u8], links: &mut Links) -> Result<(), Malformed> {
        let mut fields = Fields::of(bytes);
        while let Some((number, value)) = fields.next_field()? {
            if let (3, Some(computation)) = (number, value.bytes()) {
                self.read_computation(computation, links)?;
            }
        }
        Ok(())
    }

    fn read_computation(&mut self, bytes: &'a [u8], links: &mut Links) -> Result<(), Malformed> {
        // A program is far below 4 GiB, and an instruction takes more than one byte of it.
        let computation = self.computations.len() as ComputationId;
        let first = self.instructions.len() as InstructionId;
        let (mut id, mut root) = (0, 0);
        let mut fields = Fields::of(bytes);
        while let Some((number, value)) = fields.next_field()? {
            match (number, value) {
                (2, Value::Bytes(instruction)) => self.read_instruction(instruction, computation, links)?,
                (5, _) => id = value.int().unwrap_or(0),
                (6, _) => root = value.int().unwrap_or(0),
                _ => {}
            }
        }
        let instructions = first..self.instructions.len() as InstructionId;
        self.computations.push(Computation { instructions, ..Computation::default() });
        links.computations.entry(id).or_insert(computation);
        links.roots.push(root);
        Ok(())
    }

    fn read_instruction(
        &mut self,
        bytes: &'a [u8],
        computation: ComputationId,
        links: &mut Links,
    ) -> Result<(), Malformed> {
        let own = self.instructions.len() as InstructionId;
        let mut instruction = Instruction { computation, ..Instruction::default() };
        let (mut id, mut parameter) = (0, 0);
        let (mut operands, mut calls) = (Vec::new(), Vec::new());
        let mut fields = Fields::of(bytes);
        while let Some((number, value)) = fields.next_field()? {
            match (number, value) {
                (1, _) => instruction.name = value.text().unwrap_or(""),
                (2, _) => instruction.opcode = value.text().unwrap_or(""),
                (3, Value::Bytes(shape)) => instruction.shape = Shape::read(shape, true)?,
                (7, Value::Bytes(metadata)) => {
                    let mut fields = Fields::of(metadata);
                    while let Some((number, value)) = fields.next_field()? {
                        match number {
                            1 => instruction.op_type = value.text().unwrap_or(""),
                            2 => instruction.op_name = value.text().unwrap_or(""),
                            _ => {}
                        }
                    }
                }
                (9, Value::Varint(number)) => parameter = number,
                (13, Value::Varint(index)) => instruction.tuple_index = usize::try_from(index).unwrap_or(usize::MAX),
                (15, Value::Bytes(window)) => (instruction.window, instruction.spread) = read_window(window)?,
                (16, Value::Bytes(dimensions)) => {
                    let mut fields = Fields::of(dimensions);
                    while let Some((number, value)) = fields.next_field()? {
                        if number == 4 {
                            instruction.kernel_features = value.int().unwrap_or(0);
                        }
                    }
                }
                (30, Value::Bytes(dimensions)) => {
                    let mut fields = Fields::of(dimensions);
                    while let Some((number, value)) = fields.next_field()? {
                        if number == 1 {
                            value.ints(&mut instruction.contracted)?;
                        }
                    }
                }
                (35, _) => id = value.int().unwrap_or(0),
                (36, _) => value.ints(&mut operands)?,
                (38, _) => value.ints(&mut calls)?,
                _ => {}
            }
        }
        if instruction.opcode == "parameter" {
            links.parameter_numbers.push((computation, parameter, own));
        }
        links.instructions.entry(id).or_insert(own);
        links.operands.push(operands);
        links.calls.push(calls);
        self.instructions.push(instruction);
        Ok(())
    }

    fn link(&mut self, links: Links) {
        let instruction = |id: &i64| links.instructions.get(id).copied();
        for ((own, to), (operands, calls)) in
            (0..).zip(&mut self.instructions).zip(links.operands.iter().zip(&links.calls))
        {
            to.operands = operands.iter().filter_map(instruction).collect();
            to.calls = calls.iter().filter_map(|id| links.computations.get(id).copied()).collect();
            for &call in &to.calls {
                self.computations[call as usize].caller.get_or_insert(own);
            }
        }
        for (computation, root) in self.computations.iter_mut().zip(&links.roots) {
            computation.root = instruction(root).filter(|root| computation.instructions.contains(root));
        }
        let mut numbered = links.parameter_numbers;
        numbered.sort_unstable();
        for (computation, _, parameter) in numbered {
            self.computations[computation as usize].parameters.push(parameter);
        }
    }

    /// JAX made it; TensorFlow's names have no parentheses at their start.
    pub(super) fn is_jax(&self) -> bool {
        self.instructions.iter().any(|instruction| is_traced(instruction.op_name))
    }

    pub(super) fn at(&self, id: InstructionId) -> &Instruction<'a> {
        &self.instructions[id as usize]
    }

    pub(super) fn computation(&self, id: ComputationId) -> &Computation {
        &self.computations[id as usize]
    }
}

impl Shape {
    fn read(bytes: &[u8], outermost: bool) -> Result<Self, Malformed> {
        let mut shape = Self::default();
        let mut largest: Option<Self> = None;
        let mut fields = Fields::of(bytes);
        while let Some((number, value)) = fields.next_field()? {
            match (number, value) {
                (2, Value::Varint(kind)) => shape.floating = is_floating(kind),
                (3, _) => value.ints(&mut shape.dimensions)?,
                // Tuples of tuples name what loops carry, which nobody computes.
                (4, Value::Bytes(part)) if outermost => {
                    let part = Self::read(part, false)?;
                    if largest.as_ref().is_none_or(|largest| largest.elements < part.elements) {
                        largest = Some(part);
                    }
                }
                _ => {}
            }
        }
        shape.elements = product(shape.dimensions.iter().copied());
        Ok(largest.unwrap_or(shape))
    }
}

/// `None` where a factor is negative or the product is beyond what a double counts exactly.
fn product(mut factors: impl Iterator<Item = i64>) -> Option<u64> {
    let product = factors.try_fold(1_u64, |product, factor| product.checked_mul(u64::try_from(factor).ok()?));
    product.filter(|product| *product <= 1 << 53)
}

/// The window's elements, and the product of its base dilations.
fn read_window(bytes: &[u8]) -> Result<(Option<u64>, Option<u64>), Malformed> {
    let (mut sizes, mut dilations) = (Vec::new(), Vec::new());
    let mut fields = Fields::of(bytes);
    while let Some((number, value)) = fields.next_field()? {
        let (1, Some(dimension)) = (number, value.bytes()) else { continue };
        let (mut size, mut dilation) = (0, 0);
        let mut fields = Fields::of(dimension);
        while let Some((number, value)) = fields.next_field()? {
            match number {
                1 => size = value.int().unwrap_or(0),
                6 => dilation = value.int().unwrap_or(0),
                _ => {}
            }
        }
        sizes.push(size);
        dilations.push(dilation.max(1));
    }
    Ok((product(sizes.into_iter()), product(dilations.into_iter())))
}

/// xla.PrimitiveType: F16, F32, F64, BF16 and those of 8 bits and fewer; complex numbers are counted as one.
fn is_floating(kind: u64) -> bool {
    matches!(kind, 10..=12 | 15 | 16 | 18..=20 | 23..=25 | 28 | 29 | 32 | 33)
}
