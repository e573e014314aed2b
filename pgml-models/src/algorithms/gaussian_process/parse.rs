//! Covariance functions as text, in Python's notation or ours: `1.5 * RBF(length_scale=2) + white(0.1, "fixed")`.

use std::fmt::Write as _;

use pgml_core::{Error, ErrorKind, Result};

use super::covariance::{Covariance, Hyper, Shape};

/// Where scikit-learn lets numbers move unless told otherwise.
const USUAL_BOUNDS: (f64, f64) = (1e-5, 1e5);
/// Deeper texts are not read: nobody writes them.
const DEEPEST: usize = 50;

/// What functions are called, with the names of their arguments in order.
const FUNCTIONS: &[(&[&str], &[&str])] = &[
    (&["constant", "constantkernel"], &["constant_value", "constant_value_bounds"]),
    (&["white", "whitenoise", "whitekernel"], &["noise_level", "noise_level_bounds"]),
    (&["dotproduct"], &["sigma_0", "sigma_0_bounds"]),
    (&["rbf"], &["length_scale", "length_scale_bounds"]),
    (&["matern"], &["length_scale", "length_scale_bounds", "nu"]),
    (&["rationalquadratic"], &["length_scale", "alpha", "length_scale_bounds", "alpha_bounds"]),
    (&["expsinesquared"], &["length_scale", "periodicity", "length_scale_bounds", "periodicity_bounds"]),
];

/// The covariance function that `text` tells for rows of `d` features, and its numbers.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`], saying what was expected where.
pub fn parse(text: &str, d: usize) -> Result<(Covariance, Vec<Hyper>)> {
    let mut parser = Parser { text, at: 0, d, hypers: Vec::new(), depth: 0 };
    let covariance = parser.sum()?;
    parser.skip_space();
    if parser.at < text.len() {
        return Err(parser.expected("+ or * or the end"));
    }
    Ok((covariance, parser.hypers))
}

/// The text of a covariance function, which [`parse`] reads back to the bit.
pub fn to_text(covariance: &Covariance, hypers: &[Hyper]) -> String {
    let one = |h: usize| format!("{:?}, {}", hypers[h].value, bounds_text(hypers[h]));
    let two = |h: usize| {
        let (a, b) = (hypers[h], hypers[h + 1]);
        format!("{:?}, {:?}, {}, {}", a.value, b.value, bounds_text(a), bounds_text(b))
    };
    match covariance {
        Covariance::Sum(a, b) => format!("({} + {})", to_text(a, hypers), to_text(b, hypers)),
        Covariance::Product(a, b) => format!("({} * {})", to_text(a, hypers), to_text(b, hypers)),
        Covariance::Constant(h) => format!("constant({})", one(*h)),
        Covariance::White(h) => format!("white({})", one(*h)),
        Covariance::DotProduct(h) => format!("dot_product({})", one(*h)),
        Covariance::RationalQuadratic(h) => format!("rational_quadratic({})", two(*h)),
        Covariance::Periodic(h) => format!("exp_sine_squared({})", two(*h)),
        Covariance::Radial(shape, lengths) => {
            let (name, nu) = match shape {
                Shape::Rbf => ("rbf", ""),
                Shape::Matern12 => ("matern", ", 0.5"),
                Shape::Matern32 => ("matern", ", 1.5"),
                Shape::Matern52 => ("matern", ", 2.5"),
            };
            let hypers = &hypers[lengths.clone()];
            let mut values = String::new();
            hypers.iter().for_each(|h| {
                let _ = write!(values, "{:?},", h.value);
            });
            format!("{name}([{values}], {}{nu})", bounds_text(hypers[0]))
        }
    }
}

fn bounds_text(hyper: Hyper) -> String {
    hyper.bounds.map_or_else(|| "\"fixed\"".to_owned(), |(low, high)| format!("({low:?}, {high:?})"))
}

/// An argument.
#[derive(Debug, Clone)]
enum Argument {
    Number(f64),
    List(Vec<f64>),
    Text(String),
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    d: usize,
    hypers: Vec<Hyper>,
    depth: usize,
}

