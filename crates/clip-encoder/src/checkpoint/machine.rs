//! The machine that a pickle is a program for, as far as weights need it. Classes are names, objects are their attributes,
//! and calls are looked up in a list of three; nothing is imported or run.

use std::collections::HashMap;

/// Most values a pickle may hold, copies included.
const MOST_VALUES: usize = 1 << 18;

/// A result, or what is wrong with the file.
pub(super) type Outcome<T> = Result<T, String>;

/// A value of a pickle, as far as weights need it.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Anything without tensors inside: numbers, flags, functions.
    Other,
    Int(i64),
    Text(String),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    /// A dict, or an object by its attributes.
    Map(Vec<(Value, Value)>),
    Class(String),
    Storage {
        kind: String,
        key: String,
    },
    Tensor(Box<Tensor>),
    Mark,
}

/// Where a tensor's numbers lie.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) kind: String,
    pub(super) key: String,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// The stack machine of a pickle.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    memo: HashMap<u32, Value>,
    made: usize,
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, stack: Vec::new(), memo: HashMap::new(), made: 0 }
    }

    fn take(&mut self, count: usize) -> Outcome<&'a [u8]> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let taken = &self.bytes[self.at..end.ok_or("the pickle is cut off")?];
        self.at += count;
        Ok(taken)
    }

    fn number(&mut self, count: usize) -> Outcome<u64> {
        Ok(self.take(count)?.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte)))
    }

    fn line(&mut self) -> Outcome<String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&b| b == b'\n').ok_or("the pickle is cut off")?;
        self.at += length + 1;
        Ok(String::from_utf8_lossy(&rest[..length]).into_owned())
    }

    fn text(&mut self, length: u64) -> Outcome<Value> {
        let length = usize::try_from(length).map_err(|_| "a text does not fit")?;
        Ok(Value::Text(String::from_utf8_lossy(self.take(length)?).into_owned()))
    }

    /// Counts a value and what is inside it, each time it becomes a part of another: so what a nest of values costs grows with
    /// the square of its depth, and no deep one comes about.
    fn count(&mut self, value: &Value) -> Outcome<()> {
        self.made += 1 + size(value);
        if self.made > MOST_VALUES { Err("the pickle holds too many values".into()) } else { Ok(()) }
    }

    fn push(&mut self, value: Value) -> Outcome<()> {
        self.count(&value)?;
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Outcome<Value> {
        self.stack.pop().ok_or_else(|| "the pickle takes more than it gave".into())
    }

    /// The values above the last mark.
    fn marked(&mut self) -> Outcome<Vec<Value>> {
        let mark =
            self.stack.iter().rposition(|v| matches!(v, Value::Mark)).ok_or("the pickle misses a mark")?;
        let values = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(values)
    }

    fn top(&mut self) -> Outcome<&mut Value> {
        self.stack.last_mut().ok_or_else(|| "the pickle changes nothing".into())
    }

    fn add_entries(&mut self, values: Vec<Value>) -> Outcome<()> {
        values.iter().try_for_each(|value| self.count(value))?;
        if let Value::Map(entries) = self.top()? {
            let mut values = values.into_iter();
            while let (Some(key), Some(value)) = (values.next(), values.next()) {
                entries.push((key, value));
            }
        }
        Ok(())
    }

    /// Runs to the end; what is then on top is the file's value.
    pub(super) fn run(mut self) -> Outcome<Value> {
        loop {
            let code = self.take(1)?[0];
            match code {
                b'.' => return self.pop(),
                0x80 => drop(self.take(1)?),
                0x95 => drop(self.take(8)?),
                b'(' => self.push(Value::Mark)?,
                b'0' => drop(self.pop()?),
                b'1' => drop(self.marked()?),
                b'2' => {
                    let copy = self.top()?.clone();
                    self.push(copy)?;
                }
                b'}' => self.push(Value::Map(Vec::new()))?,
                b']' => self.push(Value::List(Vec::new()))?,
                b')' => self.push(Value::Tuple(Vec::new()))?,
                b'N' | 0x88 | 0x89 => self.push(Value::Other)?,
                b'K' => self.integer(1)?,
                b'M' => self.integer(2)?,
                b'J' => {
                    let number = self.number(4)? as u32 as i32;
                    self.push(Value::Int(number.into()))?;
                }
                0x8a => {
                    let length = self.number(1)? as usize;
                    let bytes = self.take(length)?;
                    let negative = bytes.last().is_some_and(|b| b >> 7 == 1);
                    let start = if negative { -1i64 } else { 0 };
                    let number = bytes.iter().rev().take(8).fold(start, |n, &b| n << 8 | i64::from(b));
                    self.push(if length <= 8 { Value::Int(number) } else { Value::Other })?;
                }
                b'G' => {
                    self.take(8)?;
                    self.push(Value::Other)?;
                }
                b'X' => self.sized_text(4)?,
                0x8c => self.sized_text(1)?,
                0x8d => self.sized_text(8)?,
                b'U' => self.sized_text(1)?,
                b'T' => self.sized_text(4)?,
                b'c' => {
                    let class = format!("{}.{}", self.line()?, self.line()?);
                    self.push(Value::Class(class))?;
                }
                0x93 => match (self.pop()?, self.pop()?) {
                    (Value::Text(name), Value::Text(module)) => {
                        self.push(Value::Class(format!("{module}.{name}")))?
                    }
                    _ => return Err("a class without a name".into()),
                },
                b'q' => self.remember(1)?,
                b'r' => self.remember(4)?,
                0x94 => {
                    let (key, value) = (self.memo.len() as u32, self.top()?.clone());
                    self.count(&value)?;
                    self.memo.insert(key, value);
                }
                b'h' => self.recall(1)?,
                b'j' => self.recall(4)?,
                b't' => {
                    let values = self.marked()?;
                    self.push(Value::Tuple(values))?;
                }
                0x85..=0x87 => {
                    let count = usize::from(code - 0x84);
                    let start =
                        self.stack.len().checked_sub(count).ok_or("the pickle takes more than it gave")?;
                    let values = self.stack.split_off(start);
                    self.push(Value::Tuple(values))?;
                }
                b'l' => {
                    let values = self.marked()?;
                    self.push(Value::List(values))?;
                }
                b'd' => {
                    let values = self.marked()?;
                    self.push(Value::Map(Vec::new()))?;
                    self.add_entries(values)?;
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.add_entries(vec![key, value])?;
                }
                b'u' => {
                    let values = self.marked()?;
                    self.add_entries(values)?;
                }
                b'a' => {
                    let value = self.pop()?;
                    self.append(vec![value])?;
                }
                b'e' => {
                    let values = self.marked()?;
                    self.append(values)?;
                }
                b'Q' => {
                    let id = self.pop()?;
                    let storage = storage(id)?;
                    self.push(storage)?;
                }
                b'R' | 0x81 => {
                    let (arguments, class) = (self.pop()?, self.pop()?);
                    let made = call(class, arguments)?;
                    self.push(made)?;
                }
                b'b' => {
                    let state = self.pop()?;
                    self.count(&state)?;
                    // An object's state is its attributes; other states say nothing of weights.
                    if let (Value::Map(entries), Value::Map(own)) = (state, self.top()?) {
                        own.extend(entries);
                    }
                }
                other => {
                    return Err(format!("the pickle uses operation {other:#04x}, which weights do not need"));
                }
            }
        }
    }

    fn integer(&mut self, bytes: usize) -> Outcome<()> {
        let number = self.number(bytes)? as i64;
        self.push(Value::Int(number))
    }

    fn sized_text(&mut self, bytes: usize) -> Outcome<()> {
        let length = self.number(bytes)?;
        let text = self.text(length)?;
        self.push(text)
    }

    fn remember(&mut self, bytes: usize) -> Outcome<()> {
        let (key, value) = (self.number(bytes)? as u32, self.top()?.clone());
        self.count(&value)?;
        self.memo.insert(key, value);
        Ok(())
    }

    fn recall(&mut self, bytes: usize) -> Outcome<()> {
        let key = self.number(bytes)? as u32;
        let value = self.memo.get(&key).cloned().ok_or("the pickle recalls what it never kept")?;
        self.push(value)
    }

    fn append(&mut self, values: Vec<Value>) -> Outcome<()> {
        values.iter().try_for_each(|value| self.count(value))?;
        if let Value::List(own) = self.top()? {
            own.extend(values);
        }
        Ok(())
    }
}

