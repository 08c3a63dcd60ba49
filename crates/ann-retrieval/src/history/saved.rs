//! Histories in files, with their codebooks or without.
//!
//! A file of its own is whole: `save` and `open`. Where many histories share a codec, `save_without_codec` writes its
//! fingerprint in place of the codebooks, and `open_with` takes files of both forms and shares the caller's codec.

use std::path::Path;
use std::sync::Arc;

use crate::coded::{CodeList, StoredCodec};
use crate::error::Result;
use crate::history::{ExactHistory, FusedHistory, History, HistoryIndex, RescoredHistory};
use crate::index::Persist;
use crate::persist::{Reader, Writer};

/// The name of the fingerprint that stands for codebooks.
const FINGERPRINT: &str = "fingerprint";

/// What tells a codec from others of its kind: its kind and all its numbers.
pub(super) fn fingerprint<C: StoredCodec>(codec: &C) -> u64 {
    let mut out = Writer::new(C::KIND);
    codec.write(&mut out);
    out.fingerprint()
}

/// How a codec stands in a file.
#[derive(Clone, Copy)]
enum Form {
    Whole,
    Fingerprint,
}

/// The parts of a history, apart from where its codec comes from.
trait Parts: Persist {
    type Codec: StoredCodec;

    fn write_parts<'a>(&'a self, form: Form, out: &mut Writer<'a>);

    fn read_parts(codec: Option<Arc<Self::Codec>>, from: &Reader) -> Result<Self>;

    fn save_fingerprint(&self, path: &Path) -> Result<()> {
        let mut out = Writer::new(Self::KIND);
        self.write_parts(Form::Fingerprint, &mut out);
        out.save(path)
    }

    fn open_sharing(path: &Path, codec: Arc<Self::Codec>) -> Result<Self> {
        Self::read_parts(Some(codec), &Reader::open(path, Self::KIND)?)
    }
}

/// The given codec if the file's is the same, or else the file's own.
fn read_codec<C: StoredCodec>(codec: Option<Arc<C>>, from: &Reader) -> Result<Arc<C>> {
    let named = from.has(FINGERPRINT);
    match codec {
        None if named => Err(from.damaged(
            "was saved without its codebooks, and there is only their fingerprint: open it with `open_with` and the codec",
        )),
        None => Ok(Arc::new(C::read(from)?)),
        Some(codec) => {
            let own = if named { from.header::<1>(FINGERPRINT)?[0] } else { fingerprint(&C::read(from)?) };
            let given = fingerprint(&*codec);
            if own == given {
                return Ok(codec);
            }
            Err(from.damaged(format!(
                "was saved with another codec than the given one: fingerprints {own:016x} and {given:016x}"
            )))
        }
    }
}

impl<C: StoredCodec> Parts for History<C> {
    type Codec = C;

    fn write_parts<'a>(&'a self, form: Form, out: &mut Writer<'a>) {
        out.put_own("shape", &[self.modalities as u64, self.next]);
        self.list.write(out);
        out.within("codec", |out| match form {
            Form::Whole => self.codec.write(out),
            Form::Fingerprint => out.put_own(FINGERPRINT, &[fingerprint(&*self.codec)]),
        });
    }

    fn read_parts(codec: Option<Arc<C>>, from: &Reader) -> Result<Self> {
        let codec = read_codec(codec, &from.within("codec"))?;
        let [modalities, next] = from.header("shape")?;
        let empty = Self::new(codec, modalities as usize);
        let empty = empty.map_err(|error| from.damaged(error.to_string()))?;
        let list = CodeList::<C>::read(&empty.codec, from)?;
        let newer = (0..list.ids().len()).all(|slot| list.ids().id(slot) < next);
        from.ensure(newer, "numbers")?;
        Ok(Self { list, next, ..empty })
    }
}

impl<C: StoredCodec> Parts for FusedHistory<C> {
    type Codec = C;

    fn write_parts<'a>(&'a self, form: Form, out: &mut Writer<'a>) {
        out.put("weights", &self.weights);
        out.within("fused", |out| self.fused.write_parts(form, out));
    }

    fn read_parts(codec: Option<Arc<C>>, from: &Reader) -> Result<Self> {
        let fused = History::read_parts(codec, &from.within("fused"))?;
        from.ensure(fused.modalities() == 1, "modalities")?;
        let weights: Vec<f32> = from.numbers("weights")?;
        let empty = Self::new(fused.codec.clone(), &weights);
        Ok(Self { fused, ..empty.map_err(|error| from.damaged(error.to_string()))? })
    }
}

impl<C: StoredCodec> Parts for RescoredHistory<C> {
    type Codec = C;

    fn write_parts<'a>(&'a self, form: Form, out: &mut Writer<'a>) {
        out.put_own("factor", &[self.factor as u64]);
        out.within("codes", |out| self.codes.write_parts(form, out));
        out.within("exact", |out| self.exact.write(out));
    }

    fn read_parts(codec: Option<Arc<C>>, from: &Reader) -> Result<Self> {
        let [factor] = from.header("factor")?;
        from.ensure((1..1 << 32).contains(&factor), "factor")?;
        let codes = History::read_parts(codec, &from.within("codes"))?;
        let exact = ExactHistory::read(&from.within("exact"))?;
        // Both hold the same behaviours under the same numbers, as every change is applied to both.
        let (coded, whole) = (codes.list.ids(), exact.list.ids());
        let same = (codes.modalities, codes.dim(), codes.next) == (exact.modalities, exact.dim(), exact.next)
            && coded.len() == whole.len()
            && (0..coded.len()).all(|slot| coded.id(slot) == whole.id(slot));
        from.ensure(same, "codes and behaviours")?;
        Ok(Self { codes, exact, factor: factor as usize })
    }
}

/// The same few functions for each kind of history.
macro_rules! saved {
    ($history:ident, $codec:ident, $kind:expr) => {
        impl<$codec: StoredCodec> Persist for $history<$codec> {
            const KIND: [u8; 8] = $kind;

            fn write<'a>(&'a self, out: &mut Writer<'a>) {
                self.write_parts(Form::Whole, out);
            }

            fn read(from: &Reader) -> Result<Self> {
                Self::read_parts(None, from)
            }
        }

        impl<$codec: StoredCodec> $history<$codec> {
            /// [`Persist::save`] without the codebooks: a fingerprint stands for them. Only `open_with` opens such a
            /// file.
            ///
            /// # Errors
            /// The file system's refusal.
            pub fn save_without_codec(&self, path: &Path) -> Result<()> {
                self.save_fingerprint(path)
            }

            /// Maps a file that was saved with or without its codebooks; the history shares the given codec.
            ///
            /// # Errors
            /// As [`Persist::open`], and if the history was saved with another codec.
            pub fn open_with(path: &Path, codec: Arc<$codec>) -> Result<Self> {
                Self::open_sharing(path, codec)
            }
        }
    };
}

saved!(
    History,
    C,
    [b'h', C::KIND[0], C::KIND[1], C::KIND[2], C::KIND[3], C::KIND[4], C::KIND[5], C::KIND[6]]
);
saved!(FusedHistory, C, [b'f', b'h', C::KIND[0], C::KIND[1], C::KIND[2], C::KIND[3], C::KIND[4], C::KIND[5]]);
saved!(
    RescoredHistory,
    C,
    [b's', b'h', C::KIND[0], C::KIND[1], C::KIND[2], C::KIND[3], C::KIND[4], C::KIND[5]]
);
