//! Floating-point operations of one execution, from the shapes that it was given.
//!
//! Counted as for TensorFlow: a multiplication and an addition are two, what is done to each element of a result is
//! one. An attention's mask saves nothing here, and its backward pass computes the scores anew, as fused kernels do.

use super::inputs::{Given, Inputs};
use super::leaf::Leaf;

/// What an operation's parts are called that do its work where they tell no shapes of their own.
type Engine = &'static str;

/// A number that was found for an operation, and the innermost of its parts that it is the work of.
#[derive(Debug, Clone, Copy)]
struct Claim {
    leaf: u32,
    engine: Engine,
}

/// The claims of one document: whose number it is turns out while its parts are met.
#[derive(Debug, Default)]
pub(super) struct Claims(Vec<Claim>);

impl Claims {
    /// The operation `leaf`, called `word`, begins within one of claim `around`; returns the claim that its parts are
    /// within.
    pub(super) fn begin(
        &mut self,
        leaves: &mut [Leaf],
        leaf: u32,
        word: &str,
        inputs: Option<&Inputs>,
        around: Option<u32>,
    ) -> Option<u32> {
        let outer = around.map(|claim| self.0[claim as usize]);
        if let Some((engine, flops)) = inputs.and_then(|inputs| work(word, &inputs.read()?)) {
            // That one's work is done by its parts.
            if let Some(outer) = outer {
                leaves[outer.leaf as usize].flops = None;
            }
            leaves[leaf as usize].flops = Some(flops);
            self.0.push(Claim { leaf, engine });
            return Some(self.0.len() as u32 - 1);
        }
        if let Some((claim, outer)) = around.zip(outer)
            && word.contains(outer.engine)
            && let Some(flops) = leaves[outer.leaf as usize].flops.take_if(|_| outer.leaf < leaf)
        {
            leaves[leaf as usize].flops = Some(flops);
            self.0[claim as usize].leaf = leaf;
        }
        around
    }
}

/// Of an operation of this name; `None` where it is none of these, or what it was given does not fit.
fn work(word: &str, given: &Given) -> Option<(Engine, f64)> {
    match word {
        "mm" => Some(("mm", product(given.tensor(0)?, given.tensor(1)?)?)),
        "bmm" => Some(("bmm", product(given.tensor(0)?, given.tensor(1)?)?)),
        "addmm" | "baddbmm" => {
            let (first, second) = (given.tensor(1)?, given.tensor(2)?);
            let results = elements(first) / *first.last()?.max(&1) as f64 * *second.last()? as f64;
            // With a factor of 0 what would be added is not even read.
            let added = if given.text(3) == Some("0") { 0.0 } else { results };
            Some(("mm", product(first, second)? + added))
        }
        "linear" => {
            let (x, weight) = (given.tensor(0)?, given.tensor(1)?);
            let [.., summed] = weight else { return None };
            (x.last()? == summed && weight.len() <= 2).then_some(())?;
            let results = elements(x) / (*summed).max(1) as f64 * elements(&weight[..weight.len() - 1]);
            let bias = given.tensor(2).map_or(0.0, |_| results);
            Some(("linear", 2.0 * results * *summed as f64 + bias))
        }
        "convolution" | "_convolution" => {
            let (x, weight) = (given.tensor(0)?, given.tensor(1)?);
            let results = convolved(given, x, weight)?;
            let bias = given.tensor(2).map_or(0.0, |_| elements(&results));
            let of = if transposed(given, 6)? { x } else { &results };
            Some(("conv", products(of, weight)? + bias))
        }
        "convolution_backward" => {
            let (slopes, x, weight) = (given.tensor(0)?, given.tensor(1)?, given.tensor(2)?);
            let [to_input, to_weight, to_bias] = given.flags(10)?.try_into().ok()?;
            let of = if transposed(given, 7)? { x } else { slopes };
            let bias: u64 = given.numbers(3)?.iter().product();
            let parts = f64::from(u8::from(to_input)) + f64::from(u8::from(to_weight));
            let summed = if to_bias { elements(slopes) - bias as f64 } else { 0.0 };
            Some(("conv", parts * products(of, weight)? + summed))
        }
        "scaled_dot_product_attention" => Some(("attention", attention(given, 0, 1.0, 1.0)?)),
        _ if word.starts_with("_scaled_dot_product_") && !word.contains("_math") => {
            // Scores anew, then those of the scores, of the values, of queries and keys.
            let (first, scores, values) = if word.ends_with("_backward") { (1, 3.0, 2.0) } else { (0, 1.0, 1.0) };
            Some(("attention", attention(given, first, scores, values)?))
        }
        _ => None,
    }
}

