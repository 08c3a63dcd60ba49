//! A pickle machine that knows only what weights need. Classes are names, objects are their attributes, and three
//! functions can be called; nothing is imported or run.
//!
//! The project has a machine of its own although `pytorch-reader` exists. That crate refuses TorchScript archives, the
//! form in which OpenAI publishes CLIP; and this machine bounds the memory that a hostile pickle can take
//! (`MOST_VALUES`).

use std::collections::HashMap;

use super::opcode;

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

    /// Counts a value and all values inside it, each time it becomes a part of another one. The cost of a nest of values
    /// therefore grows with the square of its depth, so that [`MOST_VALUES`] bounds the depth as well.
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

    /// Runs the pickle to its end and returns the value on top of the stack.
    pub(super) fn run(mut self) -> Outcome<Value> {
        loop {
            match self.take(1)?[0] {
                opcode::STOP => return self.pop(),
                code => self.execute(code)?,
            }
        }
    }

    /// Runs one operation other than [`opcode::STOP`].
    fn execute(&mut self, code: u8) -> Outcome<()> {
        match code {
            opcode::PROTO => self.take(1).map(drop),
            opcode::FRAME => self.take(8).map(drop),
            opcode::MARK => self.push(Value::Mark),
            opcode::POP => self.pop().map(drop),
            opcode::POP_MARK => self.marked().map(drop),
            opcode::DUP => self.duplicate(),
            opcode::NONE | opcode::NEW_TRUE | opcode::NEW_FALSE => self.push(Value::Other),
            opcode::BIN_INT_1 => self.unsigned(1),
            opcode::BIN_INT_2 => self.unsigned(2),
            opcode::BIN_INT => self.signed(),
            opcode::LONG_1 => self.long(),
            opcode::BIN_FLOAT => self.float(),
            opcode::SHORT_BIN_STRING | opcode::SHORT_BIN_UNICODE => self.sized_text(1),
            opcode::BIN_STRING | opcode::BIN_UNICODE => self.sized_text(4),
            opcode::BIN_UNICODE_8 => self.sized_text(8),
            opcode::EMPTY_TUPLE => self.push(Value::Tuple(Vec::new())),
            opcode::EMPTY_LIST => self.push(Value::List(Vec::new())),
            opcode::EMPTY_DICT => self.push(Value::Map(Vec::new())),
            opcode::TUPLE => self.marked_as(Value::Tuple),
            opcode::LIST => self.marked_as(Value::List),
            opcode::DICT => self.dict(),
            opcode::TUPLE_1 => self.tuple_of(1),
            opcode::TUPLE_2 => self.tuple_of(2),
            opcode::TUPLE_3 => self.tuple_of(3),
            opcode::APPEND => self.append_top(),
            opcode::APPENDS => self.append_marked(),
            opcode::SET_ITEM => self.set_item(),
            opcode::SET_ITEMS => self.set_items(),
            opcode::BIN_PUT => self.put(1),
            opcode::LONG_BIN_PUT => self.put(4),
            opcode::MEMOIZE => self.remember(self.memo.len() as u32),
            opcode::BIN_GET => self.recall(1),
            opcode::LONG_BIN_GET => self.recall(4),
            opcode::GLOBAL => self.class_in_lines(),
            opcode::STACK_GLOBAL => self.class_on_stack(),
            opcode::BIN_PERSISTENT_ID => self.persistent(),
            opcode::REDUCE | opcode::NEW_OBJECT => self.call(),
            opcode::BUILD => self.build(),
            other => Err(format!("the pickle uses operation {other:#04x}, which weights do not need")),
        }
    }

    fn duplicate(&mut self) -> Outcome<()> {
        let copy = self.top()?.clone();
        self.push(copy)
    }

    fn unsigned(&mut self, bytes: usize) -> Outcome<()> {
        let number = self.number(bytes)? as i64;
        self.push(Value::Int(number))
    }

    fn signed(&mut self) -> Outcome<()> {
        let number = self.number(4)? as u32 as i32;
        self.push(Value::Int(number.into()))
    }

    /// A signed number of as many bytes as the first one says; weights have no use for more than eight.
    fn long(&mut self) -> Outcome<()> {
        let length = self.number(1)? as usize;
        let bytes = self.take(length)?;
        let negative = bytes.last().is_some_and(|b| b >> 7 == 1);
        let start = if negative { -1i64 } else { 0 };
        let number = bytes.iter().rev().take(8).fold(start, |n, &b| n << 8 | i64::from(b));
        self.push(if length <= 8 { Value::Int(number) } else { Value::Other })
    }

    fn float(&mut self) -> Outcome<()> {
        self.take(8)?;
        self.push(Value::Other)
    }

    fn sized_text(&mut self, bytes: usize) -> Outcome<()> {
        let length = self.number(bytes)?;
        let text = self.text(length)?;
        self.push(text)
    }

    fn marked_as(&mut self, make: fn(Vec<Value>) -> Value) -> Outcome<()> {
        let values = self.marked()?;
        self.push(make(values))
    }

    fn tuple_of(&mut self, count: usize) -> Outcome<()> {
        let start = self.stack.len().checked_sub(count).ok_or("the pickle takes more than it gave")?;
        let values = self.stack.split_off(start);
        self.push(Value::Tuple(values))
    }

    fn dict(&mut self) -> Outcome<()> {
        let values = self.marked()?;
        self.push(Value::Map(Vec::new()))?;
        self.add_entries(values)
    }

    fn append_top(&mut self) -> Outcome<()> {
        let value = self.pop()?;
        self.append(vec![value])
    }

    fn append_marked(&mut self) -> Outcome<()> {
        let values = self.marked()?;
        self.append(values)
    }

    fn set_item(&mut self) -> Outcome<()> {
        let (value, key) = (self.pop()?, self.pop()?);
        self.add_entries(vec![key, value])
    }

    fn set_items(&mut self) -> Outcome<()> {
        let values = self.marked()?;
        self.add_entries(values)
    }

    fn put(&mut self, bytes: usize) -> Outcome<()> {
        let key = self.number(bytes)? as u32;
        self.remember(key)
    }

    /// Copies the top of the stack into the memo.
    fn remember(&mut self, key: u32) -> Outcome<()> {
        let value = self.top()?.clone();
        self.count(&value)?;
        self.memo.insert(key, value);
        Ok(())
    }

    fn recall(&mut self, bytes: usize) -> Outcome<()> {
        let key = self.number(bytes)? as u32;
        let value = self.memo.get(&key).cloned().ok_or("the pickle recalls what it never kept")?;
        self.push(value)
    }

    fn class_in_lines(&mut self) -> Outcome<()> {
        let class = format!("{}.{}", self.line()?, self.line()?);
        self.push(Value::Class(class))
    }

    fn class_on_stack(&mut self) -> Outcome<()> {
        match (self.pop()?, self.pop()?) {
            (Value::Text(name), Value::Text(module)) => self.push(Value::Class(format!("{module}.{name}"))),
            _ => Err("a class without a name".into()),
        }
    }

    fn persistent(&mut self) -> Outcome<()> {
        let id = self.pop()?;
        let storage = storage(id)?;
        self.push(storage)
    }

    fn call(&mut self) -> Outcome<()> {
        let (arguments, class) = (self.pop()?, self.pop()?);
        let made = call(class, arguments)?;
        self.push(made)
    }

    /// Gives an object its state. Only attributes are kept: other states hold no weights.
    fn build(&mut self) -> Outcome<()> {
        let state = self.pop()?;
        self.count(&state)?;
        if let (Value::Map(entries), Value::Map(own)) = (state, self.top()?) {
            own.extend(entries);
        }
        Ok(())
    }

    fn append(&mut self, values: Vec<Value>) -> Outcome<()> {
        values.iter().try_for_each(|value| self.count(value))?;
        if let Value::List(own) = self.top()? {
            own.extend(values);
        }
        Ok(())
    }
}

/// Number of values inside a value, which is the cost of a copy.
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

/// The result of a call: a tensor, a parameter, or an empty object.
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
                return Err(
                    "a tensor whose shape and strides differ in length, or with more than 8 dimensions"
                        .into(),
                );
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
