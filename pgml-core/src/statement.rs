//! Models as statements, as users of other databases write them: `CREATE MODEL … USING … PREDICT … FROM …`, `DROP MODEL`,
//! `SHOW MODELS`.

use serde_json::{Map, Number, Value};

use crate::{Error, ErrorKind, Result, Task};

/// What a statement says.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// Train a model.
    Create(Create),
    /// Drop a project.
    Drop {
        /// Its name.
        name: String,
        /// Whether it need not exist.
        if_exists: bool,
    },
    /// List projects.
    Show,
}

/// What `CREATE MODEL` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Create {
    /// The project.
    pub name: String,
    /// What it is for, where the statement tells: `TYPE regression`, or an algorithm like `logistic_regression`.
    pub task: Option<Task>,
    /// The algorithm's SQL name; `None` without `USING`.
    pub algorithm: Option<String>,
    /// Its hyperparameters.
    pub hyperparams: Map<String, Value>,
    /// The columns to predict.
    pub labels: Vec<String>,
    /// The relation, as it was written.
    pub relation: String,
}

/// Names that other systems give to an algorithm for one task.
const SYNONYMS: &[(&str, &str, Task)] = &[
    ("linear_regression", "linear", Task::Regression),
    ("logistic_regression", "linear", Task::Classification),
    ("random_forest_regressor", "random_forest", Task::Regression),
    ("random_forest_classifier", "random_forest", Task::Classification),
    ("decision_tree_regressor", "decision_tree", Task::Regression),
    ("decision_tree_classifier", "decision_tree", Task::Classification),
    ("boosted_tree_regressor", "xgboost", Task::Regression),
    ("boosted_tree_classifier", "xgboost", Task::Classification),
    ("gradient_boosting_regressor", "gradient_boosting_trees", Task::Regression),
    ("gradient_boosting_classifier", "gradient_boosting_trees", Task::Classification),
    ("xgboost_regressor", "xgboost", Task::Regression),
    ("xgboost_classifier", "xgboost", Task::Classification),
    ("lightgbm_regressor", "lightgbm", Task::Regression),
    ("lightgbm_classifier", "lightgbm", Task::Classification),
    ("catboost_regressor", "catboost", Task::Regression),
    ("catboost_classifier", "catboost", Task::Classification),
    ("svc", "svm", Task::Classification),
    ("svr", "svm", Task::Regression),
];

const HINT: &str = "CREATE MODEL name [TYPE task] [USING algorithm (param = value, …)] PREDICT column FROM relation; DROP MODEL [IF EXISTS] name; SHOW MODELS";

/// Reads one statement.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`], with what was expected where.
pub fn parse(text: &str) -> Result<Statement> {
    let mut words = Words { tokens: tokens(text)?, next: 0 };
    let statement = if words.accept("CREATE") {
        words.expect("MODEL")?;
        Statement::Create(words.create()?)
    } else if words.accept("DROP") {
        words.expect("MODEL")?;
        let if_exists = words.accept("IF");
        if if_exists {
            words.expect("EXISTS")?;
        }
        Statement::Drop { name: words.name("the name of a model")?, if_exists }
    } else {
        words.expect_one_of("SHOW", "CREATE MODEL, DROP MODEL or SHOW MODELS")?;
        words.expect("MODELS")?;
        Statement::Show
    };
    words.accept_symbol(";");
    match words.peek() {
        None => Ok(statement),
        Some(_) => Err(words.unexpected("the end of the statement")),
    }
}

/// A piece of a statement.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A bare word: a keyword or a name, as it was written.
    Word(String),
    /// `"quoted"`: a name.
    Quoted(String),
    /// `'a text'`.
    Text(String),
    /// A number.
    Number(Number),
    /// A character that stands for itself.
    Symbol(String),
}

impl Token {
    fn shown(&self) -> String {
        match self {
            Self::Word(word) => word.clone(),
            Self::Quoted(name) => format!("\"{name}\""),
            Self::Text(text) => format!("'{text}'"),
            Self::Number(number) => number.to_string(),
            Self::Symbol(symbol) => symbol.clone(),
        }
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidParameter, message).with_hint(HINT)
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '"' => quoted(rest, '"').map(|(name, length)| (Token::Quoted(name), length))?,
            '\'' => quoted(rest, '\'').map(|(text, length)| (Token::Text(text), length))?,
            c if c.is_alphabetic() || c == '_' => {
                let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
                (Token::Word(rest[..length].to_owned()), length)
            }
            c if c.is_ascii_digit() || ((c == '-' || c == '+' || c == '.') && starts_number(&rest[1..])) => {
                number(rest)?
            }
            c => (Token::Symbol(c.to_string()), c.len_utf8()),
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

fn starts_number(rest: &str) -> bool {
    rest.starts_with(|c: char| c.is_ascii_digit() || c == '.')
}

/// What stands between quotes, of which two mean one; and how long it is with them.
fn quoted(text: &str, quote: char) -> Result<(String, usize)> {
    let mut inside = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            inside.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            inside.push(quote);
        } else {
            return Ok((inside, at + quote.len_utf8()));
        }
    }
    Err(wrong(format!("{quote}{inside} has no closing quote")))
}

