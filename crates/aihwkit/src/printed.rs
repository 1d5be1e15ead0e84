//! The text that Python prints for a configuration: `InferenceRPUConfig(forward=IOParameters(out_bound=10.0), …)`.
//!
//! The grammar is that of `str(rpu_config)` and `repr(rpu_config)`, and of such expressions written by hand: calls with
//! named arguments, numbers, strings, lists, tuples, dictionaries, members of enumerations, comments.

use std::collections::HashSet;

use crate::node::{Node, Object};
use ohmgrad_analog::Error;

/// The largest depth of nesting, beyond any configuration; it protects the stack.
const DEPTH: usize = 64;

pub(crate) fn parse(text: &str) -> Result<Node, Error> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let node = parser.value()?;
    parser.space();
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.error("something follows the configuration")),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, message: impl Into<String>) -> Error {
        Error::Parse {
            format: "aihwkit configuration",
            line: Some(1 + self.text[..self.at].matches('\n').count()),
            message: message.into(),
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn space(&mut self) {
        while let Some(c) = self.peek() {
            if c == '#' {
                self.take_while(|c| c != '\n');
            } else if c.is_whitespace() {
                self.at += c.len_utf8();
            } else {
                return;
            }
        }
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.space();
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn value(&mut self) -> Result<Node, Error> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.error("nested too deeply"));
        }
        self.space();
        let value = match self.peek() {
            None => Err(self.error("the text ends where a value is expected")),
            Some('[') => self.items('[', ']').map(Node::List),
            Some('(') => self.items('(', ')').map(Node::List),
            Some('{') => self.dict(),
            Some('<') => self.angle(),
            Some(quote @ ('"' | '\'')) => self.string(quote).map(Node::Text),
            Some(c) if c.is_alphabetic() || c == '_' => self.name(),
            Some(c) if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => self.number(),
            Some(c) => Err(self.error(format!("`{c}` where a value is expected"))),
        };
        self.depth -= 1;
        value
    }

    /// Values between brackets, separated by commas.
    fn items(&mut self, open: char, close: char) -> Result<Vec<Node>, Error> {
        let mut items = vec![];
        self.separated(open, close, |parser| {
            items.push(parser.value()?);
            Ok(())
        })?;
        Ok(items)
    }

    fn separated(
        &mut self,
        open: char,
        close: char,
        mut item: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.eat(open);
        loop {
            if self.eat(close) {
                return Ok(());
            }
            item(self)?;
            if !self.eat(',') {
                return if self.eat(close) { Ok(()) } else { Err(self.error(format!("`,` or `{close}` is missing"))) };
            }
        }
    }

    fn dict(&mut self) -> Result<Node, Error> {
        let mut entries = vec![];
        self.separated('{', '}', |parser| {
            let key = parser.value()?;
            if !parser.eat(':') {
                return Err(parser.error("`:` is missing in a dictionary"));
            }
            entries.push((key, parser.value()?));
            Ok(())
        })?;
        Ok(Node::Dict(entries))
    }

    /// A member of an enumeration, `<PulseType.NONE: 'None'>`, or an opaque object, `<class '…'>`.
    fn angle(&mut self) -> Result<Node, Error> {
        let rest = &self.text[self.at..];
        let mut depth = 0_usize;
        for (i, c) in rest.char_indices() {
            match c {
                '<' => depth += 1,
                '>' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.at += i + 1;
                let inner = &rest[1..i];
                let member = inner.split_once(':').and_then(|(name, _)| name.rsplit_once('.'));
                return Ok(match member {
                    Some((_, member)) if !inner.contains(' ') || inner.contains(": ") => Node::Text(member.into()),
                    _ => Node::Opaque(rest[..=i].into()),
                });
            }
        }
        Err(self.error("`>` is missing"))
    }

    fn string(&mut self, quote: char) -> Result<String, Error> {
        let mut string = String::new();
        let mut escaped = false;
        for (i, c) in self.text[self.at..].char_indices().skip(1) {
            match c {
                _ if escaped => {
                    string.push(match c {
                        'n' => '\n',
                        't' => '\t',
                        c => c,
                    });
                    escaped = false;
                }
                '\\' => escaped = true,
                c if c == quote => {
                    self.at += i + 1;
                    return Ok(string);
                }
                c => string.push(c),
            }
        }
        Err(self.error("a string does not end"))
    }

    fn number(&mut self) -> Result<Node, Error> {
        let from = self.at;
        if self.text[from..].starts_with("...") {
            self.at += 3;
            return Ok(Node::Opaque("...".into()));
        }
        let mut before = ' ';
        let rest = &self.text[from..];
        let end = rest
            .char_indices()
            .find(|&(i, c)| {
                let sign = matches!(c, '-' | '+') && (i == 0 || matches!(before, 'e' | 'E'));
                before = c;
                !(sign || c.is_alphanumeric() || matches!(c, '.' | '_'))
            })
            .map_or(rest.len(), |(i, _)| i);
        let digits = rest[..end].replace('_', "");
        let node = match digits.parse::<i64>() {
            Ok(number) => Node::Integer(number),
            Err(_) => match digits.parse::<f64>() {
                Ok(number) => Node::Number(number),
                Err(_) => return Err(self.error(format!("`{digits}` is not a number"))),
            },
        };
        self.at += end;
        Ok(node)
    }

    /// A call, a member of an enumeration, or a constant such as `None`.
    fn name(&mut self) -> Result<Node, Error> {
        let name = self.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
        self.space();
        if self.peek() == Some('(') {
            return self.call(name);
        }
        Ok(match name {
            "None" => Node::None,
            "True" => Node::Bool(true),
            "False" => Node::Bool(false),
            "nan" => Node::Number(f64::NAN),
            "inf" => Node::Number(f64::INFINITY),
            _ => Node::Text(name.rsplit('.').next().unwrap_or(name).into()),
        })
    }

    fn call(&mut self, name: &str) -> Result<Node, Error> {
        let class = name.rsplit('.').next().unwrap_or(name);
        let (mut fields, mut positional) = (Vec::<(String, Node)>::new(), vec![]);
        let mut names = HashSet::new();
        self.separated('(', ')', |parser| {
            parser.space();
            let from = parser.at;
            let name = parser.take_while(|c| c.is_alphanumeric() || c == '_');
            if name.is_empty() || !parser.eat('=') {
                parser.at = from;
                positional.push(parser.value()?);
                return Ok(());
            }
            if !names.insert(name) {
                return Err(parser.error(format!("`{name}` is given twice")));
            }
            fields.push((name.into(), parser.value()?));
            Ok(())
        })?;
        // tensor([1.0, 2.0], dtype=…), array([…]), np.float64(0.5): only the value counts.
        let wraps =
            matches!(class, "tensor" | "array" | "Parameter" | "float32" | "float64" | "int64" | "float" | "int");
        match positional.len() {
            0 => Ok(Node::Object(Object { class: class.into(), bases: vec![], fields })),
            1 if wraps => Ok(positional.remove(0)),
            _ => Err(self.error(format!("{class}: an argument without its name"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_of_all_kinds() {
        let node = parse(
            "a.B(x=1, y=[-2.5e-07, 1_000], z={1.0: [None], 'k': (True,)},\n  # a comment\n  \
             e=<Kind.ABS_MAX: 'AbsMax'>, f=Kind.NONE, c=<class 'a.B'>, t=tensor([0.5], dtype=torch.float64),)",
        )
        .unwrap();
        assert_eq!(
            node.to_string(),
            "B(x=1, y=[-2.5e-7, 1000], z={1: [None], k: [True]}, e=ABS_MAX, f=NONE, c=<class 'a.B'>, t=[0.5])"
        );
    }

    #[test]
    fn mistakes_are_reported_with_their_lines() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(message("A(\n  x=1\n  y=2)"), "not valid aihwkit configuration, line 3: `,` or `)` is missing");
        assert!(message("A(x=1, x=2)").ends_with("`x` is given twice"));
        assert!(message("A(x=1) and more").ends_with("something follows the configuration"));
        assert!(message("A(x=2**7)").ends_with("`,` or `)` is missing"));
        assert!(message("A(3)").ends_with("A: an argument without its name"));
        assert!(message("A(x='").ends_with("a string does not end"));
        assert!(message("").ends_with("the text ends where a value is expected"));
        assert!(message(&"[".repeat(100_000)).ends_with("nested too deeply"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "[A-Za-z(){}\\[\\]<>=,.:'\"0-9 e+\\-\n#…\\\\]{0,40}") {
            let _ = parse(&text);
        }
    }
}
