//! Texts that end a text, found across the borders of tokens.

use std::ops::Range;

use super::settings::StopString;

/// The stop strings of one generation.
#[derive(Debug, Default)]
pub(super) struct StopStrings {
    strings: Vec<StopString>,
    /// Bytes of the longest.
    longest: usize,
}

impl StopStrings {
    pub fn new(strings: &[StopString]) -> Self {
        let longest = strings.iter().map(|stop| stop.text.len()).max().unwrap_or(0);
        Self { strings: strings.iter().filter(|stop| !stop.text.is_empty()).cloned().collect(), longest }
    }

    /// Bytes of the longest.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.strings.is_empty()
    }
}

/// Watches the text of one sequence, and holds back what may be the beginning of a stop string that is cut off.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    /// The end of the text, tokens that are no text by their names.
    tail: String,
    /// The parts of `tail` that are not shown.
    hidden: Vec<Range<usize>>,
    /// Where the text begins in `tail`; before it is the prompt.
    begin: usize,
    /// Up to where `tail` has been handed out.
    released: usize,
}

impl Watch {
    /// Begins after the end of a prompt, into which stop strings that are kept may reach back.
    pub fn after(prompt: String) -> Self {
        Self { begin: prompt.len(), released: prompt.len(), hidden: Vec::new(), tail: prompt }
    }

    /// Takes the next piece of text, and adds to `out` what is certain. True when a stop string ends in the piece; the
    /// text is complete then.
    pub fn push(&mut self, stops: &StopStrings, piece: &str, visible: bool, out: &mut String) -> bool {
        let old = self.tail.len();
        self.tail.push_str(piece);
        if !visible {
            self.hidden.push(old..self.tail.len());
        }
        if let Some((start, cut)) = self.find(stops, old) {
            let end = if cut { start } else { self.tail.len() };
            self.release(end, out);
            return true;
        }
        let held = stops.strings.iter().filter(|stop| stop.cut).map(|stop| self.begun(&stop.text)).max().unwrap_or(0);
        self.release(self.tail.len() - held, out);
        self.forget(stops.longest);
        false
    }

    /// Adds to `out` what was held back.
    pub fn finish(&mut self, out: &mut String) {
        self.release(self.tail.len(), out);
    }

    /// Where the first stop string begins that ends after `old`, and whether it is cut off.
    fn find(&self, stops: &StopStrings, old: usize) -> Option<(usize, bool)> {
        let found = stops.strings.iter().filter_map(|stop| {
            let mut from = (old + 1).saturating_sub(stop.text.len());
            if stop.cut {
                from = from.max(self.begin);
            }
            let from = self.tail.ceil_char_boundary(from);
            self.tail[from..].find(&stop.text).map(|place| (from + place, stop.cut))
        });
        // Of two at one place the one that cuts.
        found.min_by_key(|(start, cut)| (*start, !cut))
    }

    /// How many bytes at the end of the text are the beginning of `stop`.
    fn begun(&self, stop: &str) -> usize {
        let text = &self.tail.as_bytes()[self.begin..];
        let most = text.len().min(stop.len() - 1);
        (1..=most).rev().find(|n| text.ends_with(&stop.as_bytes()[..*n])).unwrap_or(0)
    }

    /// Hands out the text up to `end`, without what is not shown.
    fn release(&mut self, end: usize, out: &mut String) {
        for hidden in &self.hidden {
            // The last release may have ended within it.
            if hidden.end > self.released && hidden.start < end {
                out.push_str(&self.tail[self.released..hidden.start.max(self.released)]);
                self.released = hidden.end.min(end);
            }
        }
        if self.released < end {
            out.push_str(&self.tail[self.released..end]);
            self.released = end;
        }
    }

    /// Drops what no stop string can reach back to.
    fn forget(&mut self, longest: usize) {
        let keep = self.tail.len().saturating_sub(longest.saturating_sub(1)).min(self.released);
        // In steps, so that the rest is not moved for each token.
        if keep < 256 {
            return;
        }
        let keep = self.tail.floor_char_boundary(keep);
        self.tail.drain(..keep);
        self.released -= keep;
        self.begin = self.begin.saturating_sub(keep);
        self.hidden.retain_mut(|hidden| {
            *hidden = hidden.start.saturating_sub(keep)..hidden.end.saturating_sub(keep);
            hidden.end > 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops(kept: &[&str], cut: &[&str]) -> StopStrings {
        let string = |text: &&str, cut| StopString { text: (*text).to_owned(), cut };
        let kept = kept.iter().map(|text| string(text, false));
        StopStrings::new(&kept.chain(cut.iter().map(|text| string(text, true))).collect::<Vec<_>>())
    }

    /// What is handed out for each piece, and whether the text ended.
    fn watch(stops: &StopStrings, prompt: &str, pieces: &[&str]) -> (Vec<String>, bool) {
        let mut watch = Watch::after(prompt.to_owned());
        let mut released = Vec::new();
        for piece in pieces {
            let mut out = String::new();
            let ended = watch.push(stops, piece, !piece.starts_with("<|"), &mut out);
            released.push(out);
            if ended {
                return (released, true);
            }
        }
        let mut out = String::new();
        watch.finish(&mut out);
        released.push(out);
        (released, false)
    }

    #[test]
    fn a_possible_beginning_is_held_back_until_it_is_clear() {
        let stops = stops(&[], &["END", "\n\n"]);
        let (released, ended) = watch(&stops, "", &["a E", "N", "X E", "ND b"]);
        assert_eq!((released, ended), (vec!["a ".to_owned(), String::new(), "ENX ".to_owned(), String::new()], true));
        let (released, ended) = watch(&stops, "\n", &["\nb\n"]);
        assert_eq!((released, ended), (vec!["\nb".to_owned(), "\n".to_owned()], false), "the prompt is no text");
    }

    #[test]
    fn kept_ones_hold_nothing_back_and_reach_into_the_prompt() {
        let stops = stops(&["END", "\n\n"], &[]);
        assert_eq!(watch(&stops, "", &["a E", "NDs b"]), (vec!["a E".to_owned(), "NDs b".to_owned()], true));
        assert_eq!(watch(&stops, "x\n", &["\ny"]), (vec!["\ny".to_owned()], true));
    }

    #[test]
    fn tokens_that_are_no_text_end_it_unseen() {
        let stops = stops(&[], &["<|end|>"]);
        assert_eq!(watch(&stops, "", &["a <", "<|end|>"]), (vec!["a ".to_owned(), "<".to_owned()], true));
        assert_eq!(watch(&stops, "", &["a", "<|x|>", "b"]).0.concat(), "ab");
        let held = self::stops(&[], &[">x1"]);
        assert_eq!(watch(&held, "", &["a", "<|x|>", "b"]).0.concat(), "ab", "a part of the name is held back");
    }

    #[test]
    fn long_texts_come_out_whole() {
        let stops = stops(&[], &["ééé!"]);
        let pieces = ["é", "éa", "ééb", " c", "<|x|>"].repeat(500);
        let wanted = pieces.iter().filter(|piece| !piece.starts_with("<|")).copied().collect::<String>();
        let (released, ended) = watch(&stops, "", &pieces);
        assert_eq!((released.concat(), ended), (wanted, false));
    }
}