fn number(text: &str) -> Result<(Token, usize)> {
    let mut length = 1;
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(length) {
        let after_exponent = matches!(bytes[length - 1], b'e' | b'E');
        if byte.is_ascii_alphanumeric() || *byte == b'.' || (after_exponent && matches!(byte, b'-' | b'+')) {
            length += 1;
        } else {
            break;
        }
    }
    let written = text[..length].trim_start_matches('+');
    let whole = written.parse::<i64>().ok().map(Number::from);
    match whole.or_else(|| written.parse::<f64>().ok().and_then(Number::from_f64)) {
        Some(number) => Ok((Token::Number(number), length)),
        None => Err(wrong(format!("{written} is no number"))),
    }
}

struct Words {
    tokens: Vec<Token>,
    next: usize,
}

impl Words {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn accept(&mut self, keyword: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.next += usize::from(is_it);
        is_it
    }

    fn accept_symbol(&mut self, symbol: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Symbol(given)) if given == symbol);
        self.next += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, keyword: &str) -> Result<()> {
        self.expect_one_of(keyword, keyword)
    }

    fn expect_one_of(&mut self, keyword: &str, what: &str) -> Result<()> {
        if self.accept(keyword) { Ok(()) } else { Err(self.unexpected(what)) }
    }

    fn unexpected(&self, expected: &str) -> Error {
        let given = self
            .peek()
            .map_or_else(|| "the statement ends".to_owned(), |token| format!("\"{}\" stands", token.shown()));
        wrong(format!("{given} where {expected} was expected"))
    }

    /// A name: bare ones in lower case, as everywhere in SQL.
    fn name(&mut self, what: &str) -> Result<String> {
        let name = match self.peek() {
            Some(Token::Word(word)) => word.to_lowercase(),
            Some(Token::Quoted(name) | Token::Text(name)) => name.clone(),
            _ => return Err(self.unexpected(what)),
        };
        self.next += 1;
        Ok(name)
    }

    fn create(&mut self) -> Result<Create> {
        let name = self.name("the name of a model")?;
        let mut task = if self.accept("TYPE") { Some(self.name("a task")?.parse::<Task>()?) } else { None };
        let (mut algorithm, mut hyperparams) = (None, Map::new());
        if self.accept("USING") {
            let given = self.name("the name of an algorithm")?;
            let synonym = SYNONYMS.iter().find(|(name, ..)| *name == given);
            if let Some((_, _, of_synonym)) = synonym {
                if task.is_some_and(|task| task != *of_synonym) {
                    return Err(wrong(format!("{given} is for {of_synonym}, but the statement says another TYPE")));
                }
                task = Some(*of_synonym);
            }
            algorithm = Some(synonym.map_or(given, |(_, name, _)| (*name).to_owned()));
            if self.accept_symbol("(") {
                hyperparams = self.hyperparams()?;
            }
        }
        let mut labels = Vec::new();
        if self.accept("PREDICT") {
            labels.push(self.name("the column to predict")?);
            while self.accept_symbol(",") {
                labels.push(self.name("a column to predict")?);
            }
        }
        self.expect_one_of("FROM", if labels.is_empty() { "PREDICT or FROM" } else { "FROM" })?;
        let mut relation = self.part_of_relation()?;
        if self.accept_symbol(".") {
            relation = format!("{relation}.{}", self.part_of_relation()?);
        }
        Ok(Create { name, task, algorithm, hyperparams, labels, relation })
    }

    /// A part of a relation's name, quoted unless it was bare.
    fn part_of_relation(&mut self) -> Result<String> {
        let is_bare = matches!(self.peek(), Some(Token::Word(_)));
        let name = self.name("the name of a relation")?;
        Ok(if is_bare { name } else { format!("\"{}\"", name.replace('"', "\"\"")) })
    }

    fn hyperparams(&mut self) -> Result<Map<String, Value>> {
        let mut hyperparams = Map::new();
        if self.accept_symbol(")") {
            return Ok(hyperparams);
        }
        loop {
            let is_quoted = !matches!(self.peek(), Some(Token::Word(_)));
            let written = self.peek().map(Token::shown).unwrap_or_default();
            let name = self.name("the name of a hyperparameter")?;
            // Some have capitals, as scikit-learn's C has.
            let name = if is_quoted { name } else { written };
            if !self.accept_symbol("=") {
                return Err(self.unexpected("="));
            }
            self.accept_symbol(">");
            let value = self.value()?;
            if hyperparams.insert(name.clone(), value).is_some() {
                return Err(wrong(format!("hyperparameter {name} is given twice")));
            }
            if self.accept_symbol(")") {
                return Ok(hyperparams);
            }
            if !self.accept_symbol(",") {
                return Err(self.unexpected(", or )"));
            }
        }
    }

    /// A number, a text, a word, or several in brackets.
    fn value(&mut self) -> Result<Value> {
        if self.accept_symbol("[") {
            let mut list = Vec::new();
            while !self.accept_symbol("]") {
                if !list.is_empty() && !self.accept_symbol(",") {
                    return Err(self.unexpected(", or ]"));
                }
                list.push(self.value()?);
            }
            return Ok(Value::Array(list));
        }
        let value = match self.peek() {
            Some(Token::Number(number)) => Value::Number(number.clone()),
            Some(Token::Text(text) | Token::Quoted(text)) => Value::String(text.clone()),
            Some(Token::Word(word)) => match word.to_lowercase().as_str() {
                "true" | "on" => Value::Bool(true),
                "false" | "off" => Value::Bool(false),
                "null" | "none" => Value::Null,
                _ => Value::String(word.clone()),
            },
            _ => return Err(self.unexpected("a value")),
        };
        self.next += 1;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn created(text: &str) -> Create {
        match parse(text) {
            Ok(Statement::Create(create)) => create,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_model_is_created_with_its_parameters() {
        let create = created(
            "CREATE MODEL iris_model USING logistic_regression (max_iter = 200, C = 0.5, solver = 'lbfgs') PREDICT species FROM iris_data",
        );
        assert_eq!(create.name, "iris_model");
        assert_eq!((create.task, create.algorithm.as_deref()), (Some(Task::Classification), Some("linear")));
        assert_eq!(Value::Object(create.hyperparams), json!({"max_iter": 200, "C": 0.5, "solver": "lbfgs"}));
        assert_eq!((create.labels, create.relation), (vec!["species".to_owned()], "iris_data".to_owned()));
    }

    #[test]
    fn names_follow_the_rules_of_sql() {
        let create =
            created("create model \"My Model\" type regression predict Price, \"Área\" from Sales.\"Of 2024\";");
        assert_eq!((create.name.as_str(), create.task, create.algorithm), ("My Model", Some(Task::Regression), None));
        assert_eq!(create.labels, ["price", "Área"]);
        assert_eq!(create.relation, "sales.\"Of 2024\"");
    }

    #[test]
    fn values_are_numbers_texts_words_and_lists() {
        let create = created(
            "CREATE MODEL m USING mlp (a=[100, 50], b = -1e-3, c => TRUE, d = none, e = 'it''s', f = relu) FROM t",
        );
        let expected = json!({"a": [100, 50], "b": -0.001, "c": true, "d": null, "e": "it's", "f": "relu"});
        assert_eq!(Value::Object(create.hyperparams), expected);
        assert!(create.labels.is_empty(), "clustering has no label");
    }

    #[test]
    fn models_are_dropped_and_shown() {
        assert_eq!(parse("DROP MODEL m"), Ok(Statement::Drop { name: "m".to_owned(), if_exists: false }));
        assert_eq!(parse("drop model if exists M;"), Ok(Statement::Drop { name: "m".to_owned(), if_exists: true }));
        assert_eq!(parse(" SHOW MODELS "), Ok(Statement::Show));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_was_expected() {
        for (text, message) in [
            ("", "the statement ends where CREATE MODEL, DROP MODEL or SHOW MODELS was expected"),
            ("SELECT 1", "\"SELECT\" stands where CREATE MODEL, DROP MODEL or SHOW MODELS was expected"),
            ("CREATE MODEL", "the statement ends where the name of a model was expected"),
            ("CREATE MODEL m USING x (a 1) FROM t", "\"1\" stands where = was expected"),
            ("CREATE MODEL m USING x (a = 1, a = 2) FROM t", "hyperparameter a is given twice"),
            ("CREATE MODEL m USING x (a = 1", "the statement ends where , or ) was expected"),
            ("CREATE MODEL m PREDICT y", "the statement ends where FROM was expected"),
            ("CREATE MODEL m FROM t WHERE x", "\"WHERE\" stands where the end of the statement was expected"),
            ("CREATE MODEL 'm FROM t", "'m FROM t has no closing quote"),
            ("CREATE MODEL m USING x (a = 1.2.3) FROM t", "1.2.3 is no number"),
            (
                "CREATE MODEL m TYPE regression USING logistic_regression FROM t",
                "logistic_regression is for classification, but the statement says another TYPE",
            ),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.message(), message);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic() {
        let mut rng = fastrand::Rng::with_seed(9);
        let pieces = [
            "CREATE", "MODEL", "USING", "(", ")", "[", "]", "=", ",", "'", "\"", "''", "é", "1e", "-", ".", "1.5", " ",
            ";", "PREDICT", "FROM", "\u{0}",
        ];
        for _ in 0..20_000 {
            let text: String = (0..rng.usize(0..14)).map(|_| pieces[rng.usize(..pieces.len())]).collect();
            let _ = parse(&text);
            let _ = parse(&format!("CREATE MODEL m USING x ({text}"));
        }
    }
}