impl Parser<'_> {
    fn expected(&self, what: &str) -> Error {
        let rest: String = self.text[self.at..].chars().take(20).collect();
        Error::new(
            ErrorKind::InvalidParameter,
            format!("kernel \"{}\" of gaussian_process: expected {what} at \"{rest}\"", self.text),
        )
        .with_hint(
            "kernels are sums and products of constant, rbf, matern, rational_quadratic, dot_product, white_noise and \
             exp_sine_squared, for example 'constant(1) * rbf(1) + white_noise(0.1)'",
        )
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Whether `token` comes next, which is then passed.
    fn eat(&mut self, token: &str) -> bool {
        self.skip_space();
        let found = self.text[self.at..].starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn sum(&mut self) -> Result<Covariance> {
        let mut left = self.product()?;
        while self.eat("+") {
            left = Covariance::Sum(Box::new(left), Box::new(self.product()?));
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Covariance> {
        let mut left = self.factor()?;
        while self.eat("*") {
            left = Covariance::Product(Box::new(left), Box::new(self.factor()?));
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Covariance> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.expected("fewer parentheses"));
        }
        let factor = if self.eat("(") {
            let inner = self.sum()?;
            if !self.eat(")") {
                return Err(self.expected("a closing parenthesis"));
            }
            inner
        } else if let Some(mut value) = self.number() {
            // As scikit-learn shows constants: 1.41**2.
            if self.eat("**") {
                value = value.powf(self.number().ok_or_else(|| self.expected("an exponent"))?);
            }
            Covariance::Constant(self.hyper(value, Some(USUAL_BOUNDS))?)
        } else {
            self.function()?
        };
        self.depth -= 1;
        Ok(factor)
    }

    fn number(&mut self) -> Option<f64> {
        self.skip_space();
        let rest = &self.text[self.at..];
        if rest.starts_with("inf") {
            self.at += 3;
            return Some(f64::INFINITY);
        }
        let mut len = 0;
        for (i, c) in rest.char_indices() {
            let after_exponent = i > 0 && matches!(rest.as_bytes()[i - 1], b'e' | b'E');
            if !(c.is_ascii_digit()
                || c == '.'
                || (i > 0 && matches!(c, 'e' | 'E'))
                || (after_exponent && matches!(c, '+' | '-')))
            {
                break;
            }
            len = i + 1;
        }
        let value = rest[..len].parse().ok()?;
        self.at += len;
        Some(value)
    }

    fn word(&mut self) -> String {
        self.skip_space();
        let rest = &self.text[self.at..];
        let len = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        self.at += len;
        rest[..len].to_ascii_lowercase()
    }

    fn function(&mut self) -> Result<Covariance> {
        let start = self.at;
        let name = self.word().replace('_', "");
        let Some((names, arguments)) = FUNCTIONS.iter().find(|(names, _)| names.contains(&name.as_str())) else {
            self.at = start;
            return Err(self.expected("a kernel's name"));
        };
        let given = self.arguments(arguments)?;
        let value = |name: &str| arguments.iter().position(|a| *a == name).and_then(|place| given[place].clone());
        match names[0] {
            "constant" => Ok(Covariance::Constant(self.one(value(arguments[0]), value(arguments[1]))?)),
            "white" => Ok(Covariance::White(self.one(value(arguments[0]), value(arguments[1]))?)),
            "dotproduct" => Ok(Covariance::DotProduct(self.one(value(arguments[0]), value(arguments[1]))?)),
            "rationalquadratic" | "expsinesquared" => {
                let first = self.one(value(arguments[0]), value(arguments[2]))?;
                self.one(value(arguments[1]), value(arguments[3]))?;
                let rational = names[0] == "rationalquadratic";
                Ok(if rational { Covariance::RationalQuadratic(first) } else { Covariance::Periodic(first) })
            }
            _ => {
                let shape = match value("nu") {
                    _ if names[0] == "rbf" => Shape::Rbf,
                    None => Shape::Matern32,
                    Some(Argument::Number(0.5)) => Shape::Matern12,
                    Some(Argument::Number(1.5)) => Shape::Matern32,
                    Some(Argument::Number(2.5)) => Shape::Matern52,
                    Some(Argument::Number(f64::INFINITY)) => Shape::Rbf,
                    Some(_) => return Err(self.expected("nu of 0.5, 1.5, 2.5 or inf before")),
                };
                let bounds = self.bounds(value("length_scale_bounds"))?;
                let lengths = match value("length_scale") {
                    None => vec![1.0],
                    Some(Argument::Number(length)) => vec![length],
                    Some(Argument::List(lengths)) if lengths.len() == 1 || lengths.len() == self.d => lengths,
                    Some(_) => {
                        return Err(self.expected(&format!("one length scale, or {} (features), before", self.d)));
                    }
                };
                let first = self.hypers.len();
                for length in lengths {
                    self.hyper(length, bounds)?;
                }
                Ok(Covariance::Radial(shape, first..self.hypers.len()))
            }
        }
    }

    /// The arguments in parentheses, by their places among `names`.
    fn arguments(&mut self, names: &[&str]) -> Result<Vec<Option<Argument>>> {
        let mut given = vec![None; names.len()];
        if !self.eat("(") {
            return Err(self.expected("an opening parenthesis"));
        }
        let mut place = 0;
        while !self.eat(")") {
            let start = self.at;
            let name = self.word();
            let named = !name.is_empty() && self.eat("=");
            if named {
                place =
                    names.iter().position(|n| *n == name).ok_or_else(|| self.expected("a known argument before"))?;
            } else {
                self.at = start;
            }
            let argument = self.argument()?;
            *given.get_mut(place).ok_or_else(|| self.expected("fewer arguments before"))? = Some(argument);
            place += 1;
            self.skip_space();
            if !self.eat(",") && !self.text[self.at..].starts_with(')') {
                return Err(self.expected("a comma or a closing parenthesis"));
            }
        }
        Ok(given)
    }

    fn argument(&mut self) -> Result<Argument> {
        if let Some(number) = self.number() {
            return Ok(Argument::Number(number));
        }
        for quote in ["\"", "'"] {
            if self.eat(quote) {
                let text = self.word();
                return if self.eat(quote) { Ok(Argument::Text(text)) } else { Err(self.expected("a closing quote")) };
            }
        }
        let close = if self.eat("[") { "]" } else { ")" };
        if close == ")" && !self.eat("(") {
            return Err(self.expected("a number, a list or \"fixed\""));
        }
        let mut list = Vec::new();
        while !self.eat(close) {
            list.push(self.number().ok_or_else(|| self.expected("a number"))?);
            self.eat(",");
        }
        Ok(Argument::List(list))
    }

    fn bounds(&self, argument: Option<Argument>) -> Result<Option<(f64, f64)>> {
        match argument {
            None => Ok(Some(USUAL_BOUNDS)),
            Some(Argument::Text(text)) if text == "fixed" => Ok(None),
            Some(Argument::List(list)) => match list[..] {
                [low, high] if low > 0.0 && low <= high && high.is_finite() => Ok(Some((low, high))),
                _ => Err(self.expected("two ascending bounds above 0 before")),
            },
            Some(_) => Err(self.expected("bounds or \"fixed\" before")),
        }
    }

    fn one(&mut self, value: Option<Argument>, bounds: Option<Argument>) -> Result<usize> {
        let bounds = self.bounds(bounds)?;
        match value {
            None => self.hyper(1.0, bounds),
            Some(Argument::Number(value)) => self.hyper(value, bounds),
            Some(_) => Err(self.expected("a number before")),
        }
    }

    fn hyper(&mut self, value: f64, bounds: Option<(f64, f64)>) -> Result<usize> {
        if !(value > 0.0 && value.is_finite()) {
            return Err(self.expected("a number above 0 before"));
        }
        self.hypers.push(Hyper { value, bounds });
        Ok(self.hypers.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "1.5**2 * RBF(length_scale=[1, 2e-3]) + WhiteKernel(noise_level=0.1, noise_level_bounds='fixed')",
            "constant(1, (1e-3, 1e3)) * matern(2, nu=2.5) + dot_product() * (rational_quadratic(alpha=0.3) + 2)",
            "exp_sine_squared(1.1, 3, \"fixed\", (0.1, 10))",
        ] {
            let (covariance, hypers) = parse(text, 2).expect(text);
            let written = to_text(&covariance, &hypers);
            assert_eq!(parse(&written, 2).expect(&written), (covariance, hypers), "{text} as {written}");
        }
    }

    #[test]
    fn what_is_no_kernel_is_refused_with_the_place() {
        for bad in [
            "",
            "rbf",
            "rbf(",
            "rbf(-1)",
            "rbf(1) +",
            "rbf(1) rbf(2)",
            "tree(1)",
            "rbf([1,2,3])",
            "matern(nu=3)",
            "rbf(1, 'free')",
            "rbf(1, (2, 1))",
            "constant(0)",
            "rbf(scale=1)",
            "rbf(1, 'fixed', 3)",
            "é",
            &"(".repeat(1000),
        ] {
            let error = parse(bad, 2).expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{bad}");
        }
    }
}
