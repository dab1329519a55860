//! What a run found, as the table that is printed and stands in `docs/differential.md`.

use std::{env, fs, path::Path};

use super::{
    run::{Counts, Faults},
    servers::{self, Door},
};

/// The table lies between these in the page.
const BEGIN: &str = "<!-- table of a run -->\n";
const END: &str = "<!-- end of the table -->\n";

/// How many faults are shown of what may be thousands.
const SHOWN: usize = 60;

#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<(&'static str, Door, Counts)>,
    faults: Faults,
}

impl Table {
    pub(crate) fn add(
        &mut self,
        group: &'static str,
        (rows, faults): (Vec<(Door, Counts)>, Faults),
    ) {
        self.rows.extend(rows.into_iter().map(|(door, counts)| (group, door, counts)));
        self.faults.extend(faults.into_iter().map(|fault| format!("{group}: {fault}")));
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "| group | server | cases | refused by the gateway | forwarded | declined by the server | read as judged |\n\
             |---|---|---:|---:|---:|---:|---:|\n",
        );
        for (group, door, counts) in &self.rows {
            let Counts { cases, refused, forwarded, declined, agreed } = counts;
            let door = door.title();
            text += &format!(
                "| {group} | {door} | {cases} | {refused} | {forwarded} | {declined} | {agreed} |\n"
            );
        }
        text
    }

    /// Prints the table, writes it into the page with `UPDATE_GOLDEN=1`, and fails if anything differed.
    pub(crate) fn conclude(self) {
        let text = format!("{}.\n\n{}", servers::versions(), self.text());
        println!("{text}");
        let shown = self.faults.iter().take(SHOWN).map(|fault| format!("{fault}\n"));
        let shown: String = shown.collect();
        assert!(self.faults.is_empty(), "{} differ, such as:\n{shown}", self.faults.len());
        let whole = |counts: &Counts| {
            counts.cases == counts.refused + counts.forwarded
                && counts.forwarded == counts.declined + counts.agreed
                && counts.agreed > 0
        };
        assert!(self.rows.iter().all(|(.., counts)| whole(counts)), "{text}");
        if env::var_os("UPDATE_GOLDEN").is_some() {
            let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/differential.md");
            let old = fs::read_to_string(&page).unwrap();
            let (before, rest) = old.split_once(BEGIN).unwrap();
            let (_, after) = rest.split_once(END).unwrap();
            fs::write(page, [before, BEGIN, &text, END, after].concat()).unwrap();
        }
    }
}
