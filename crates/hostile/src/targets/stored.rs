//! What this project writes itself: corpus, catalogue, embedding file, journal, checkpoint. Half of the mutants carry a checksum that
//! fits, so that they reach the code behind it.

use std::path::Path;
use std::sync::Arc;

use seminar_dataset::{
    BatchConfig, Batches, Catalogue, Corpus, EmbeddingJournal, EmbeddingTable, Embeddings, Precision, Split,
    Statistics,
};
use seminar_trainer::Silent;

use super::{Loader, Target, both, unpack};
use crate::sample;

pub(super) const TARGETS: &[Target] = &[
    Target { name: "corpus", records: 1, seeds: corpus_files, loader: corpus },
    Target { name: "catalogue", records: 1, seeds: catalogue_files, loader: catalogue },
    Target { name: "embeddings", records: 1, seeds: embedding_files, loader: embeddings },
    Target { name: "journal", records: 1, seeds: journal_files, loader: journal },
    Target { name: "checkpoint", records: 1, seeds: checkpoint_files, loader: checkpoint },
];

const CORPUS: [&str; 2] = ["corpus.bin", "texts.bin"];

fn corpus_files() -> anyhow::Result<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir()?;
    sample::write_corpus(folder.path())?;
    let mut seeds = Vec::new();
    for (which, name) in CORPUS.iter().enumerate() {
        seeds.extend(both(which as u8, &std::fs::read(folder.path().join(name))?));
    }
    Ok(seeds)
}

fn corpus(folder: &Path) -> anyhow::Result<Loader> {
    let folder = folder.to_owned();
    sample::write_corpus(&folder)?;
    let sound: Vec<Vec<u8>> =
        CORPUS.iter().map(|name| std::fs::read(folder.join(name))).collect::<Result<_, _>>()?;
    Ok(Box::new(move |input| {
        let (which, bytes) = unpack(input);
        let which = which as usize % CORPUS.len();
        // A new file each time: the old one may still be mapped.
        let path = folder.join(CORPUS[which]);
        std::fs::remove_file(&path)?;
        std::fs::write(&path, bytes)?;
        let opened = Corpus::open(&folder).map(walk);
        std::fs::remove_file(&path)?;
        std::fs::write(&path, &sound[which])?;
        Ok(opened.is_ok())
    }))
}

/// Asks an opened corpus for everything it has.
fn walk(corpus: Corpus) {
    std::hint::black_box(Statistics::of(&corpus).events);
    for user in 0..corpus.user_count() {
        corpus.history(user).queries.iter().for_each(|&query| drop(corpus.query(query).to_vec()));
        std::hint::black_box((corpus.user_name(user), corpus.user_number(user), corpus.sampled(user)));
    }
    for item in 1..=corpus.item_count() as u32 {
        std::hint::black_box((corpus.item_name(item), corpus.title(item), corpus.attributes(item)));
        std::hint::black_box((corpus.item_query(item), corpus.image_urls(item).count()));
    }
    let corpus = Arc::new(corpus);
    for split in [Split::Pretrain, Split::Train, Split::Test] {
        let config = BatchConfig { history_length: 6, evaluation_negatives: 3, ..BatchConfig::default() };
        if let Ok(batches) = Batches::new(corpus.clone(), split, config) {
            std::hint::black_box(batches.epoch(0).prefetch(0).count());
        }
    }
}

fn catalogue_files() -> anyhow::Result<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir()?;
    sample::write_corpus(folder.path())?;
    let path = folder.path().join("catalogue.bin");
    Catalogue::write(&Corpus::open(folder.path())?, &path)?;
    Ok(both(0, &std::fs::read(path)?).into())
}

fn catalogue(folder: &Path) -> anyhow::Result<Loader> {
    let path = folder.join("catalogue.bin");
    Ok(Box::new(move |input| {
        let (_, bytes) = unpack(input);
        std::fs::write(&path, bytes)?;
        let opened = Catalogue::open(&path).map(|file| {
            for item in 1..=file.item_count() as u32 {
                std::hint::black_box((
                    file.item(file.item_name(item)),
                    file.title(item),
                    file.attributes(item),
                ));
                std::hint::black_box((file.item_query(item), file.image_urls(item).count()));
            }
            for id in 0..=file.word_count().max(file.attribute_count()).min(100) as u32 {
                std::hint::black_box((file.word(id), file.attribute_name(id), file.word_number("1")));
            }
        });
        std::fs::remove_file(&path)?;
        Ok(opened.is_ok())
    }))
}

fn embedding_files() -> anyhow::Result<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir()?;
    let mut table = EmbeddingTable::new(9, 5)?;
    table.set(3, &[1.0, 2.0, 3.0, 4.0, 5.0])?;
    table.set(9, &[0.5; 5])?;
    let mut seeds = Vec::new();
    for precision in [Precision::F32, Precision::F16] {
        let path = folder.path().join("file");
        table.write(&path, precision)?;
        seeds.extend(both(0, &std::fs::read(&path)?));
    }
    Ok(seeds)
}

fn embeddings(folder: &Path) -> anyhow::Result<Loader> {
    let path = folder.join("text.emb");
    Ok(Box::new(move |input| {
        let (_, bytes) = unpack(input);
        std::fs::write(&path, bytes)?;
        let opened = Embeddings::open(&path).map(|file| {
            let mut row = vec![0.0; file.dim()];
            (0..=file.item_count().min(100) as u32).filter(|&item| file.read(item, &mut row)).count()
        });
        std::fs::remove_file(&path)?;
        Ok(opened.is_ok())
    }))
}

const JOURNAL: (usize, usize, u64) = (9, 3, 77);

fn journal_files() -> anyhow::Result<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("journal");
    let (items, dim, fingerprint) = JOURNAL;
    let mut journal = EmbeddingJournal::open(&path, items, dim, fingerprint)?;
    journal.append(&[1, 2], &[0.5; 6], &[(3, "no picture".into())])?;
    journal.append(&[4], &[0.25; 3], &[])?;
    drop(journal);
    Ok(vec![std::fs::read(&path)?])
}

fn journal(folder: &Path) -> anyhow::Result<Loader> {
    let path = folder.join("journal");
    let (items, dim, fingerprint) = JOURNAL;
    Ok(Box::new(move |bytes| {
        std::fs::write(&path, bytes)?;
        let opened = EmbeddingJournal::open(&path, items, dim, fingerprint);
        Ok(opened.is_ok_and(|journal| journal.chunks() > 0))
    }))
}

fn checkpoint_files() -> anyhow::Result<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir()?;
    sample::write_toy(folder.path())?;
    sample::trainer(folder.path())?.fit(&mut Silent)?;
    let files = sample::checkpoints(folder.path());
    let [last, best] = [files.last(), files.best()].map(std::fs::read);
    let (last, best) = (last?, best?);
    Ok([both(0, &last), both(1, &best)].concat())
}

fn checkpoint(folder: &Path) -> anyhow::Result<Loader> {
    sample::write_toy(folder)?;
    let (files, mut trainer) = (sample::checkpoints(folder), sample::trainer(folder)?);
    Ok(Box::new(move |input| {
        let (which, bytes) = unpack(input);
        let path = if which % 2 == 0 { files.last() } else { files.best() };
        std::fs::write(&path, bytes)?;
        let loaded = match which % 2 {
            0 => trainer.resume().is_ok(),
            _ => trainer.load_weights(&path).is_ok(),
        };
        std::fs::remove_file(&path)?;
        Ok(loaded)
    }))
}
