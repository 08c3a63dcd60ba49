//! Import of `NAME_id2title_emb.pth` and its like: a dict of tensors saved by PyTorch.
//!
//! The archive's pickle is interpreted by a machine that knows the dozen opcodes such a file needs and the
//! names of tensors and storages; any other name in it is an error. No code of the file runs.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use half::{bf16, f16};
use zip::ZipArchive;

use crate::embeddings::EmbeddingTable;
use crate::error::{Error, Result};

/// Largest pickle and largest storage accepted, in bytes.
const MAX_MEMBER: u64 = 4 << 30;

/// Reads a dict of tensors of shape `[dim]` or `[1, dim]`.
///
/// `item_of` says which item a key belongs to; keys without an item are counted in the second result. Vectors
/// with NaN or infinity are left out and counted in [`EmbeddingTable::refused`].
///
/// # Errors
/// A damaged archive, a pickle with anything but tensors in it, or a tensor of another width.
pub fn import_pth(
    path: &Path,
    items: usize,
    mut item_of: impl FnMut(&str) -> Option<u32>,
) -> Result<(EmbeddingTable, u64)> {
    let fail = |message: String| Error::damaged(path, message);
    let file = File::open(path).map_err(Error::io(path, "cannot open"))?;
    let mut archive =
        ZipArchive::new(BufReader::new(file)).map_err(|e| fail(format!("no readable archive: {e}")))?;
    let names = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned()));
    let pickle_name = names.into_iter().find(|name| name.ends_with("/data.pkl") || name == "data.pkl");
    let Some(pickle_name) = pickle_name else {
        return Err(fail("the archive holds no data.pkl".into()));
    };
    let folder = pickle_name.strip_suffix("data.pkl").unwrap_or_default().to_owned();
    let pickle = member(&mut archive, &pickle_name).map_err(fail)?;
    let Value::Dict(entries) = Machine::run(&pickle).map_err(|e| fail(format!("{pickle_name}: {e}")))? else {
        return Err(fail("its pickle is no dict".into()));
    };
    let mut storages: HashMap<Rc<str>, Vec<u8>> = HashMap::new();
    let mut table: Option<EmbeddingTable> = None;
    let mut extra = 0;
    let mut vector = Vec::new();
    for (key, value) in entries {
        let (Value::Str(key), Value::Tensor(tensor)) = (key, value) else {
            return Err(fail("an entry that is no named tensor".into()));
        };
        let Some(item) = item_of(&key) else {
            extra += 1;
            continue;
        };
        if !storages.contains_key(&tensor.storage) {
            // One storage an item is the usual case: keeping only the last bounds memory.
            storages.clear();
            let bytes = member(&mut archive, &format!("{folder}data/{}", tensor.storage)).map_err(fail)?;
            storages.insert(tensor.storage.clone(), bytes);
        }
        tensor
            .read(&storages[&tensor.storage], &mut vector)
            .map_err(|e| fail(format!("key `{key}`: {e}")))?;
        if table.is_none() {
            table = Some(EmbeddingTable::new(items, vector.len())?);
        }
        if let Some(table) = &mut table {
            table.set(item, &vector).map_err(|e| fail(format!("key `{key}`: {e}")))?;
        }
    }
    let table = table.ok_or_else(|| fail(format!("none of its {extra} keys is an item of the corpus")))?;
    Ok((table, extra))
}