/// Values inside a value: what a copy of it costs.
fn size(value: &Value) -> usize {
    match value {
        Value::Tuple(values) | Value::List(values) => values.iter().map(|v| 1 + size(v)).sum(),
        Value::Map(entries) => entries.iter().map(|(key, value)| 2 + size(key) + size(value)).sum(),
        Value::Text(text) => text.len() / 64,
        _ => 0,
    }
}

/// `('storage', class, key, device, count)`.
fn storage(id: Value) -> Outcome<Value> {
    match id {
        Value::Tuple(parts) => match &parts[..] {
            [Value::Text(word), Value::Class(kind), Value::Text(key), ..] if word == "storage" => {
                Ok(Value::Storage { kind: kind.clone(), key: key.clone() })
            }
            _ => Err("a tensor without a storage".into()),
        },
        _ => Err("a tensor without a storage".into()),
    }
}

/// What a call gives: a tensor, a parameter, or an empty object.
fn call(class: Value, arguments: Value) -> Outcome<Value> {
    let Value::Class(name) = class else { return Ok(Value::Other) };
    let arguments = match arguments {
        Value::Tuple(arguments) => arguments,
        _ => Vec::new(),
    };
    match (name.as_str(), &arguments[..]) {
        (
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor",
            [
                Value::Storage { kind, key },
                Value::Int(offset),
                Value::Tuple(shape),
                Value::Tuple(strides),
                ..,
            ],
        ) => {
            let sizes = |values: &[Value]| -> Outcome<Vec<usize>> {
                let size = |value: &Value| match value {
                    Value::Int(n) => {
                        usize::try_from(*n).map_err(|_| "a tensor with a negative side".to_owned())
                    }
                    _ => Err("a tensor whose shape is no number".into()),
                };
                values.iter().map(size).collect()
            };
            let offset = usize::try_from(*offset).map_err(|_| "a tensor with a negative offset")?;
            let (shape, strides) = (sizes(shape)?, sizes(strides)?);
            if shape.len() != strides.len() || shape.len() > 8 {
                return Err("a tensor with as many sides as it has no strides for".into());
            }
            Ok(Value::Tensor(Box::new(Tensor {
                kind: kind.clone(),
                key: key.clone(),
                offset,
                shape,
                strides,
            })))
        }
        ("torch._utils._rebuild_parameter", [tensor @ Value::Tensor(_), ..]) => Ok(tensor.clone()),
        _ => Ok(Value::Map(Vec::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_pickles_are_refused() {
        let refused = |bytes: &[u8]| Machine::new(bytes).run().is_err();
        assert!(
            refused(b"")
                && refused(b"\x80\x02")
                && refused(b"R.")
                && refused(b"h\x05.")
                && refused(b"X\xff\xff\xff\x7fa.")
        );
        assert!(refused(b"\x80\x02i__builtin__\neval\n."), "an operation that is not needed");
        // A list put into itself again and again would be endless.
        let mut bomb = b"\x80\x02]q\x00".to_vec();
        for _ in 0..60 {
            bomb.extend(b"h\x00h\x00\x86q\x00");
        }
        bomb.push(b'.');
        assert!(refused(&bomb));
    }
}