/// `[…, m, k]` times `[…, k, n]`.
fn product(first: &[u64], second: &[u64]) -> Option<f64> {
    let ([batch @ .., rows, summed], [other @ .., again, columns]) = (first, second) else { return None };
    (batch == other && summed == again).then(|| 2.0 * elements(batch) * *rows as f64 * *summed as f64 * *columns as f64)
}

fn elements(sizes: &[u64]) -> f64 {
    sizes.iter().map(|&size| size as f64).product()
}

/// Each of these values is multiplied with all of a filter but its first dimension.
fn products(values: &[u64], weight: &[u64]) -> Option<f64> {
    let (_, filter) = weight.split_first()?;
    Some(2.0 * elements(values) * elements(filter))
}

fn transposed(given: &Given, input: usize) -> Option<bool> {
    match given.flags(input)?.as_slice() {
        [transposed] => Some(*transposed),
        _ => None,
    }
}

/// The sizes of a convolution's result: `convolution(x, weight, bias, stride, padding, dilation, transposed,
/// output_padding, groups)`.
fn convolved(given: &Given, x: &[u64], weight: &[u64]) -> Option<Vec<u64>> {
    let ([examples, _, places @ ..], [filters, channels, kernel @ ..]) = (x, weight) else { return None };
    (places.len() == kernel.len()).then_some(())?;
    let (stride, padding, dilation) = (given.numbers(3)?, given.numbers(4)?, given.numbers(5)?);
    let (beyond, transposed) = (given.numbers(7)?, transposed(given, 6)?);
    let [groups] = given.numbers(8)?.try_into().ok()?;
    let mut results = vec![*examples, if transposed { channels.checked_mul(groups)? } else { *filters }];
    for (axis, (&place, &kernel)) in places.iter().zip(kernel).enumerate() {
        let at = |all: &[u64]| all.get(if all.len() == 1 { 0 } else { axis }).copied();
        let (stride, padding) = (at(&stride)?, at(&padding)?.checked_mul(2)?);
        let reach = at(&dilation)?.checked_mul(kernel.checked_sub(1)?)?;
        results.push(if transposed {
            let all = place.checked_sub(1)?.checked_mul(stride)?.checked_add(reach)?.checked_add(at(&beyond)?)?;
            all.checked_add(1)?.checked_sub(padding)?
        } else {
            place.checked_add(padding)?.checked_sub(reach)?.checked_sub(1)?.checked_div(stride)?.checked_add(1)?
        });
    }
    Some(results)
}