fn member(archive: &mut ZipArchive<BufReader<File>>, name: &str) -> std::result::Result<Vec<u8>, String> {
    let file = archive.by_name(name).map_err(|e| format!("{name}: {e}"))?;
    let mut bytes = Vec::new();
    file.take(MAX_MEMBER + 1).read_to_end(&mut bytes).map_err(|e| format!("{name}: {e}"))?;
    if bytes.len() as u64 > MAX_MEMBER {
        Err(format!("{name}: larger than {MAX_MEMBER} bytes"))
    } else {
        Ok(bytes)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    F16,
    BF16,
    F32,
    F64,
}

impl Kind {
    fn size(self) -> usize {
        match self {
            Self::F16 | Self::BF16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    fn read(self, b: &[u8]) -> f32 {
        match self {
            Self::F16 => f16::from_le_bytes([b[0], b[1]]).to_f32(),
            Self::BF16 => bf16::from_le_bytes([b[0], b[1]]).to_f32(),
            Self::F32 => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
            Self::F64 => f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32,
        }
    }
}

#[derive(Clone, Debug)]
struct Tensor {
    storage: Rc<str>,
    kind: Kind,
    offset: usize,
    len: usize,
    stride: usize,
}

impl Tensor {
    fn read(&self, bytes: &[u8], out: &mut Vec<f32>) -> std::result::Result<(), String> {
        let size = self.kind.size();
        let last = self.len.checked_sub(1).and_then(|n| n.checked_mul(self.stride));
        let end = last.and_then(|n| n.checked_add(self.offset)).and_then(|n| (n + 1).checked_mul(size));
        if end.is_none_or(|end| end > bytes.len()) {
            return Err(format!("{} numbers do not fit into a storage of {} bytes", self.len, bytes.len()));
        }
        out.clear();
        out.extend((0..self.len).map(|i| self.kind.read(&bytes[(self.offset + i * self.stride) * size..])));
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Value {
    Mark,
    None,
    Bool,
    Int(i64),
    Str(Rc<str>),
    Tuple(Rc<[Value]>),
    Dict(Vec<(Value, Value)>),
    RebuildTensor,
    OrderedDict,
    StorageType(Kind),
    Storage(Rc<str>, Kind),
    Tensor(Tensor),
}

/// The part of the pickle machine that a dict of tensors needs.
struct Machine<'a> {
    input: &'a [u8],
    stack: Vec<Value>,
    memo: HashMap<u32, Value>,
}

type Step<T> = std::result::Result<T, String>;

impl<'a> Machine<'a> {
    fn run(input: &'a [u8]) -> Step<Value> {
        let mut machine = Self { input, stack: Vec::new(), memo: HashMap::new() };
        loop {
            let [opcode] = machine.take::<1>()?;
            if opcode == b'.' {
                return machine.pop();
            }
            machine.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Step<()> {
        let value = match opcode {
            0x80 => return self.take::<1>().map(drop),
            b'(' => Value::Mark,
            b'N' => Value::None,
            0x88 | 0x89 => Value::Bool,
            b'K' => Value::Int(self.take::<1>()?[0].into()),
            b'M' => Value::Int(u16::from_le_bytes(self.take()?).into()),
            b'J' => Value::Int(i32::from_le_bytes(self.take()?).into()),
            0x8a => self.long()?,
            b'X' => {
                let len = u32::from_le_bytes(self.take()?) as usize;
                let bytes = self.bytes(len)?;
                Value::Str(std::str::from_utf8(bytes).map_err(|e| e.to_string())?.into())
            }
            b'c' => self.global()?,
            b')' => Value::Tuple(Rc::new([])),
            b'}' => Value::Dict(Vec::new()),
            b't' => Value::Tuple(self.pop_to_mark()?.into()),
            0x85..=0x87 => {
                let at = self.stack.len().checked_sub(usize::from(opcode - 0x84)).ok_or("stack underflow")?;
                Value::Tuple(self.stack.split_off(at).into())
            }
            b'Q' => self.storage()?,
            b'R' => self.reduce()?,
            b's' => {
                let pair = [self.pop()?, self.pop()?];
                let [value, key] = pair;
                return self.set_items(vec![key, value]);
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                return self.set_items(items);
            }
            b'q' => {
                let [slot] = self.take::<1>()?;
                return self.remember(slot.into());
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.take()?);
                return self.remember(slot);
            }
            b'h' => {
                let [slot] = self.take::<1>()?;
                self.recall(slot.into())?
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.take()?);
                self.recall(slot)?
            }
            other => return Err(format!("opcode 0x{other:02x} does not belong into a dict of tensors")),
        };
        self.stack.push(value);
        Ok(())
    }

    fn bytes(&mut self, len: usize) -> Step<&'a [u8]> {
        let (head, rest) = self.input.split_at_checked(len).ok_or("the pickle is cut off")?;
        self.input = rest;
        Ok(head)
    }

    fn take<const N: usize>(&mut self) -> Step<[u8; N]> {
        Ok(self.bytes(N)?.try_into().expect("N bytes were split off"))
    }

    fn line(&mut self) -> Step<&'a str> {
        let end = memchr::memchr(b'\n', self.input).ok_or("the pickle is cut off")?;
        let line = self.bytes(end + 1)?;
        std::str::from_utf8(&line[..end]).map_err(|e| e.to_string())
    }

    fn long(&mut self) -> Step<Value> {
        let [len] = self.take::<1>()?;
        let bytes = self.bytes(len.into())?;
        if bytes.len() > 8 {
            return Err("an integer of more than 64 bits".into());
        }
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        Ok(Value::Int(i64::from_le_bytes(wide)))
    }

    fn global(&mut self) -> Step<Value> {
        let (module, name) = (self.line()?, self.line()?);
        Ok(match (module, name) {
            ("torch._utils", "_rebuild_tensor_v2") => Value::RebuildTensor,
            ("collections", "OrderedDict") => Value::OrderedDict,
            ("torch", "FloatStorage") => Value::StorageType(Kind::F32),
            ("torch", "DoubleStorage") => Value::StorageType(Kind::F64),
            ("torch", "HalfStorage") => Value::StorageType(Kind::F16),
            ("torch", "BFloat16Storage") => Value::StorageType(Kind::BF16),
            _ => return Err(format!("`{module}.{name}` is refused: only tensors are read")),
        })
    }

    fn pop(&mut self) -> Step<Value> {
        self.stack.pop().ok_or_else(|| "stack underflow".into())
    }

    fn pop_to_mark(&mut self) -> Step<Vec<Value>> {
        let mark = self.stack.iter().rposition(|v| matches!(v, Value::Mark)).ok_or("no mark on the stack")?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn remember(&mut self, slot: u32) -> Step<()> {
        let value = match self.stack.last().ok_or("stack underflow")? {
            // The dict itself is never fetched back; remembering its copy would double memory.
            Value::Dict(_) => Value::None,
            other => other.clone(),
        };
        self.memo.insert(slot, value);
        Ok(())
    }

    fn recall(&self, slot: u32) -> Step<Value> {
        self.memo.get(&slot).cloned().ok_or_else(|| format!("memo slot {slot} is empty"))
    }

    fn set_items(&mut self, items: Vec<Value>) -> Step<()> {
        let Some(Value::Dict(entries)) = self.stack.last_mut() else { return Err("no dict to fill".into()) };
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            entries.push((key, value));
        }
        Ok(())
    }

    /// `('storage', type, key, device, length)`
    fn storage(&mut self) -> Step<Value> {
        if let Value::Tuple(id) = self.pop()?
            && let [_, Value::StorageType(kind), Value::Str(key), ..] = &*id
            && !key.contains(['/', '\\'])
        {
            return Ok(Value::Storage(key.clone(), *kind));
        }
        Err("a persistent id that names no storage".into())
    }

    fn reduce(&mut self) -> Step<Value> {
        let (Value::Tuple(arguments), function) = (self.pop()?, self.pop()?) else {
            return Err("a call without an argument tuple".into());
        };
        match (function, &*arguments) {
            (Value::OrderedDict, []) => Ok(Value::Dict(Vec::new())),
            (
                Value::RebuildTensor,
                [
                    Value::Storage(storage, kind),
                    Value::Int(offset),
                    Value::Tuple(shape),
                    Value::Tuple(stride),
                    ..,
                ],
            ) => {
                let (len, stride) = vector_shape(shape, stride)?;
                let offset = usize::try_from(*offset).map_err(|_| "a negative offset")?;
                Ok(Value::Tensor(Tensor { storage: storage.clone(), kind: *kind, offset, len, stride }))
            }
            _ => Err("a call that builds no tensor".into()),
        }
    }
}

fn vector_shape(shape: &[Value], stride: &[Value]) -> Step<(usize, usize)> {
    let (len, stride) = match (shape, stride) {
        ([Value::Int(len)], [Value::Int(stride)]) => (len, stride),
        ([Value::Int(1), Value::Int(len)], [Value::Int(_), Value::Int(stride)]) => (len, stride),
        _ => return Err("a tensor whose shape is neither [dim] nor [1, dim]".into()),
    };
    let number = |n: &i64| usize::try_from(*n).ok().filter(|&n| n <= 1 << 24);
    number(len).filter(|&n| n > 0).zip(number(stride)).ok_or_else(|| "a tensor of absurd size".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_names_are_refused() {
        let error = Machine::run(b"\x80\x02cos\nsystem\n.").unwrap_err();
        assert!(error.contains("os.system"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_end_in_a_value_or_an_error(bytes in proptest::collection::vec(
            proptest::prop_oneof![proptest::prelude::any::<u8>(), proptest::sample::select(b"(tR}us.Qqhc\x85K".to_vec())], 0..80,
        )) {
            let _ = Machine::run(&bytes);
        }
    }
}
