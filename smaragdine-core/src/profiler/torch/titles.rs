//! The names of one document, each read once.

use rustc_hash::FxHashMap;

use super::document::Document;
use super::title::{Title, name_of};

#[derive(Debug, Default)]
pub(super) struct Titles {
    /// By the document's number of a name.
    titles: Vec<Title>,
    words_of: Vec<u32>,
    /// What operations are called, and how a document calls them.
    words: Vec<(String, String)>,
    /// Of the models that the program named, two at most: whoever writes a document may name millions.
    wholes: Vec<String>,
}

impl Titles {
    pub(super) fn of(document: &Document) -> Self {
        let mut numbers: FxHashMap<String, u32> = FxHashMap::default();
        let mut titles = Self::default();
        for &text in &document.names {
            let title = Title::of(text);
            let word = match &title {
                Title::Operation { name, .. } | Title::Node { name, .. } => name.clone(),
                // A kernel may have any name.
                _ => name_of(text),
            };
            if let Title::Whole { path } = &title
                && titles.wholes.len() < 2
                && !titles.wholes.contains(path)
            {
                titles.wholes.push(path.clone());
            }
            let next = titles.words.len() as u32;
            let number = *numbers.entry(word).or_insert_with_key(|word| {
                titles.words.push((word.clone(), super::title::shortened(text)));
                next
            });
            titles.words_of.push(number);
            titles.titles.push(title);
        }
        titles
    }

    /// The path of the program's model, where it named one and no other.
    pub(super) fn whole(&self) -> Option<&str> {
        self.wholes.first().filter(|_| self.wholes.len() == 1).map(String::as_str)
    }

    pub(super) fn title(&self, name: u32) -> &Title {
        &self.titles[name as usize]
    }

    /// The number of what an operation of this name is called.
    pub(super) fn word_of(&self, name: u32) -> u32 {
        self.words_of[name as usize]
    }

    pub(super) fn word(&self, word: u32) -> &str {
        &self.words[word as usize].0
    }

    /// As the document has it, `aten::addmm`.
    pub(super) fn raw(&self, word: u32) -> &str {
        &self.words[word as usize].1
    }
}