/// Queries, keys and values from input `first` on, `[…, heads, length, width]`: products with the width of keys, and
/// with that of values.
fn attention(given: &Given, first: usize, of_scores: f64, of_values: f64) -> Option<f64> {
    let [queries, keys, values] = [given.tensor(first)?, given.tensor(first + 1)?, given.tensor(first + 2)?];
    let ([batch @ .., asked, width], [.., known, same], [.., again, depth]) = (queries, keys, values) else {
        return None;
    };
    (width == same && known == again).then_some(())?;
    let pairs = 2.0 * elements(batch) * *asked as f64 * *known as f64;
    Some(pairs * (of_scores * *width as f64 + of_values * *depth as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flops(word: &str, dims: &str, values: &str) -> Option<f64> {
        work(word, &Inputs { dims: dims.as_bytes(), values: values.as_bytes() }.read()?).map(|(_, flops)| flops)
    }

    #[test]
    fn products_of_matrices_are_counted_as_by_hand() {
        let cases = [
            ("mm", "[[5, 7], [7, 3]]", r#"["", ""]"#, 2 * 5 * 7 * 3),
            ("addmm", "[[3], [5, 7], [7, 3], [], []]", r#"["", "", "", "1", "1"]"#, 2 * 5 * 7 * 3 + 15),
            ("addmm", "[[3], [5, 7], [7, 3], [], []]", r#"["", "", "", "0", "1"]"#, 2 * 5 * 7 * 3),
            ("bmm", "[[2, 5, 7], [2, 7, 3]]", "", 2 * 2 * 5 * 7 * 3),
            ("baddbmm", "[[2, 5, 3], [2, 5, 7], [2, 7, 3]]", "", 2 * 2 * 5 * 7 * 3 + 30),
            ("linear", "[[2, 4, 7], [3, 7], [3]]", "", 2 * 8 * 7 * 3 + 24),
            ("linear", "[[2, 4, 7], [3, 7], []]", "", 2 * 8 * 7 * 3),
            ("linear", "[[4, 7], [7], []]", "", 2 * 4 * 7),
        ];
        for (word, dims, values, by_hand) in cases {
            assert_eq!(flops(word, dims, values), Some(f64::from(by_hand)), "{word} {dims}");
        }
    }

    #[test]
    fn convolutions_are_counted_as_by_hand() {
        let plain = r#"["", "", "", "[2, 2]", "[1, 1]", "[1, 1]", "False", "[0, 0]", "1"]"#;
        // 16 → 8 places a side, each of 3 × 3 × 3 products, and a bias.
        assert_eq!(
            flops("convolution", "[[2, 3, 16, 16], [8, 3, 3, 3], [8]]", plain),
            Some(f64::from(2 * 2 * 8 * 8 * 8 * 27 + 2 * 8 * 8 * 8))
        );
        // Of a group one channel; a kernel that reaches over five.
        let depthwise = r#"["", "", "", "[1]", "[2]", "[2]", "False", "[0]", "8"]"#;
        assert_eq!(
            flops("_convolution", "[[2, 8, 10], [8, 1, 3], []]", depthwise),
            Some(f64::from(2 * 2 * 8 * 10 * 3))
        );
        let up = r#"["", "", "", "[2, 2]", "[0, 0]", "[1, 1]", "True", "[0, 0]", "1"]"#;
        assert_eq!(
            flops("convolution", "[[2, 8, 8, 8], [8, 4, 2, 2], [4]]", up),
            Some(f64::from(2 * 2 * 8 * 8 * 8 * 4 * 4 + 2 * 4 * 16 * 16))
        );
        let back = |mask: &str, transposed: &str| {
            let values = format!(
                r#"["", "", "", "[8]", "[2, 2]", "[1, 1]", "[1, 1]", "{transposed}", "[0, 0]", "1", "[{mask}]"]"#
            );
            flops("convolution_backward", "[[2, 8, 8, 8], [2, 3, 16, 16], [8, 3, 3, 3]]", &values)
        };
        let one = 2.0 * 2.0 * 8.0 * 64.0 * 27.0;
        assert_eq!(back("True, True, False", "False"), Some(2.0 * one));
        assert_eq!(back("False, True, True", "False"), Some(one + 1024.0 - 8.0));
        assert_eq!(back("False, True", "False"), None);
        assert_eq!(back("True, True, False", ""), None);
    }

    #[test]
    fn attention_is_counted_as_by_hand() {
        // 2 examples, 4 heads, 5 queries, 6 keys of 8 and values of 3.
        let shapes = "[[2, 4, 5, 8], [2, 4, 6, 8], [2, 4, 6, 3]]";
        let pairs = f64::from(2 * 2 * 4 * 5 * 6);
        assert_eq!(flops("scaled_dot_product_attention", shapes, ""), Some(pairs * 11.0));
        assert_eq!(flops("_scaled_dot_product_efficient_attention", shapes, ""), Some(pairs * 11.0));
        assert_eq!(flops("_scaled_dot_product_attention_math", shapes, ""), None);
        let shapes = "[[2, 4, 5, 3], [2, 4, 5, 8], [2, 4, 6, 8], [2, 4, 6, 3]]";
        let back = "_scaled_dot_product_flash_attention_for_cpu_backward";
        assert_eq!(flops(back, shapes, ""), Some(pairs * (3.0 * 8.0 + 2.0 * 3.0)));
    }

    #[test]
    fn what_does_not_fit_together_tells_nothing() {
        let plain = r#"["", "", "", "[0]", "[1]", "[1]", "False", "[0]", "1"]"#;
        for (word, dims, values) in [
            ("mm", "[[5, 7], [8, 3]]", ""),
            ("mm", "[[5, 7]]", ""),
            ("mm", "[[7], [7]]", ""),
            ("bmm", "[[2, 5, 7], [3, 7, 3]]", ""),
            ("linear", "[[4, 7], [3, 8], []]", ""),
            ("convolution", "[[2, 3, 16], [8, 3, 3], []]", ""),
            ("convolution", "[[2, 3, 16], [8, 3, 3], []]", plain),
            ("convolution", "[[2, 3, 16], [8, 3, 0], []]", plain),
            ("scaled_dot_product_attention", "[[2, 5, 8], [2, 6, 8], [2, 7, 8]]", ""),
            ("relu", "[[5, 7]]", ""),
        ] {
            assert_eq!(flops(word, dims, values), None, "{word} {dims}");
        }
    }
}
